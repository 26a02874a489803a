//! `o365flow vrl`: what does a program make of records?

mod map;

use std::path::PathBuf;

use clap::Args;
use vrl::value::Value;

use super::Failure;

/// Try VRL programs on records.
///
/// With FILE, every record of `--input` goes through that program, and what it makes of them is written as NDJSON.
/// What fails is told on standard error with its line and the reason, and is left out; then the exit code is 1.
#[derive(Debug, Args)]
pub(super) struct Vrl {
    /// The program. One that comes with the binary runs where there is no such file.
    #[arg(value_name = "FILE", requires = "input")]
    program: PathBuf,
    /// Records: NDJSON or a JSON array, packed with gzip or not; `-` is standard input.
    #[arg(short, long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Where to write what comes out; `-` is standard output.
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// A setting of the program, as in `--set mode=rename`; may be given several times. Text, unless it is a number,
    /// `true` or `false`.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, Value)>,
    /// Tell nothing but what failed.
    #[arg(short, long)]
    quiet: bool,
}

/// A text that is no setting.
#[derive(Debug, thiserror::Error)]
#[error("write it as NAME=VALUE")]
struct SettingError;

fn setting(text: &str) -> Result<(String, Value), SettingError> {
    let (name, value) =
        text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or(SettingError)?;
    let value = match serde_json::from_str(value) {
        Ok(scalar @ (Value::Boolean(_) | Value::Integer(_) | Value::Float(_))) => scalar,
        Ok(_) | Err(_) => Value::from(value),
    };
    Ok((name.to_owned(), value))
}

impl Vrl {
    pub(super) fn execute(self) -> Result<(), Failure> {
        let input = self.input.unwrap_or_else(|| "-".into());
        let settings = self.settings.into_iter().collect();
        let (program, output, quiet) = (self.program, self.output, self.quiet);
        map::Map { program, settings, input, output, quiet }.execute()
    }
}
