//! Is this a topology that can run? Finds all that is wrong at once, each at its line, and carries the kinds of
//! events from the sources through every program to the sinks.

mod needs;

use std::{
    any::Any,
    collections::{BTreeSet, HashSet},
    io,
    path::{Path, PathBuf},
};

use pipeline_core::{
    ComponentId, ComponentKind, DEFAULT_PORT, DROPPED_PORT, Output, Prepared, Problem, Schema,
    SinkConfig, SourceConfig, TransformConfig, TransformContext, UNMATCHED_PORT,
};

use super::graph::Graph;
use crate::config::{
    BufferConfig, Declared, Identity, Settings,
    fault::{Fault, nearest},
};

/// What components are checked with besides their settings.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    /// Reads a file that a component's settings name.
    pub read_file: &'a dyn Fn(&Path) -> io::Result<String>,
    /// The tables in which programs look values up: see [`TransformContext::tables`].
    pub tables: &'a (dyn Any + Send + Sync),
}

impl<'a> Means<'a> {
    /// Files, and no tables.
    pub fn files(read_file: &'a dyn Fn(&Path) -> io::Result<String>) -> Means<'a> {
        Means { read_file, tables: &() }
    }
}

/// A topology that was found to be right.
pub struct Checked {
    /// The components, in the order in which they were declared.
    pub(super) nodes: Vec<Node>,
    /// What deserves a look, though it can run.
    pub warnings: Vec<Fault>,
}

impl Checked {
    /// A topology without components.
    pub(super) fn nothing() -> Checked {
        Checked { nodes: Vec::new(), warnings: Vec::new() }
    }

    /// The files that the transforms were made from, each once.
    pub fn files(&self) -> BTreeSet<&Path> {
        let prepared = self.nodes.iter().filter_map(|node| node.prepared.as_ref());
        prepared.flat_map(|prepared| &prepared.files).map(PathBuf::as_path).collect()
    }

    /// The sources, for commands that concern one type of them.
    pub fn sources(&self) -> impl Iterator<Item = (&ComponentId, &dyn SourceConfig)> {
        self.nodes.iter().filter_map(|node| match &node.declared.settings {
            Some(Settings::Source(config)) => Some((&node.declared.id, &**config)),
            Some(Settings::Transform(_) | Settings::Sink(_)) | None => None,
        })
    }

    /// The sinks, for commands that concern them.
    pub fn sinks(&self) -> impl Iterator<Item = (&ComponentId, &dyn SinkConfig)> {
        self.nodes.iter().filter_map(|node| match &node.declared.settings {
            Some(Settings::Sink(config)) => Some((&node.declared.id, &**config)),
            Some(Settings::Source(_) | Settings::Transform(_)) | None => None,
        })
    }

    /// The transforms on any way to `component`, for commands that go by what reaches it.
    pub fn transforms_before(&self, component: &ComponentId) -> Vec<&dyn TransformConfig> {
        let here = self.nodes.iter().map(|node| node.declared.id == *component).collect();
        let before = self.reached(here, |nodes, number, reached| {
            let reads = |node: &Node| node.inputs.iter().any(|input| input.node == number);
            nodes.iter().zip(reached).any(|(node, reached)| *reached && reads(node))
        });
        let nodes =
            self.nodes.iter().zip(before).filter_map(|(node, before)| before.then_some(node));
        nodes
            .filter_map(|node| match &node.declared.settings {
                Some(Settings::Transform(config)) => Some(&**config),
                Some(Settings::Source(_) | Settings::Sink(_)) | None => None,
            })
            .collect()
    }
}

/// A component in its place.
pub(super) struct Node {
    pub(super) declared: Declared,
    /// Where its events come from.
    pub(super) inputs: Vec<PortRef>,
    /// Where its events leave.
    pub(super) outputs: Vec<Output>,
    /// A transform's workers-to-be.
    pub(super) prepared: Option<Prepared>,
    /// Outputs, by number, whose readers were left out. Nothing in a whole topology.
    pub(super) left_out: Vec<usize>,
    /// What it is set to do.
    pub(super) identity: Identity,
}

/// An output of a component, by the numbers of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PortRef {
    pub(super) node: usize,
    pub(super) port: usize,
}

