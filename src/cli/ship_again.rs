//! What `backfill` and `replay` share: the run of a part of the topology.
//!
//! Invariant: what the main process of the same configuration uses (its ledger, its folders, its listeners) is left
//! alone, so that both can run at one time; dead letters alone are shared, whose folder is made for it. One run of this kind at a time.

use std::{
    collections::HashMap,
    fs::{self, DirBuilder, File, TryLockError},
    io,
    num::NonZeroU32,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use pipeline_core::{Clock, ComponentId, RunMode};
use tokio::time::Instant;

use super::{
    Failure, complain,
    execute::execute,
    load::{Loaded, Office365Source},
    run::block_on,
    scope::Scope,
    summary::{Summary, Totals},
};
use crate::components::office365::{Replay, ReplayConfig};

/// The folder below `data_dir` for the state of such runs.
const FOLDER: &str = "replay";

/// What is shipped, where to, and how fast.
#[derive(Clone, Debug, Args)]
pub(super) struct ShipAgain {
    #[command(flatten)]
    pub(super) scope: Scope,
    /// Only to this sink, by its id; may be given several times.
    #[arg(long = "sink", value_name = "ID")]
    sinks: Vec<String>,
    /// Requests to the API, for each tenant. By default half of what the configuration allows, so that a process that
    /// collects meanwhile is not throttled.
    #[arg(long, value_name = "NUMBER")]
    max_requests_per_minute: Option<NonZeroU32>,
}

/// Why nothing is shipped.
#[derive(Debug, thiserror::Error)]
pub(super) enum ShipAgainError {
    #[error("another backfill or replay runs: it holds `{}`", path.display())]
    Busy { path: PathBuf },
    #[error("cannot use the folder `{}`", path.display())]
    Folder { path: PathBuf, source: io::Error },
}

/// Not all that was asked for has arrived.
#[derive(Debug, thiserror::Error)]
pub(super) enum ShipError {
    #[error("{0} events were refused; `o365flow dead-letter list` shows why")]
    DeadLetters(u64),
}

impl ShipAgain {
    /// Ships through the part of the topology that is meant, of each of `sources` its replay.
    pub(super) fn ship(
        &self,
        mut loaded: Loaded,
        sources: &[Office365Source],
        replays: &HashMap<ComponentId, Replay>,
        clock: Arc<dyn Clock>,
    ) -> Result<(), Failure> {
        let narrowed = loaded.topology.narrow(&self.sinks, |id, _| {
            let source = sources.iter().find(|source| source.id == *id)?;
            let mut config = source.config.clone();
            let half = (config.max_requests_per_minute.get() / 2).max(1);
            config.max_requests_per_minute = self
                .max_requests_per_minute
                .unwrap_or(NonZeroU32::new(half).unwrap_or(NonZeroU32::MIN));
            Some(Box::new(ReplayConfig { config, replay: replays.get(id)?.clone() }))
        });
        loaded.topology = narrowed.map_err(Failure::usage)?;
        loaded.global.api = None;
        loaded.global.metrics = None;
        let folder = loaded.global.data_dir.join(FOLDER);
        loaded.global.data_dir.clone_from(&folder);
        let lock = lock(&folder)?;
        let result = block_on(run(loaded, clock))?;
        drop(lock);
        result
    }
}

async fn run(loaded: Loaded, clock: Arc<dyn Clock>) -> Result<(), Failure> {
    let start = Instant::now();
    let ended = execute(loaded, RunMode::Once, clock).await?;
    let totals = Totals::of(&ended.snapshot);
    // Standard output is for a console sink.
    complain(Summary { totals, took: start.elapsed() });
    ended.result?;
    if totals.dead_letters > 0 {
        return Err(ShipError::DeadLetters(totals.dead_letters).into());
    }
    Ok(())
}

/// Makes the folder and holds it until the file is dropped.
fn lock(folder: &Path) -> Result<File, ShipAgainError> {
    let cannot = |source| ShipAgainError::Folder { path: folder.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(cannot)?;
    let path = folder.join("replay.lock");
    let file = fs::OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(false)
        .open(&path)
        .map_err(cannot)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ShipAgainError::Busy { path }),
        Err(TryLockError::Error(source)) => Err(cannot(source)),
    }
}
