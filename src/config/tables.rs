//! Files that hold one table each and are read apart from the configuration, also while the program runs. Variables and
//! secrets in them are replaced as in the configuration itself, and mistakes are found all at once, each at its line.

use std::sync::Arc;

use pipeline_core::Problem;
use serde::de::DeserializeOwned;

use super::{
    fault::{Fault, SourceFile, Span},
    interpolate::{self, Variables},
    read,
    secrets::{Secret, Secrets},
    tree::{self, Node, Value},
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

impl Secrets {
    /// Reads each of the files as a table of its own. Each backend is asked once for all of them, which may run
    /// commands where the configuration itself was read so: it blocks, and must not be called from async code.
    pub fn read_tables<T: DeserializeOwned>(
        &self,
        files: &[Arc<SourceFile>],
        variables: &Variables<'_>,
    ) -> Vec<Result<ReadTable<T>, Vec<Fault>>> {
        let mut parsed: Vec<_> = files.iter().map(tree::parse).collect();
        let wanted = parsed.iter_mut().flat_map(|(table, _)| interpolate::secrets_in(table));
        let answers = self.ask(wanted.collect(), variables);
        let lookup = |secret: &Secret| answers.of(secret);
        let mut tables = Vec::new();
        for (file, (mut table, mut faults)) in files.iter().zip(parsed) {
            interpolate::interpolate(&mut table, variables, &lookup, &mut faults);
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
