//! From `--config` to a checked topology, as all commands do it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use pipeline_core::{ComponentId, ComponentKind};

use super::{Failure, files_read::FilesRead};
use crate::{
    components::{
        REGISTRY, observe_program,
        office365::{self, Tenant},
        office365_config, read_table_files,
    },
    config::{
        self, Ask, Config, DeclaredTest, EnrichmentTable, Global, Privacy, Settings, TableReader,
        fault::{Fault, SourceFile},
    },
    program::{
        Observer,
        tables::{self, Tables},
    },
    topology::{self, Checked, Means, state_dir},
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
    #[command(flatten)]
    pub(super) permissions: Permissions,
}

/// Whether it matters who else can read the files.
#[derive(Clone, Debug, Args)]
pub(super) struct Permissions {
    /// Accept configuration, secrets, keys and state that other users can read or change.
    #[arg(long, env = "O365FLOW_NO_STRICT_PERMISSIONS", value_parser = clap::builder::FalseyValueParser::new())]
    pub(super) no_strict_permissions: bool,
}

/// A configuration that can be run.
pub(super) struct Loaded {
    pub(super) global: Global,
    pub(super) topology: Checked,
    /// The folder in which the dead letters of all runs are.
    pub(super) letters_dir: PathBuf,
    /// What is wrong in files that are read again while the topology runs. It runs all the same, without them.
    pub(super) file_faults: Vec<Fault>,
    /// Variables that are not set, where that is no fault: see [`Ask::Files`].
    pub(super) unset_variables: Vec<Fault>,
    /// The tables in which programs look values up.
    pub(super) tables: Tables,
    /// What the transforms are to do.
    pub(super) tests: Vec<DeclaredTest>,
    /// How it is read again while it runs; nothing where it is not.
    pub(super) again: Option<Again>,
    /// Files with secrets or private keys, besides the configuration itself.
    private_files: Vec<PathBuf>,
}

/// Reads a configuration again, and notes the files.
pub(super) type LoadAgain = dyn Fn(&FilesRead) -> Result<Loaded, Failure> + Send + Sync;

/// How a configuration is read again.
#[derive(Clone)]
pub(super) struct Again {
    /// Reads it.
    pub(super) load: Arc<LoadAgain>,
    /// What it was read from.
    pub(super) files: FilesRead,
    /// Whether it is read as soon as one of its files changes.
    pub(super) is_watching: bool,
}

impl ConfigFiles {
    /// Reads and checks the configuration, and that nobody else can read or change it.
    pub(super) fn load(&self) -> Result<Loaded, Failure> {
        self.load_noting(&FilesRead::default())
    }

    /// As [`ConfigFiles::load`], to be read again while it runs: when it is asked for, and, with `is_watching`, when one of
    /// its files changes.
    pub(super) fn load_to_run(&self, is_watching: bool) -> Result<Loaded, Failure> {
        let (own, files) = (self.clone(), FilesRead::default());
        let mut loaded = self.load_noting(&files)?;
        let load = Arc::new(move |files: &FilesRead| own.load_noting(files));
        loaded.again = Some(Again { load, files, is_watching });
        Ok(loaded)
    }

    fn load_noting(&self, files_read: &FilesRead) -> Result<Loaded, Failure> {
        files_read.note_all(self.paths.iter().cloned());
        let is_strict = !self.permissions.no_strict_permissions;
        // Before anything is done with them: they may name a command to run.
        if is_strict {
            refuse(too_open(self.paths.iter().map(PathBuf::as_path)))?;
        }
        let privacy = if is_strict { Privacy::Strict } else { Privacy::Any };
        let files = config::read_files(&self.paths)?;
        let files_read = files_read.clone();
        let manner = Manner { privacy, files_read, ..Manner::asking(Ask::All) };
        let loaded = load_private(&files, environment, manner)?;
        if is_strict {
            refuse(loaded.too_open())?;
        }
        Ok(loaded)
    }
}

fn refuse(faults: Vec<Fault>) -> Result<(), Failure> {
    if faults.is_empty() { Ok(()) } else { Err(Failure::Config(faults)) }
}

/// What other users can read or change of these files and folders.
pub(super) fn too_open<'a>(paths: impl Iterator<Item = &'a Path>) -> Vec<Fault> {
    let mut paths: Vec<&Path> = paths.collect();
    paths.sort_unstable();
    paths.dedup();
    paths.into_iter().filter_map(config::too_open).collect()
}

