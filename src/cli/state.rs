//! `o365flow state`: what the source remembers.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use pipeline_core::Clock;

use super::{
    Failure, rfc3339,
    run::block_on,
    say,
    scope::{Scope, listed},
};
use crate::{
    components::office365::{
        ledger::Overwrite,
        state_import::{import_state, read_state},
    },
    topology::create_private_dir,
};

/// Take over what o365beat remembers.
#[derive(Debug, Args)]
pub(super) struct State {
    #[command(subcommand)]
    command: StateCommand,
}

#[derive(Debug, Subcommand)]
enum StateCommand {
    Import(Import),
}

/// Go on where o365beat stopped.
///
/// Each feed of the tenant starts at the time in the predecessor's state file. Stop both programs first.
#[derive(Debug, Args)]
struct Import {
    /// The state file, `o365beat.state` as a rule.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    scope: Scope,
    /// Start there even if the feeds were listed before.
    #[arg(long)]
    force: bool,
}

/// The state is that of one tenant.
#[derive(Debug, thiserror::Error)]
enum NotChosen {
    #[error("the state is of one tenant: choose a source with --source; there are: {known}")]
    Source { known: String },
    #[error("the state is of one tenant: choose it with --tenant; there are: {known}")]
    Tenant { known: String },
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
        let loaded = self.scope.load()?;
        let sources = self.scope.feeds_of(&loaded).map_err(Failure::usage)?;
        let [source] = sources.as_slice() else {
            let known = listed(sources.iter().map(|source| source.id.to_string()));
            return Err(Failure::usage(NotChosen::Source { known }));
        };
        let [tenant] = source.config.tenants.as_slice() else {
            let tenants = source.config.tenants.iter();
            let known = listed(tenants.map(|tenant| tenant.name.clone()));
            return Err(Failure::usage(NotChosen::Tenant { known }));
        };
        let now = clock.now();
        let listed_until = read_state(&self.file, now)?;
        create_private_dir(&source.state_dir)?;
        let overwrite = if self.force { Overwrite::Force } else { Overwrite::Refuse };
        let import =
            import_state(&source.config, &source.state_dir, tenant, listed_until, overwrite);
        let imported = block_on(import)??;
        let types: Vec<&str> = imported.content_types.iter().map(|one| one.name()).collect();
        say(format_args!(
            "{}: {} go on at {}; what was created since {} is looked at again, for what was listed late",
            imported.tenant,
            types.join(", "),
            rfc3339(imported.listed_until),
            rfc3339(imported.listed_from),
        ));
        if imported.is_too_old(now) {
            say(
                "that is more than 7 days ago: what the API lists no more will be reported as a gap",
            );
        }
        Ok(())
    }
}
