//! From TOML to a declared topology. Every mistake is reported at once, each at its line.
//!
//! Which components there are is the caller's to say, by a [`Registry`]; how they fit together is the topology's
//! to check. Nothing here opens anything but the configuration files.

mod api;
mod buffer;
mod dead_letter;
mod declare;
mod enrichment;
pub mod fault;
mod identity;
mod interpolate;
mod log;
mod permissions;
pub mod proxy;
mod read;
mod schema;
mod secrets;
mod tables;
mod test_case;
mod tree;
pub mod units;

use std::{collections::BTreeMap, fs, io, net::SocketAddr, path::PathBuf, sync::Arc};

use pipeline_core::{
    ComponentId, ComponentKind, Problem, SinkConfig, SourceConfig, TransformConfig,
};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, de::DeserializeOwned};

pub use self::{
    api::{ApiConfig, ApiTls, is_loopback},
    buffer::{BufferConfig, BufferKind, WhenFull},
    dead_letter::{DeadLetterConfig, WhenLettersFull},
    enrichment::{EnrichmentTable, FileTableConfig, GeoipTableConfig, Locale, MmdbTableConfig},
    identity::Identity,
    interpolate::Variables,
    log::{LogConfig, LogLevel},
    permissions::too_open,
    schema::schema,
    secrets::{Ask, Secrets},
    tables::{Privacy, ReadTable, TableReader},
    test_case::{
        ConditionKind, DeclaredTest, InputKind, OneOrMany, TestCase, TestCondition, TestInput,
        TestOutput,
    },
    tree::Node as ConfigNode,
};
use self::{
    fault::{Fault, SourceFile, Span, nearest},
    secrets::{Backend, Secret},
    tree::{Entry, Node, Table, Value},
};

/// What one configuration declares.
#[derive(Debug)]
pub struct Config {
    /// What concerns the program as a whole.
    pub global: Global,
    /// The components, in the order in which they stand.
    pub components: Vec<Declared>,
    /// The backends of secrets, for files that are read later.
    pub secrets: Secrets,
    /// The files that hold secrets or private keys, besides the configuration itself.
    pub private_files: Vec<PathBuf>,
    /// What its transforms are to do, for the command that tries them.
    pub tests: Vec<DeclaredTest>,
    /// What stands outside of any component, to find the line of a problem.
    node: Node,
}

impl Config {
    /// Turns a problem of what stands outside of any component into a fault at its line.
    pub fn fault(&self, problem: Problem) -> Fault {
        self.node.fault(problem)
    }

    /// What `[log]` says of components that there are not.
    fn unknown_in_log(&self) -> Vec<Fault> {
        let ids = || self.components.iter().map(|component| &*component.id);
        let named = self.global.log.components.keys();
        let unknown = named.filter(|name| !ids().any(|id| *id == ***name));
        let fault = |name: &ComponentId| {
            let key = format!("log.components.{name}");
            let problem = Problem::at(&key, format!("there is no component `{name}`"));
            self.fault(match nearest(name, ids()) {
                Some(meant) => problem.fix(format!("did you mean `{meant}`?")),
                None => problem.fix("remove it"),
            })
        };
        unknown.map(fault).collect()
    }

    /// The names of all enrichment tables, those included whose options could not be read.
    pub fn table_names(&self) -> impl Iterator<Item = &str> {
        let tables = self.node.as_table().and_then(|root| root.entry("enrichment_tables"));
        let entries = tables.and_then(|tables| tables.node.as_table()).map(|tables| &tables.0);
        entries.into_iter().flatten().map(|entry| entry.key.as_str())
    }
}

/// The options outside of any component.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Global {
    /// Where the ledger, the dead letters and all other state are kept. Only the program's own user may read it.
    pub data_dir: PathBuf,
    /// Where the status page and the API are served, with `/health` and `/ready`.
    pub api: Option<ApiConfig>,
    /// Where `/metrics` is served, with `/health` and `/ready`.
    pub metrics: Option<Listener>,
    /// What is logged of each component.
    pub log: LogConfig,
    /// How long a drain may take before what is under way is left, to be sent again after the next start.
    #[serde(with = "units::duration")]
    pub shutdown_timeout: std::time::Duration,
    /// How dead letters are kept.
    pub dead_letter: DeadLetterConfig,
    /// What programs look values up in, each table under a name of its own.
    pub enrichment_tables: BTreeMap<String, EnrichmentTable>,
    /// Where secrets are kept, each place under a name of its own: `SECRET[name.key]` in a string stands for what is
    /// kept there under `key`.
    pub secret: BTreeMap<String, Backend>,
}

