//! The program that a command tries on records: a file, with settings.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use vrl::value::Value;

use crate::{
    components::record_schema,
    program::{
        Place, Program, SettingMistake, Source, Surroundings, compile_observed, compile_source,
        read_or_builtin, tables::Tables,
    },
};

/// What a program is compiled with besides its text.
#[derive(Clone, Debug, Args)]
pub(super) struct ProgramSettings {
    /// A setting of the program, as in `--set mode=rename`; may be given several times. Text, unless it is a number,
    /// `true` or `false`.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, Value)>,
}

/// Whether it is of interest which statements run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Observe {
    /// It is, and may cost time.
    Statements,
    /// It is not.
    Nothing,
}

/// Why there is no program.
#[derive(Debug, thiserror::Error)]
pub(super) enum CandidateError {
    #[error("cannot read the program `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("the program does not compile\n{diagnostic}")]
    Compile { diagnostic: String },
    #[error(transparent)]
    Setting(SettingMistake),
}

/// A text that is no setting.
#[derive(Debug, thiserror::Error)]
#[error("write it as NAME=VALUE")]
struct SettingError;

fn setting(text: &str) -> Result<(String, Value), SettingError> {
    let named = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = named.ok_or(SettingError)?;
    let value = match serde_json::from_str(value) {
        Ok(scalar @ (Value::Boolean(_) | Value::Integer(_) | Value::Float(_))) => scalar,
        Ok(_) | Err(_) => Value::from(value),
    };
    Ok((name.to_owned(), value))
}

/// Reads a file, or the built-in one of that name.
pub(super) fn read_file(path: &Path) -> io::Result<String> {
    std::fs::read_to_string(path)
}

impl ProgramSettings {
    /// The program at `path`, compiled against records as the source `office365` gives them.
    pub(super) fn compile_file(
        &self,
        path: &Path,
        observe: Observe,
    ) -> Result<Arc<Program>, CandidateError> {
        let text = read_or_builtin(path, &read_file)
            .map_err(|source| CandidateError::Read { path: path.to_owned(), source })?;
        self.compile(&text, &Place::File(path.to_owned()), observe)
    }

    /// The program that is `text`, compiled likewise.
    pub(super) fn compile(
        &self,
        text: &str,
        place: &Place,
        observe: Observe,
    ) -> Result<Arc<Program>, CandidateError> {
        let settings = self.settings.iter().cloned().collect();
        let surroundings = Surroundings::new(settings, Tables::default());
        let compile = match observe {
            Observe::Statements => compile_observed,
            Observe::Nothing => compile_source,
        };
        let program = Source::new(text, place, &read_file)
            .and_then(|source| compile(source, &record_schema(), &surroundings))
            .map_err(|error| CandidateError::Compile { diagnostic: error.diagnostic })?;
        match surroundings.mistakes().into_iter().next() {
            Some(mistake) => Err(CandidateError::Setting(mistake)),
            None => Ok(Arc::new(program)),
        }
    }
}