/// Checks the declared components as one topology.
pub fn check(components: Vec<Declared>, means: Means<'_>) -> Result<Checked, Vec<Fault>> {
    let mut checker = Checker { components: &components, faults: Vec::new(), warnings: Vec::new() };
    let ports: Vec<Vec<String>> = components.iter().map(port_names).collect();
    let inputs: Vec<Vec<PortRef>> =
        (0..components.len()).map(|node| checker.resolve(node, &ports)).collect();
    checker.check_kinds_of_component();
    checker.check_settings();
    let walk =
        Graph::new(inputs.iter().map(|of| of.iter().map(|port| port.node).collect()).collect())
            .walk();
    for cycle in &walk.cycles {
        checker.report_cycle(cycle);
    }
    checker.check_readers(&inputs, &ports);
    let mut typed: Vec<(Vec<Output>, Option<Prepared>)> =
        components.iter().map(|_| (Vec::new(), None)).collect();
    for node in walk.order {
        typed[node] = checker.check_types(node, &inputs[node], &typed, means);
    }
    let Checker { faults, warnings, .. } = checker;
    if !faults.is_empty() {
        return Err(faults);
    }
    let nodes = components.into_iter().zip(inputs).zip(typed);
    let node =
        |((declared, inputs), (outputs, prepared)): ((Declared, _), (_, Option<Prepared>))| {
            let identity = identity(&declared, prepared.as_ref(), means);
            Node { declared, inputs, outputs, prepared, left_out: Vec::new(), identity }
        };
    Ok(Checked { nodes: nodes.map(node).collect(), warnings })
}

fn identity(declared: &Declared, prepared: Option<&Prepared>, means: Means<'_>) -> Identity {
    let programs = prepared.map(|prepared| prepared.files.clone()).unwrap_or_default();
    let read = |path: PathBuf| {
        // One that cannot be read is told from all that can.
        let content = (means.read_file)(&path).unwrap_or_else(|error| format!("\0{error}"));
        (path, content.into_bytes())
    };
    let files: Vec<_> = declared.files().into_iter().chain(programs).map(read).collect();
    declared.identity(&files)
}

/// The names of a component's ports, by number; empty where its settings could not be read.
fn port_names(declared: &Declared) -> Vec<String> {
    match &declared.settings {
        Some(Settings::Source(source)) => {
            source.outputs().into_iter().map(|output| output.port).collect()
        }
        Some(Settings::Transform(transform)) => {
            let default = transform.has_default_port().then(|| DEFAULT_PORT.to_owned());
            default.into_iter().chain(transform.ports()).collect()
        }
        Some(Settings::Sink(_)) | None => Vec::new(),
    }
}

struct Checker<'a> {
    components: &'a [Declared],
    faults: Vec<Fault>,
    warnings: Vec<Fault>,
}