impl Default for Global {
    fn default() -> Global {
        Global {
            data_dir: PathBuf::from("./o365flow-data"),
            api: None,
            metrics: None,
            log: LogConfig::default(),
            shutdown_timeout: std::time::Duration::from_mins(1),
            dead_letter: DeadLetterConfig::default(),
            enrichment_tables: BTreeMap::new(),
            secret: BTreeMap::new(),
        }
    }
}

/// An address to listen at.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// Address and port, as `127.0.0.1:9598`.
    #[serde(with = "units::listen_address")]
    pub address: SocketAddr,
}

/// A component as it stands in the configuration.
#[derive(Debug)]
pub struct Declared {
    /// Its key.
    pub id: ComponentId,
    /// What it is.
    pub kind: ComponentKind,
    /// The value of its `type`.
    pub component_type: String,
    /// What feeds it, as written.
    pub inputs: Vec<String>,
    /// Where events wait for the sink. Every sink can have this table; without it a few batches wait in memory.
    pub buffer: Option<BufferConfig>,
    /// What it is set to do; nothing where that could not be read, which has been reported.
    pub settings: Option<Settings>,
    /// Digests of what it depends on that stands neither in its table nor in a file that this names.
    pub depends_on: Vec<Vec<u8>>,
    /// Its table, to find the line of a problem.
    node: Node,
    key_span: Span,
}

/// The settings of one component.
#[derive(Debug)]
pub enum Settings {
    /// Of a source.
    Source(Box<dyn SourceConfig>),
    /// Of a transform.
    Transform(Box<dyn TransformConfig>),
    /// Of a sink.
    Sink(Arc<dyn SinkConfig>),
}

impl Declared {
    /// Turns a problem of this component's into a fault at its line.
    pub fn fault(&self, problem: Problem) -> Fault {
        let mut fault = self.node.fault(problem);
        if fault.span.as_ref() == Some(&self.node.span) {
            fault.span = Some(self.key_span.clone());
        }
        fault.message = format!("{} `{}`: {}", self.kind.as_str(), self.id, fault.message);
        fault
    }
}

/// A type of component: the value of `type`, and how its settings are read.
pub struct RegistryEntry {
    /// The value of `type`.
    pub name: &'static str,
    /// What it is.
    pub kind: ComponentKind,
    /// Reads its settings.
    pub read: fn(&Node, &mut Vec<Fault>) -> Option<Settings>,
    /// What an editor is to accept for its settings.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
}

/// All types of component there are.
pub type Registry = [RegistryEntry];

/// Reads the settings of a component from its table.
pub fn read_settings<T: DeserializeOwned>(node: &Node, faults: &mut Vec<Fault>) -> Option<T> {
    read::read(node, faults)
}

/// A configuration file could not be read at all.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the configuration `{}`", path.display())]
pub struct ReadFileError {
    path: PathBuf,
    source: io::Error,
}

/// Reads the files, which are taken together as one configuration.
pub fn read_files(paths: &[PathBuf]) -> Result<Vec<Arc<SourceFile>>, ReadFileError> {
    let read = |path: &PathBuf| match fs::read_to_string(path) {
        Ok(text) => Ok(Arc::new(SourceFile { path: path.clone(), text })),
        Err(source) => Err(ReadFileError { path: path.clone(), source }),
    };
    paths.iter().map(read).collect()
}

/// Reads a configuration as [`parse_asking`] does, and runs no command to get a secret.
pub fn parse(
    files: &[Arc<SourceFile>],
    registry: &Registry,
    variables: &Variables<'_>,
) -> (Config, Vec<Fault>) {
    parse_asking(files, registry, variables, Ask::Files)
}

