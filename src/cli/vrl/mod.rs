//! `o365flow vrl`: what does a program make of records?

mod map;
mod profile;

use std::path::PathBuf;

use clap::Args;

use super::{
    Failure,
    candidate::{Observe, ProgramSettings},
};

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
    #[command(flatten)]
    settings: ProgramSettings,
    /// Say at the end which statements cost the time. The others run slower for it.
    #[arg(long)]
    profile: bool,
    /// Tell nothing but what failed.
    #[arg(short, long)]
    quiet: bool,
}

impl Vrl {
    pub(super) fn execute(self) -> Result<(), Failure> {
        let input = self.input.unwrap_or_else(|| "-".into());
        let observe = if self.profile { Observe::Statements } else { Observe::Nothing };
        let program = self.settings.compile_file(&self.program, observe)?;
        let Vrl { output, profile, quiet, .. } = self;
        map::Map { program, input, output, profile, quiet }.execute()
    }
}
