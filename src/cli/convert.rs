//! `o365flow convert`: a topology out of the predecessor's configuration.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use pipeline_core::ComponentKind;

use super::{Failure, complain, load, show_faults};
use crate::{
    components::REGISTRY,
    config::{Ask, fault::SourceFile},
    convert::{self, ConvertError},
};

/// Write the topology that does what an `o365beat.yml` did.
///
/// What could not be carried is told on standard error, and in comments at the head of the result. The result is checked
/// as `validate` would.
#[derive(Debug, Args)]
pub(super) struct Convert {
    /// The configuration of o365beat.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where to write the topology, for its owner alone; standard output without this.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace a file that is there.
    #[arg(long)]
    force: bool,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
enum ConvertFileError {
    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot convert `{}`", path.display())]
    Convert { path: PathBuf, source: ConvertError },
    #[error("there is a file `{}` already; `--force` replaces it", path.display())]
    Exists { path: PathBuf },
    #[error("cannot write `{}`", path.display())]
    Write { path: PathBuf, source: io::Error },
}

impl Convert {
    pub(super) fn execute(self) -> Result<(), Failure> {
        let path = self.file;
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(source) => return Err(ConvertFileError::Read { path, source }.into()),
        };
        let sinks = REGISTRY.iter().filter(|entry| entry.kind == ComponentKind::Sink);
        let sinks: Vec<&str> = sinks.map(|entry| entry.name).collect();
        let converted = match convert::convert(&text, &sinks) {
            Ok(converted) => converted,
            Err(source) => return Err(ConvertFileError::Convert { path, source }.into()),
        };
        for note in &converted.notes {
            complain(format_args!("note: {note}"));
        }
        match &self.output {
            Some(output) => write(output, &converted.toml, self.force)?,
            None => drop(io::stdout().write_all(converted.toml.as_bytes())),
        }
        check(converted.checkable)
    }
}

fn write(path: &Path, text: &str, force: bool) -> Result<(), ConvertFileError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => ConvertFileError::Exists { path: path.to_owned() },
        _ => ConvertFileError::Write { path: path.to_owned(), source },
    };
    if force {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
    }
    // It may hold secrets, as the file that it comes from.
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}

/// Checks what was written. A fault is shown with its line in what was checked, in which comments are missing, so that
/// only what it says is of use.
fn check(checkable: String) -> Result<(), Failure> {
    let file = Arc::new(SourceFile { path: PathBuf::from("result"), text: checkable });
    match load::load_asking(&[file], |_: &str| None, Ask::Nobody) {
        Ok(_) => Ok(()),
        Err(Failure::Config(mut faults)) => {
            for fault in &mut faults {
                fault.span = None;
            }
            complain("the result has to be completed or corrected before it can be run:");
            show_faults(&faults);
            Err(Failure::Negative)
        }
        Err(failure) => Err(failure),
    }
}