/// Reads a configuration. What could be read is returned beside the faults, so that the topology can be checked
/// as well; with any fault it must not be run.
///
/// With [`Ask::All`] it may run commands, and must not be called from async code.
pub fn parse_asking(
    files: &[Arc<SourceFile>],
    registry: &Registry,
    variables: &Variables<'_>,
    ask: Ask,
) -> (Config, Vec<Fault>) {
    let mut faults = Vec::new();
    let mut tables: Vec<Table> = Vec::new();
    for file in files {
        let (table, syntax_faults) = tree::parse(file);
        faults.extend(syntax_faults);
        tables.push(table);
    }
    let mut global = take_backends(&mut tables, variables, &mut faults);
    let secrets = backends(files, &global, ask);
    let wanted = tables.iter_mut().flat_map(interpolate::secrets_in).collect();
    let answers = secrets.ask(wanted, variables);
    let lookup = |secret: &Secret| answers.of(secret);
    let mut components = Vec::new();
    let mut tests = Vec::new();
    for mut table in tables {
        interpolate::interpolate(&mut table, variables, &lookup, &mut faults);
        for (section, kind) in SECTIONS {
            if let Some(entry) = table.remove(section) {
                declare::declare(entry, kind, registry, &mut components, &mut faults);
            }
        }
        if let Some(entry) = table.remove("tests") {
            tests.extend(test_case::read_tests(entry, &mut faults));
        }
        for entry in table.0 {
            let section = nearest(&entry.key, SECTIONS.map(|(section, _)| section));
            if let (Some(section), Some(_)) = (section, entry.node.as_table()) {
                let fault =
                    Fault::at(&entry.key_span, format!("there is no section `{}`", entry.key));
                faults.push(fault.fix(format!("did you mean `{section}`?")));
                continue;
            }
            add_global(&mut global, entry, &mut faults);
        }
    }
    let (global, node) = read_global(files, global, &mut faults);
    let problems = global.api.iter().flat_map(ApiConfig::problems);
    faults.extend(problems.map(|problem| node.fault(problem)));
    let mut private_files = answers.files;
    private_files.extend(global.api.iter().filter_map(|api| api.tls.key_file.clone()));
    for component in &components {
        permissions::key_files(&component.node, &mut private_files);
    }
    let config = Config { global, components, secrets, private_files, tests, node };
    faults.extend(config.unknown_in_log());
    (config, faults)
}

fn add_global(global: &mut Table, entry: Entry, faults: &mut Vec<Fault>) {
    match global.entry(&entry.key) {
        Some(_) => faults.push(Fault::at(
            &entry.key_span,
            format!("`{}` was set by an earlier file", entry.key),
        )),
        None => global.0.push(entry),
    }
}

fn read_global(
    files: &[Arc<SourceFile>],
    global: Table,
    faults: &mut Vec<Fault>,
) -> (Global, Node) {
    let nothing = Arc::new(SourceFile { path: PathBuf::new(), text: String::new() });
    let file = files.first().unwrap_or(&nothing);
    let node = Node::new(Span::new(file, 0..0), Value::Table(global));
    let faults_before = faults.len();
    let global = read::read(&node, faults).unwrap_or_default();
    node.hide_variables(&mut faults[faults_before..]);
    (global, node)
}

/// Takes out of `tables` what has to be known before a secret can be looked up, in which no secret can stand.
fn take_backends(
    tables: &mut [Table],
    variables: &Variables<'_>,
    faults: &mut Vec<Fault>,
) -> Table {
    let no_secret = |secret: &Secret| {
        Err(Fault::general(format!("{secret} can't stand here: it is needed to look secrets up"))
            .fix("use a variable"))
    };
    let mut taken = Table::default();
    for table in tables {
        let mut entries =
            Table(["data_dir", "secret"].into_iter().filter_map(|key| table.remove(key)).collect());
        interpolate::interpolate(&mut entries, variables, &no_secret, faults);
        for entry in entries.0 {
            add_global(&mut taken, entry, faults);
        }
    }
    taken
}

/// The backends, as far as they can be read. What is wrong with them is reported with all other options.
fn backends(files: &[Arc<SourceFile>], taken: &Table, ask: Ask) -> Secrets {
    let mut backends = BTreeMap::new();
    let declared = taken.entry("secret").and_then(|entry| entry.node.as_table());
    for entry in declared.into_iter().flat_map(|table| &table.0) {
        backends.insert(entry.key.clone(), read::read(&entry.node, &mut Vec::new()));
    }
    let mut data_dir = taken.clone();
    data_dir.remove("secret");
    let (global, _) = read_global(files, data_dir, &mut Vec::new());
    Secrets::new(backends, global.data_dir, ask)
}

/// The tables that hold components.
const SECTIONS: [(&str, ComponentKind); 3] = [
    ("sources", ComponentKind::Source),
    ("transforms", ComponentKind::Transform),
    ("sinks", ComponentKind::Sink),
];
