//! `o365flow run`: runs a topology until it is told to end, or once.

use std::sync::Arc;

use clap::Args;
use pipeline_core::{Clock, RunMode};
use tokio::time::Instant;

use super::{
    Failure,
    execute::execute,
    load, say,
    summary::{Summary, Totals},
};
use crate::config;

/// Run a topology until SIGTERM, then deliver what is under way and end.
#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    config: load::ConfigFiles,
    /// Poll every feed once, deliver all that there is, print a summary and end.
    #[arg(long)]
    once: bool,
}

impl Run {
    pub(super) fn execute(self, clock: Arc<dyn Clock>) -> Result<(), Failure> {
        let loaded = load::load(&config::read_files(&self.config.paths)?, &load::environment)?;
        let mode = if self.once { RunMode::Once } else { RunMode::Continuous };
        runtime()?.block_on(async {
            let start = Instant::now();
            let ended = execute(loaded, mode, clock).await?;
            if self.once {
                say(Summary { totals: Totals::of(&ended.snapshot), took: start.elapsed() });
            }
            Ok(ended.result?)
        })
    }
}

/// The runtime on which everything runs: a worker for each core.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, std::io::Error> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}
