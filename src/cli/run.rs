//! `o365flow run`: runs a topology until it is told to end, or once.

use std::{sync::Arc, time::Duration};

use clap::Args;
use pipeline_core::{Clock, RunMode};
use tokio::time::Instant;

use super::{
    Failure, complain,
    execute::execute,
    load,
    summary::{Summary, Totals},
};

/// What calls that block get to return once all else has ended.
const BLOCKED_TIMEOUT: Duration = Duration::from_secs(1);

/// Run a topology until SIGTERM, then deliver what is under way and end.
///
/// A second signal ends at once, and still loses nothing. SIGHUP reads the configuration again: only what has changed is
/// started anew, and a configuration with a mistake leaves the one before running.
#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    config: load::ConfigFiles,
    /// Poll every feed once, deliver all that there is, print a summary and end.
    #[arg(long)]
    once: bool,
    /// Read the configuration again as soon as one of its files changes, as on SIGHUP.
    ///
    /// Looks every half second at the configuration, its programs, tables, certificates and files of secrets.
    #[arg(long, env = "O365FLOW_WATCH_CONFIG", value_parser = clap::builder::FalseyValueParser::new())]
    watch_config: bool,
}

impl Run {
    pub(super) fn execute(self, clock: Arc<dyn Clock>) -> Result<(), Failure> {
        let loaded = self.config.load_to_run(self.watch_config)?;
        let mode = if self.once { RunMode::Once } else { RunMode::Continuous };
        block_on(async {
            let start = Instant::now();
            let ended = execute(loaded, mode, clock).await?;
            if self.once {
                // Standard output is for a console sink.
                complain(Summary { totals: Totals::of(&ended.snapshot), took: start.elapsed() });
            }
            Ok(ended.result?)
        })?
    }
}

/// Runs `work` to its end, on a worker for each core.
pub(super) fn block_on<T>(work: impl Future<Output = T>) -> Result<T, std::io::Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(work);
    // A call that blocks, as a write to a pipe that nobody reads, must not hold the end up.
    runtime.shutdown_timeout(BLOCKED_TIMEOUT);
    Ok(done)
}
