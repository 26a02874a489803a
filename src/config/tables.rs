//! Files that hold one table each and are read apart from the configuration, also while the program runs. Variables and
//! secrets in them are replaced as in the configuration itself, and mistakes are found all at once, each at its line.

use std::{fmt, path::Path, sync::Arc};

use pipeline_core::Problem;
use serde::de::DeserializeOwned;

use super::{
    fault::{Fault, SourceFile, Span},
    interpolate::{self, Variables},
    permissions, read,
    secrets::{Secret, Secrets},
    tree::{self, Entry, Node, Table, Value},
};

/// What one file says.
#[derive(Debug)]
pub struct ReadTable<T> {
    /// The settings.
    pub settings: T,
    node: Node,
}

impl<T> ReadTable<T> {
    /// Turns a problem of the settings, its key counted from the file's root, into a fault at its line.
    pub fn fault(&self, problem: Problem) -> Fault {
        self.node.fault(problem)
    }
}

/// Variables, for as long as the program runs.
type KeptVariables = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Reads tables from files for as long as the program runs. Clones read alike.
#[derive(Clone)]
pub struct TableReader {
    secrets: Secrets,
    variables: Arc<KeptVariables>,
    privacy: Privacy,
}

/// Which files may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privacy {
    Any,
    /// Those that no other user can read or change.
    Strict,
}

impl TableReader {
    /// A reader with the backends and the variables of the configuration.
    pub fn new(
        secrets: Secrets,
        variables: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> TableReader {
        TableReader { secrets, variables: Arc::new(variables), privacy: Privacy::Any }
    }

    /// The same reader, of these files only.
    #[must_use]
    pub fn of(self, privacy: Privacy) -> TableReader {
        TableReader { privacy, ..self }
    }

    /// Why the file at `path` may not be read.
    pub fn refusal(&self, path: &Path) -> Option<Fault> {
        match self.privacy {
            Privacy::Any => None,
            Privacy::Strict => permissions::too_open(path),
        }
    }

    /// As [`Secrets::read_tables`]. `key` has the name of the file, without its ending, in a file that lacks it.
    pub fn read_named<T: DeserializeOwned>(
        &self,
        files: &[Arc<SourceFile>],
        key: &str,
    ) -> Vec<Result<ReadTable<T>, Vec<Fault>>> {
        self.secrets.read_with(files, &*self.variables, |file, table| {
            if table.entry(key).is_none() {
                let stem = file.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                // A place of its own, as the reader tells values apart by their places.
                let end = Span::new(file, file.text.len()..file.text.len());
                let node = Node::new(end.clone(), Value::String(stem));
                table.0.push(Entry { key: key.to_owned(), key_span: end, node });
            }
        })
    }
}

impl Default for TableReader {
    /// A reader without backends, to which every variable is unset.
    fn default() -> TableReader {
        TableReader::new(Secrets::default(), |_| None)
    }
}

impl fmt::Debug for TableReader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TableReader").finish_non_exhaustive()
    }
}

impl Secrets {
    /// Reads each of the files as a table of its own. Each backend is asked once for all of them, which may run
    /// commands where the configuration itself was read so: it blocks, and must not be called from async code.
    pub fn read_tables<T: DeserializeOwned>(
        &self,
        files: &[Arc<SourceFile>],
        variables: &Variables<'_>,
    ) -> Vec<Result<ReadTable<T>, Vec<Fault>>> {
        self.read_with(files, variables, |_, _| {})
    }

    /// As [`Secrets::read_tables`]; `complete` adds what a file need not say.
    fn read_with<T: DeserializeOwned>(
        &self,
        files: &[Arc<SourceFile>],
        variables: &Variables<'_>,
        complete: impl Fn(&Arc<SourceFile>, &mut Table),
    ) -> Vec<Result<ReadTable<T>, Vec<Fault>>> {
        let mut parsed: Vec<_> = files.iter().map(tree::parse).collect();
        let wanted = parsed.iter_mut().flat_map(|(table, _)| interpolate::secrets_in(table));
        let answers = self.ask(wanted.collect(), variables);
        let lookup = |secret: &Secret| answers.of(secret);
        let mut tables = Vec::new();
        for (file, (mut table, mut faults)) in files.iter().zip(parsed) {
            interpolate::interpolate(&mut table, variables, &lookup, &mut faults);
            complete(file, &mut table);
            let node = Node::new(Span::new(file, 0..0), Value::Table(table));
            let mistakes = faults.len();
            let settings = read::read(&node, &mut faults);
            node.hide_variables(&mut faults[mistakes..]);
            tables.push(match settings {
                Some(settings) if faults.is_empty() => Ok(ReadTable { settings, node }),
                _ => Err(faults),
            });
        }
        tables
    }
}
