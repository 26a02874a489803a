//! `o365flow validate`: is this configuration right?

use std::path::PathBuf;

use clap::Args;

use super::{
    Failure, complain,
    load::{self, Loaded, Permissions},
    say,
};
use crate::{
    config::{self, Ask, EnrichmentTable},
    program::builtin,
};

/// Check a configuration, without starting anything.
///
/// Each file is one configuration. Nothing is read but the files that they name. A variable that is not set here is a
/// warning, as it may be set where o365flow runs: there it is an error.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
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
    /// Run the commands of secret backends as well. Without this, stand-ins take the place of what they would give.
    #[arg(long)]
    resolve_secrets: bool,
    /// List the files that a right configuration reads: programs with their parts, and tables.
    #[arg(long)]
    files_read: bool,
    #[command(flatten)]
    permissions: Permissions,
}

impl Validate {
    pub(super) fn execute(self) -> Result<(), Failure> {
        let groups: Vec<Vec<PathBuf>> = if self.together {
            vec![self.files]
        } else {
            self.files.into_iter().map(|file| vec![file]).collect()
        };
        let ask = if self.resolve_secrets { Ask::All } else { Ask::Files };
        let mut faults = Vec::new();
        for paths in groups {
            let name =
                paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" + ");
            let files = config::read_files(&paths)?;
            match load::load_asking(&files, load::environment, ask) {
                Ok(loaded) if !loaded.file_faults.is_empty() => faults.extend(loaded.file_faults),
                Ok(loaded) => {
                    let mut warnings = loaded.unset_variables.clone();
                    warnings.extend(loaded.topology.warnings.clone());
                    if !self.permissions.no_strict_permissions {
                        warnings.extend(load::too_open(paths.iter().map(PathBuf::as_path)));
                        warnings.extend(loaded.too_open());
                    }
                    if self.deny_warnings && !warnings.is_empty() {
                        faults.extend(warnings);
                        continue;
                    }
                    for warning in warnings {
                        complain(format_args!("warning: {warning}"));
                    }
                    say(format_args!("{name}: ok"));
                    if self.files_read {
                        list(&loaded);
                    }
                }
                Err(Failure::Config(more)) => faults.extend(more),
                Err(failure) => return Err(failure),
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(Failure::Config(faults)) }
    }
}

/// Lists what the configuration reads, and what is built in because there is no such file.
fn list(loaded: &Loaded) {
    let tables = loaded.global.enrichment_tables.values().map(EnrichmentTable::path);
    for path in loaded.topology.files().into_iter().chain(tables) {
        let is_builtin = !path.exists() && builtin(path).is_some();
        say(format_args!("  {}{}", path.display(), if is_builtin { " (built in)" } else { "" }));
    }
}
