//! `o365flow state`: what the source remembers.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use pipeline_core::Clock;

use super::{Failure, load, run::block_on, say};
use crate::{
    components::office365::{
        ledger::Overwrite,
        state_import::{import_state, read_state},
    },
    topology::create_private_dir,
};

/// Change what the source remembers.
#[derive(Debug, Args)]
pub(super) struct State {
    #[command(subcommand)]
    command: StateCommand,
}

#[derive(Debug, Subcommand)]
enum StateCommand {
    /// Go on where o365beat stopped.
    Import(Import),
}

/// Go on where o365beat stopped: each feed starts at the time in its state file. Stop both programs first.
#[derive(Debug, Args)]
struct Import {
    /// The state file, `o365beat.state` as a rule.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    config: load::ConfigFiles,
    /// The source, where there are several of type `office365`.
    #[arg(long, value_name = "ID")]
    source: Option<String>,
    /// Whose state it is, where there are several tenants.
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// Start there even if the feeds were listed before.
    #[arg(long)]
    force: bool,
}

impl State {
    pub(super) fn execute(self, clock: &dyn Clock) -> Result<(), Failure> {
        match self.command {
            StateCommand::Import(import) => import.execute(clock),
        }
    }
}

impl Import {
    fn execute(self, clock: &dyn Clock) -> Result<(), Failure> {
        let loaded = self.config.load_telling()?;
        let source = load::the_one(load::office365_sources(&loaded), self.source.as_deref())?;
        let now = clock.now();
        let listed_until = read_state(&self.file, now)?;
        create_private_dir(&source.state_dir)?;
        let overwrite = if self.force { Overwrite::Force } else { Overwrite::Refuse };
        let tenant = self.tenant.as_deref();
        let import =
            import_state(&source.config, &source.state_dir, tenant, listed_until, overwrite);
        let imported = block_on(import)??;
        let types: Vec<&str> = imported.content_types.iter().map(|one| one.name()).collect();
        say(format_args!(
            "{}: {} go on at {}; what was created since {} is looked at again, for what was listed late",
            imported.tenant,
            types.join(", "),
            imported.listed_until,
            imported.listed_from,
        ));
        if imported.is_too_old(now) {
            say(
                "that is more than 7 days ago: what the API lists no more will be reported as a gap",
            );
        }
        Ok(())
    }
}
