//! From `--config` to a checked topology, as all commands do it.

use std::{fs, path::PathBuf, sync::Arc};

use clap::Args;

use super::Failure;
use crate::{
    components::{REGISTRY, read_table_files},
    config::{
        self, Config, Global, TableReader,
        fault::{Fault, SourceFile},
    },
    topology::{self, Checked},
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
    /// What is wrong in files that are read again while the topology runs. It runs all the same, without them.
    pub(super) file_faults: Vec<Fault>,
}

/// The variables of the environment.
pub(super) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Reads and checks a configuration. All that is wrong with it is found at once.
pub(super) fn load(
    files: &[Arc<SourceFile>],
    variables: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
) -> Result<Loaded, Failure> {
    let reader = TableReader::new(variables);
    let (Config { global, mut components }, mut faults) =
        config::parse(files, REGISTRY, &|name| reader.variable(name));
    let mut file_faults = Vec::new();
    for component in &mut components {
        let read = component.settings.as_mut().map(|settings| read_table_files(settings, &reader));
        match read {
            Some(Ok(more)) => file_faults.extend(more),
            Some(Err(problem)) => faults.push(component.fault(problem)),
            None => {}
        }
    }
    match topology::check(components, &|path| fs::read_to_string(path)) {
        Ok(topology) if faults.is_empty() => Ok(Loaded { global, topology, file_faults }),
        Ok(_) => {
            faults.extend(file_faults);
            Err(Failure::Config(faults))
        }
        Err(more) => {
            faults.extend(more);
            faults.extend(file_faults);
            Err(Failure::Config(faults))
        }
    }
}