impl Loaded {
    /// What other users can read or change of what the configuration names, and of the state.
    pub(super) fn too_open(&self) -> Vec<Fault> {
        let named = self.private_files.iter().map(PathBuf::as_path);
        too_open(named.chain([self.global.data_dir.as_path()]))
    }
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

/// The variables of the environment.
pub(super) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Reads and checks a configuration, with all its secrets. All that is wrong with it is found at once.
pub(super) fn load(
    files: &[Arc<SourceFile>],
    variables: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
) -> Result<Loaded, Failure> {
    load_asking(files, variables, Ask::All)
}

/// Reads and checks a configuration, with its secrets as far as `ask` says.
pub(super) fn load_asking(
    files: &[Arc<SourceFile>],
    variables: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ask: Ask,
) -> Result<Loaded, Failure> {
    load_private(files, variables, Manner::asking(ask))
}

/// As [`load_asking`], with no command run for a secret; `observer` sees the programs of all transforms.
pub(super) fn load_observed(
    files: &[Arc<SourceFile>],
    observer: &Observer,
) -> Result<Loaded, Failure> {
    let manner = Manner { observer: Some(observer.clone()), ..Manner::asking(Ask::Files) };
    load_private(files, environment, manner)
}

/// Reads and checks a configuration whose text is built in, to be read again while it runs as soon as one of the files
/// that it names changes.
pub(super) fn load_built_in(
    texts: Vec<Arc<SourceFile>>,
    variables: impl Fn(&str) -> Option<String> + Clone + Send + Sync + 'static,
) -> Result<Loaded, Failure> {
    let load = move |files: &FilesRead| {
        let manner = Manner { files_read: files.clone(), ..Manner::asking(Ask::All) };
        let loaded = load_private(&texts, variables.clone(), manner);
        for text in &texts {
            files.forget(&text.path);
        }
        loaded
    };
    let files = FilesRead::default();
    let mut loaded = load(&files)?;
    loaded.again = Some(Again { load: Arc::new(load), files, is_watching: true });
    Ok(loaded)
}

/// How a configuration is read.
struct Manner {
    ask: Ask,
    /// Of the files that are read again while the topology runs.
    privacy: Privacy,
    /// Whoever wants to see the programs.
    observer: Option<Observer>,
    files_read: FilesRead,
}

impl Manner {
    fn asking(ask: Ask) -> Manner {
        Manner { ask, privacy: Privacy::Any, observer: None, files_read: FilesRead::default() }
    }
}

/// What tells whether the tables in which programs look values up are what they were.
fn table_digests(global: &Global, files_read: &FilesRead) -> Vec<Vec<u8>> {
    let digest = |(name, table): (&String, &EnrichmentTable)| {
        let content = files_read.content(table.path());
        [format!("{name} {table:?}").as_bytes(), &content].concat()
    };
    global.enrichment_tables.iter().map(digest).collect()
}

fn load_private(
    files: &[Arc<SourceFile>],
    variables: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    manner: Manner,
) -> Result<Loaded, Failure> {
    let Manner { ask, privacy, observer, files_read } = manner;
    for file in files {
        files_read.note(&file.path, Some(file.text.as_bytes()));
    }
    let (config, mut faults) = config::parse_asking(files, REGISTRY, &variables, ask);
    files_read.note_all(config.private_files.iter().cloned());
    let read_file = |path: &Path| files_read.read(path);
    let (tables, table_problems) = tables::load(&config.global.enrichment_tables, &read_file);
    let table_digests = table_digests(&config.global, &files_read);
    let tables = tables.and_unread(config.table_names());
    faults.extend(table_problems.into_iter().map(|problem| config.fault(problem)));
    let Config { global, mut components, secrets, mut private_files, tests, .. } = config;
    let reader = TableReader::new(secrets, variables).of(privacy);
    let mut file_faults = Vec::new();
    for component in &mut components {
        if component.kind == ComponentKind::Transform {
            component.depends_on.clone_from(&table_digests);
        }
        if let (Some(settings), Some(observer)) = (&mut component.settings, &observer) {
            observe_program(settings, observer);
        }
        let read = component.settings.as_mut().map(|settings| read_table_files(settings, &reader));
        match read {
            Some(Ok(more)) => file_faults.extend(more),
            Some(Err(problem)) => faults.push(component.fault(problem)),
            None => {}
        }
        if let Some(Settings::Source(source)) = &component.settings
            && let Some(config) = office365_config(&**source)
        {
            private_files.extend(config.tenants.iter().flat_map(Tenant::private_files));
        }
    }
    let may_stay_unset =
        ask == Ask::Files && faults.iter().chain(&file_faults).all(|fault| fault.is_unset_variable);
    let unset_variables = if may_stay_unset {
        faults.drain(..).chain(file_faults.drain(..)).collect()
    } else {
        Vec::new()
    };
    let read_text = |path: &Path| files_read.read_text(path);
    let means = Means { read_file: &read_text, tables: &tables };
    match topology::check(components, means) {
        Ok(topology) if faults.is_empty() => {
            let letters_dir = global.data_dir.clone();
            Ok(Loaded {
                global,
                topology,
                letters_dir,
                file_faults,
                unset_variables,
                tables,
                tests,
                again: None,
                private_files,
            })
        }
        Ok(_) => {
            faults.extend(file_faults);
            Err(Failure::Config(faults))
        }
        Err(more) => {
            faults.extend(unset_variables);
            faults.extend(more);
            faults.extend(file_faults);
            Err(Failure::Config(faults))
        }
    }
}
