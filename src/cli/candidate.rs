//! The program that a command tries on records: a file with settings, or the one of a configuration's transform.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use pipeline_core::Problem;
use vrl::value::Value;

use super::{Failure, load};
use crate::{
    components::record_schema,
    config::{self, EnrichmentTable},
    program::{
        Observer, Place, Program, SettingMistake, Source, Surroundings, compile_observed,
        compile_source, read_or_builtin, tables,
    },
};

/// What a program is compiled with besides its text, or where else it is from.
#[derive(Clone, Debug, Args)]
pub(super) struct Candidate {
    /// A setting of the program, as in `--set mode=rename`; may be given several times. Text, unless it is a number,
    /// `true` or `false`.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting, conflicts_with = "config")]
    settings: Vec<(String, Value)>,
    /// A table that the program looks values up in, as in `--table staff=staff.csv`; may be given several times. A file
    /// `.mmdb` is one of type `geoip`, every other one a CSV file with a header, all of its columns text.
    #[arg(long = "table", value_name = "NAME=FILE", value_parser = table, conflicts_with = "config")]
    tables: Vec<(String, EnrichmentTable)>,
    /// Take the program of a transform in this configuration, with its settings and tables. Given several times, the
    /// files are taken together as one.
    #[arg(short, long, value_name = "FILE")]
    pub(super) config: Vec<PathBuf>,
    /// The transform; not needed where only one has a program.
    #[arg(long, value_name = "ID", requires = "config")]
    pub(super) transform: Option<String>,
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
    #[error("{}", .0.message)]
    Table(Problem),
    #[error("no transform `{id}` has a program, but {known}")]
    NoProgram { id: String, known: String },
    #[error("name one by --transform: {known} have programs")]
    Several { known: String },
    #[error("no transform of the configuration has a program")]
    None,
}

/// A text that names no table.
#[derive(Debug, thiserror::Error)]
#[error("expected NAME=FILE")]
struct NoTable;

fn table(text: &str) -> Result<(String, EnrichmentTable), NoTable> {
    let (name, path) = text.split_once('=').ok_or(NoTable)?;
    Ok((name.to_owned(), EnrichmentTable::of_file(path.into())))
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

/// Reads a file that a program includes.
pub(super) fn read_file(path: &Path) -> io::Result<String> {
    std::fs::read_to_string(path)
}

impl Candidate {
    /// The program in the file, compiled against records as the source `office365` gives them; without a file the
    /// transform's.
    pub(super) fn program(
        &self,
        file: Option<&Path>,
        observe: Observe,
    ) -> Result<Arc<Program>, Failure> {
        match file {
            Some(path) => Ok(self.in_file(path, observe)?),
            None => self.of_transform(observe),
        }
    }

    /// The surroundings of a program in a file.
    pub(super) fn surroundings(&self) -> Result<Surroundings, CandidateError> {
        let settings = self.settings.iter().cloned().collect();
        let (tables, problems) =
            tables::load(&self.tables.iter().cloned().collect(), &|path| std::fs::read(path));
        match problems.into_iter().next() {
            Some(problem) => Err(CandidateError::Table(problem)),
            None => Ok(Surroundings::new(settings, tables)),
        }
    }

    fn in_file(&self, path: &Path, observe: Observe) -> Result<Arc<Program>, CandidateError> {
        let text = read_or_builtin(path, &read_file)
            .map_err(|source| CandidateError::Read { path: path.to_owned(), source })?;
        let surroundings = self.surroundings()?;
        let compile = match observe {
            Observe::Statements => compile_observed,
            Observe::Nothing => compile_source,
        };
        let program = Source::new(&text, &Place::File(path.to_owned()), &read_file)
            .and_then(|source| compile(source, &record_schema(), &surroundings))
            .map_err(|error| CandidateError::Compile { diagnostic: error.diagnostic })?;
        match surroundings.mistakes().into_iter().next() {
            Some(mistake) => Err(CandidateError::Setting(mistake)),
            None => Ok(Arc::new(program)),
        }
    }

    fn of_transform(&self, observe: Observe) -> Result<Arc<Program>, Failure> {
        let observer = match observe {
            Observe::Statements => Observer::of_statements(),
            Observe::Nothing => Observer::of_programs(),
        };
        load::load_observed(&config::read_files(&self.config)?, &observer)?;
        let mut programs = observer.programs();
        let known = || {
            let ids: Vec<String> =
                observer.programs().iter().map(|(id, _)| format!("`{id}`")).collect();
            ids.join(", ")
        };
        if let Some(wanted) = &self.transform {
            programs.retain(|(id, _)| id == wanted);
        }
        match (programs.len(), &self.transform) {
            (1, _) => Ok(programs.remove(0).1),
            (_, Some(_)) | (0, None) if known().is_empty() => {
                Err(Failure::usage(CandidateError::None))
            }
            (_, Some(id)) => {
                let id = id.clone();
                Err(Failure::usage(CandidateError::NoProgram { id, known: known() }))
            }
            (_, None) => Err(Failure::usage(CandidateError::Several { known: known() })),
        }
    }
}