impl Checker<'_> {
    fn report(&mut self, node: usize, problem: Problem) {
        self.faults.push(self.components[node].fault(problem));
    }

    /// Finds the outputs that a component's `inputs` name.
    fn resolve(&mut self, node: usize, ports: &[Vec<String>]) -> Vec<PortRef> {
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        for (index, name) in self.components[node].inputs.iter().enumerate() {
            let key = format!("inputs.{index}");
            match self.find(name, ports) {
                Ok(Some(port)) if !seen.insert(port) => {
                    let problem = Problem::at(
                        &key,
                        format!("`{name}` is listed twice, so its events would arrive twice"),
                    );
                    self.report(node, problem.fix("remove one of them"));
                }
                Ok(port) => found.extend(port),
                Err((message, fix)) => self.report(node, Problem::at(&key, message).fix(fix)),
            }
        }
        found
    }

    /// The output of this name; nothing where the component is there, but broken.
    fn find(&self, name: &str, ports: &[Vec<String>]) -> Result<Option<PortRef>, (String, String)> {
        let (id, port) = name.split_once('.').unwrap_or((name, DEFAULT_PORT));
        let Some(node) = self.components.iter().position(|declared| *declared.id == *id) else {
            let ids =
                self.components.iter().filter(|declared| declared.kind != ComponentKind::Sink);
            let ids: Vec<&str> = ids.map(|declared| &*declared.id).collect();
            let fix = match nearest(id, ids.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("the components are: {}", ids.join(", ")),
            };
            // The input as it stands, so that what a variable has put there is found and hidden.
            let message = if name == id {
                format!("there is no component `{name}`")
            } else {
                format!("there is no component for the input `{name}`")
            };
            return Err((message, fix));
        };
        let declared = &self.components[node];
        if declared.kind == ComponentKind::Sink {
            return Err((
                format!("`{id}` is a sink; nothing leaves it"),
                "name a source or a transform".to_owned(),
            ));
        }
        if declared.settings.is_none() {
            return Ok(None);
        }
        if let Some(port) = ports[node].iter().position(|known| known == port) {
            Ok(Some(PortRef { node, port }))
        } else {
            let named = ports[node]
                .iter()
                .filter(|port| !port.is_empty())
                .map(|port| format!("{id}.{port}"));
            let default = ports[node].iter().any(String::is_empty).then(|| id.to_owned());
            let all: Vec<String> = default.into_iter().chain(named).collect();
            Err((
                format!("there is no output `{name}`"),
                format!("its outputs are: {}", all.join(", ")),
            ))
        }
    }

    fn check_kinds_of_component(&mut self) {
        for (kind, section) in [(ComponentKind::Source, "sources"), (ComponentKind::Sink, "sinks")]
        {
            if !self.components.iter().any(|declared| declared.kind == kind) {
                let message = format!("the configuration has no {}", kind.as_str());
                self.faults
                    .push(Fault::general(message).fix(format!("add a table `[{section}.name]`")));
            }
        }
    }

    fn check_settings(&mut self) {
        for (node, declared) in self.components.iter().enumerate() {
            let problems = match &declared.settings {
                Some(Settings::Source(source)) => source.problems(),
                Some(Settings::Sink(sink)) => sink.problems(),
                Some(Settings::Transform(_)) | None => Vec::new(),
            };
            let of_buffer = declared.buffer.iter().flat_map(BufferConfig::problems);
            for problem in of_buffer.chain(problems) {
                self.report(node, problem);
            }
        }
    }

    fn report_cycle(&mut self, cycle: &[usize]) {
        let names: Vec<&str> =
            cycle.iter().chain(cycle.first()).map(|&node| &*self.components[node].id).collect();
        let problem = Problem::at("inputs", format!("feeds itself: {}", names.join(" → ")));
        self.report(
            cycle[0],
            problem.fix("remove one of these components from the inputs of the next"),
        );
    }

    /// Every event has to go somewhere. What a transform drops for an error goes to the dead letters by default.
    fn check_readers(&mut self, inputs: &[Vec<PortRef>], ports: &[Vec<String>]) {
        let read: HashSet<&PortRef> = inputs.iter().flatten().collect();
        for (node, names) in ports.iter().enumerate() {
            for (port, name) in names.iter().enumerate() {
                if name == DROPPED_PORT || read.contains(&PortRef { node, port }) {
                    continue;
                }
                let id = &self.components[node].id;
                let output = if name.is_empty() { id.to_string() } else { format!("{id}.{name}") };
                if name == UNMATCHED_PORT {
                    let message = format!("nothing reads `{output}`: its events are dropped");
                    let fix = format!(
                        "add `\"{output}\"` to the inputs of a sink, or set `reroute_unmatched = false`"
                    );
                    let warning = Problem::at("", message).fix(fix);
                    self.warnings.push(self.components[node].fault(warning));
                    continue;
                }
                let problem = Problem::at(
                    "",
                    format!("nothing reads `{output}`: its events have nowhere to go"),
                );
                self.report(
                    node,
                    problem.fix(format!("add `\"{output}\"` to the inputs of a sink")),
                );
            }
        }
    }

    /// Carries the kinds through one component. All that feeds it has been through already, but for a cycle.
    fn check_types(
        &mut self,
        node: usize,
        inputs: &[PortRef],
        typed: &[(Vec<Output>, Option<Prepared>)],
        means: Means<'_>,
    ) -> (Vec<Output>, Option<Prepared>) {
        let declared = &self.components[node];
        let schemas: Vec<(PortRef, Schema)> = inputs
            .iter()
            .filter_map(|&input| Some((input, typed[input.node].0.get(input.port)?.schema.clone())))
            .collect();
        match &declared.settings {
            Some(Settings::Source(source)) => (source.outputs(), None),
            Some(Settings::Transform(transform)) => {
                // Without a known input the program is still compiled, against events of which nothing is known.
                let merged = schemas.into_iter().map(|(_, schema)| schema).reduce(Schema::merge);
                self.prepare(node, transform.as_ref(), merged.unwrap_or_else(Schema::any), means)
            }
            Some(Settings::Sink(sink)) => {
                self.check_needs(node, sink.as_ref(), &schemas);
                self.check_hopes(node, sink.as_ref(), &schemas);
                (Vec::new(), None)
            }
            None => (Vec::new(), None),
        }
    }

    fn prepare(
        &mut self,
        node: usize,
        transform: &dyn TransformConfig,
        input: Schema,
        means: Means<'_>,
    ) -> (Vec<Output>, Option<Prepared>) {
        let declared = &self.components[node];
        let Means { read_file, tables } = means;
        let context = TransformContext { id: declared.id.clone(), input, read_file, tables };
        match transform.prepare(&context) {
            Ok(prepared) => {
                self.warnings.extend(
                    prepared.warnings.iter().cloned().map(|warning| declared.fault(warning)),
                );
                (prepared.outputs.clone(), Some(prepared))
            }
            Err(problems) => {
                for problem in problems {
                    self.report(node, problem);
                }
                (Vec::new(), None)
            }
        }
    }
}

#[cfg(test)]
mod tests;
