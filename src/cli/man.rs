//! `o365flow man`: the manual pages, for whoever makes a package.

use std::path::PathBuf;

use clap::{Args, CommandFactory};

use super::{Arguments, Failure};

/// Write the manual pages into a folder: `o365flow.1`, and one for each command.
#[derive(Debug, Args)]
pub(super) struct Man {
    /// The folder, which must exist.
    folder: PathBuf,
}

impl Man {
    pub(super) fn execute(self) -> Result<(), Failure> {
        clap_mangen::generate_to(Arguments::command(), &self.folder)
            .map_err(|source| ManError { folder: self.folder, source })?;
        Ok(())
    }
}

/// The pages could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the manual pages into `{}`", folder.display())]
struct ManError {
    folder: PathBuf,
    source: std::io::Error,
}
