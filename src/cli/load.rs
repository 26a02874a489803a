//! From `--config` to a checked topology, as all commands do it.

use std::{fs, path::PathBuf, sync::Arc};

use clap::Args;
use pipeline_core::ComponentId;

use super::Failure;
use crate::{
    components::{REGISTRY, office365, office365_config},
    config::{self, Config, Global, Variables, fault::SourceFile},
    topology::{self, Checked, state_dir},
};

/// Which configuration to use.
#[derive(Clone, Debug, Args)]
pub(super) struct ConfigFiles {
    /// The configuration. Given several times, the files are taken together as one.
    #[arg(
        short = 'c',
        long = "config",
        value_name = "FILE",
        env = "O365FLOW_CONFIG",
        value_delimiter = ',',
        required = true
    )]
    pub(super) paths: Vec<PathBuf>,
}

/// A configuration that can be run.
pub(super) struct Loaded {
    pub(super) global: Global,
    pub(super) topology: Checked,
}

/// A source of type `office365`, for the commands that concern one.
pub(super) struct Office365Source {
    pub(super) id: ComponentId,
    pub(super) config: office365::Config,
    /// The folder with its ledger. It need not exist yet.
    pub(super) state_dir: PathBuf,
}

/// The sources of type `office365` of a configuration, in the order in which they stand.
pub(super) fn office365_sources(loaded: &Loaded) -> Vec<Office365Source> {
    let data_dir = &loaded.global.data_dir;
    let source = |(id, config)| {
        let config: &office365::Config = office365_config(config)?;
        let state_dir = state_dir(data_dir, id);
        Some(Office365Source { id: id.clone(), config: config.clone(), state_dir })
    };
    loaded.topology.sources().filter_map(source).collect()
}

/// A command was asked about a source that is not there.
#[derive(Debug, thiserror::Error)]
#[error("there is no source `{wanted}` of type `office365`; those that are there: {}", known.join(", "))]
pub(super) struct NoSuchSource {
    wanted: String,
    known: Vec<String>,
}

/// The source of this id; all of them where none is asked for.
pub(super) fn chosen(
    sources: Vec<Office365Source>,
    wanted: Option<&str>,
) -> Result<Vec<Office365Source>, NoSuchSource> {
    let Some(wanted) = wanted else { return Ok(sources) };
    let known: Vec<String> = sources.iter().map(|source| source.id.to_string()).collect();
    let chosen: Vec<_> = sources.into_iter().filter(|source| *source.id == *wanted).collect();
    if chosen.is_empty() {
        return Err(NoSuchSource { wanted: wanted.to_owned(), known });
    }
    Ok(chosen)
}

/// The variables of the environment.
pub(super) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Reads and checks a configuration. All that is wrong with it is found at once.
pub(super) fn load(
    files: &[Arc<SourceFile>],
    variables: &Variables<'_>,
) -> Result<Loaded, Failure> {
    let (Config { global, components }, mut faults) = config::parse(files, REGISTRY, variables);
    match topology::check(components, &|path| fs::read_to_string(path)) {
        Ok(topology) if faults.is_empty() => Ok(Loaded { global, topology }),
        Ok(_) => Err(Failure::Config(faults)),
        Err(more) => {
            faults.extend(more);
            Err(Failure::Config(faults))
        }
    }
}
