//! What `backfill` and `replay` share: the part of the configuration that is meant, and its run.
//!
//! Invariant: what the main process of the same configuration uses (its ledger, its folders, its listeners) is left
//! alone, so that both can run at one time. One run of this kind at a time.

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
use office365::ContentType;
use pipeline_core::{Clock, ComponentId, RunMode};
use tokio::time::Instant;

use super::{
    Failure, complain,
    execute::execute,
    load::{self, Loaded},
    run::block_on,
    summary::{Summary, Totals},
};
use crate::components::{
    office365::{self as source, Replay, ReplayConfig},
    office365_config,
};

/// The folder below `data_dir` for the state of such runs.
const FOLDER: &str = "replay";

/// The part of a configuration that is meant.
#[derive(Clone, Debug, Args)]
pub(super) struct Scope {
    #[command(flatten)]
    config: load::ConfigFiles,
    /// Only this tenant, by its name; may be given several times.
    #[arg(long = "tenant", value_name = "NAME")]
    tenants: Vec<String>,
    /// Only this content type, as Audit.Exchange; may be given several times.
    #[arg(long = "content-type", value_name = "TYPE")]
    content_types: Vec<ContentType>,
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
pub(super) enum ScopeError {
    #[error("the configuration has no source of type office365")]
    NoSource,
    #[error("there is no tenant `{name}`; there are: {known}")]
    NoTenant { name: String, known: String },
    #[error("`{name}` is not among the content types of any source")]
    NoContentType { name: ContentType },
    #[error("another backfill or replay runs: it holds `{}`", path.display())]
    Busy { path: PathBuf },
    #[error("cannot use the folder `{}`", path.display())]
    Folder { path: PathBuf, source: io::Error },
}

/// Not all that was asked for has arrived.
#[derive(Debug, thiserror::Error)]
pub(super) enum ShipError {
    #[error("{0} events were refused; they are in `{1}`, each with the reason")]
    DeadLetters(u64, String),
}

impl Scope {
    /// Reads and checks the configuration.
    pub(super) fn load(&self) -> Result<Loaded, Failure> {
        let mut loaded = self.config.load_telling()?;
        if self.tenants.is_empty() && !loaded.file_faults.is_empty() {
            // All tenants are meant, and these would be passed over.
            return Err(Failure::Config(std::mem::take(&mut loaded.file_faults)));
        }
        self.check(&loaded)?;
        Ok(loaded)
    }

    /// Whether all that the scope names is there.
    fn check(&self, loaded: &Loaded) -> Result<(), ScopeError> {
        let configs: Vec<source::Config> =
            load::office365_sources(loaded).into_iter().map(|source| source.config).collect();
        if configs.is_empty() {
            return Err(ScopeError::NoSource);
        }
        let known: Vec<&str> = configs
            .iter()
            .flat_map(|config| config.tenants.iter().map(|tenant| tenant.name.as_str()))
            .collect();
        for name in &self.tenants {
            if !known.contains(&name.as_str()) {
                return Err(ScopeError::NoTenant { name: name.clone(), known: known.join(", ") });
            }
        }
        for name in &self.content_types {
            if !configs.iter().any(|config| config.content_types.contains(name)) {
                return Err(ScopeError::NoContentType { name: *name });
            }
        }
        Ok(())
    }

    /// The part of a source that is meant; nothing where none of it is.
    pub(super) fn part_of(&self, config: &source::Config) -> Option<source::Config> {
        let mut config = config.clone();
        if !self.tenants.is_empty() {
            config.tenants.retain(|tenant| self.tenants.contains(&tenant.name));
        }
        if !self.content_types.is_empty() {
            config.content_types.retain(|content_type| self.content_types.contains(content_type));
        }
        let half = (config.max_requests_per_minute.get() / 2).max(1);
        config.max_requests_per_minute = self
            .max_requests_per_minute
            .unwrap_or(NonZeroU32::new(half).unwrap_or(NonZeroU32::MIN));
        let is_empty = config.tenants.is_empty() || config.content_types.is_empty();
        (!is_empty).then_some(config)
    }

    /// Ships through the part of the topology that is meant, of each source its replay.
    pub(super) fn ship(
        &self,
        mut loaded: Loaded,
        replays: &HashMap<ComponentId, Replay>,
        clock: Arc<dyn Clock>,
    ) -> Result<(), Failure> {
        loaded.topology = loaded.topology.narrow(&self.sinks, |id, source| {
            let config = self.part_of(office365_config(source)?)?;
            Some(Box::new(ReplayConfig { config, replay: replays.get(id)?.clone() }))
        })?;
        loaded.global.api = None;
        loaded.global.metrics = None;
        let folder = loaded.global.data_dir.join(FOLDER);
        loaded.global.data_dir.clone_from(&folder);
        let lock = lock(&folder)?;
        let result = block_on(run(loaded, &folder, clock))?;
        drop(lock);
        result
    }
}

async fn run(loaded: Loaded, folder: &Path, clock: Arc<dyn Clock>) -> Result<(), Failure> {
    let start = Instant::now();
    let ended = execute(loaded, RunMode::Once, clock).await?;
    let totals = Totals::of(&ended.snapshot);
    // Standard output is for a console sink.
    complain(Summary { totals, took: start.elapsed() });
    ended.result?;
    if totals.dead_letters > 0 {
        let letters = folder.join("dead-letters").display().to_string();
        return Err(ShipError::DeadLetters(totals.dead_letters, letters).into());
    }
    Ok(())
}

/// Makes the folder and holds it until the file is dropped.
fn lock(folder: &Path) -> Result<File, ScopeError> {
    let cannot = |source| ScopeError::Folder { path: folder.to_owned(), source };
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
        Err(TryLockError::WouldBlock) => Err(ScopeError::Busy { path }),
        Err(TryLockError::Error(source)) => Err(cannot(source)),
    }
}
