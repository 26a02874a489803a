//! `o365flow validate`: is this configuration right?

use std::path::PathBuf;

use clap::Args;

use super::{Failure, complain, load, say};
use crate::config;

/// Check configurations, each file by itself, without touching anything.
#[derive(Debug, Args)]
pub(super) struct Validate {
    /// The configurations.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Take the files together as one configuration.
    #[arg(long)]
    together: bool,
    /// Take warnings for errors.
    #[arg(long)]
    deny_warnings: bool,
}

impl Validate {
    pub(super) fn execute(self) -> Result<(), Failure> {
        let groups: Vec<Vec<PathBuf>> = if self.together {
            vec![self.files]
        } else {
            self.files.into_iter().map(|file| vec![file]).collect()
        };
        let mut faults = Vec::new();
        for paths in groups {
            let name =
                paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" + ");
            match load::load(&config::read_files(&paths)?, load::environment) {
                Ok(loaded) if !loaded.file_faults.is_empty() => faults.extend(loaded.file_faults),
                Ok(loaded) if self.deny_warnings && !loaded.topology.warnings.is_empty() => {
                    faults.extend(loaded.topology.warnings);
                }
                Ok(loaded) => {
                    for warning in &loaded.topology.warnings {
                        complain(format_args!("warning: {warning}"));
                    }
                    say(format_args!("{name}: ok"));
                }
                Err(Failure::Config(more)) => faults.extend(more),
                Err(failure) => return Err(failure),
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(Failure::Config(faults)) }
    }
}
