//! Takes events through the transforms of a topology, without sources, sinks, queues and tasks.
//!
//! Invariant: a rehearsal starts with transforms that have seen nothing, so that none depends on another. What becomes
//! of an event that leaves the transforms is the caller's to say; a rehearsal settles none.

use std::{collections::HashMap, sync::Arc};

use pipeline_core::{
    Batch, Clock, ComponentId, ComponentKind, ComponentMetrics, DEFAULT_PORT, Event, Outputs,
    Prepared, Problem, Schema, Transform, TransformContext,
};

use super::{Checked, Means, check::PortRef, graph::Graph};
use crate::config::{Settings, fault::nearest};

/// Why events cannot be taken through.
#[derive(Debug, thiserror::Error)]
pub enum RehearsalError {
    /// A name that is no transform's.
    #[error("there is no transform `{name}`; {fix}")]
    NoTransform {
        /// The name.
        name: String,
        /// What to do.
        fix: String,
    },
    /// A name that is no output's.
    #[error("there is no output `{name}`; {fix}")]
    NoOutput {
        /// The name.
        name: String,
        /// What to do.
        fix: String,
    },
}

impl RehearsalError {
    /// The same at the option `key`.
    pub fn problem(self, key: &str) -> Problem {
        let (message, fix) = match self {
            RehearsalError::NoTransform { name, fix } => {
                (format!("there is no transform `{name}`"), fix)
            }
            RehearsalError::NoOutput { name, fix } => (format!("there is no output `{name}`"), fix),
        };
        Problem::at(key, message).fix(fix)
    }
}

/// Where to put an event in: a transform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entrance(usize);

/// What leaves a transform by one of its ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit(PortRef);

/// What left the transforms, by output. An event that other transforms read is among it as well.
#[derive(Debug, Default)]
pub struct Left(HashMap<PortRef, Vec<Event>>);

impl Left {
    /// What left by `exit`.
    pub fn by(&self, exit: Exit) -> &[Event] {
        self.0.get(&exit.0).map_or(&[], Vec::as_slice)
    }
}

/// One transform alone.
pub struct Single {
    ports: Vec<String>,
    transform: Box<dyn Transform>,
}

impl Single {
    /// What becomes of an event: by which ports what leaves.
    pub fn pass(&mut self, event: Event) -> Vec<(&str, Event)> {
        let mut outputs = Outputs::new(self.ports.len());
        self.transform.transform(Batch::from(vec![event]), &mut outputs);
        let mut left = Vec::new();
        for (port, batch) in self.ports.iter().zip(outputs.into_batches()) {
            left.extend(batch.into_iter().map(|event| (port.as_str(), event)));
        }
        left
    }
}

impl Checked {
    /// The transform of this name.
    pub fn entrance(&self, name: &str) -> Result<Entrance, RehearsalError> {
        let is_transform =
            |node: &usize| self.nodes[*node].declared.kind == ComponentKind::Transform;
        let mut transforms = (0..self.nodes.len()).filter(is_transform);
        let found = transforms.clone().find(|node| *self.nodes[*node].declared.id == *name);
        found.map(Entrance).ok_or_else(|| {
            let ids: Vec<&str> =
                transforms.by_ref().map(|node| &*self.nodes[node].declared.id).collect();
            let fix = match nearest(name, ids.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("the transforms are: {}", ids.join(", ")),
            };
            RehearsalError::NoTransform { name: name.to_owned(), fix }
        })
    }

    /// The output of this name: a transform's, or `transform.port`.
    pub fn exit(&self, name: &str) -> Result<Exit, RehearsalError> {
        let (id, port) = name.split_once('.').unwrap_or((name, DEFAULT_PORT));
        let Entrance(node) = self.entrance(id)?;
        let outputs = &self.nodes[node].outputs;
        if let Some(port) = outputs.iter().position(|output| output.port == port) {
            return Ok(Exit(PortRef { node, port }));
        }
        let names = outputs.iter().map(|output| match output.port.as_str() {
            DEFAULT_PORT => id.to_owned(),
            port => format!("{id}.{port}"),
        });
        let fix = format!("its outputs are: {}", names.collect::<Vec<_>>().join(", "));
        Err(RehearsalError::NoOutput { name: name.to_owned(), fix })
    }

    /// Takes `events` through all transforms behind those where they are put in.
    ///
    /// # Errors
    /// A program that was right when the topology was checked no longer is: its file has changed.
    pub fn rehearse(
        &self,
        events: Vec<(Entrance, Event)>,
        clock: &Arc<dyn Clock>,
        means: &Means<'_>,
    ) -> Result<Left, Vec<Problem>> {
        let mut waiting: Vec<Vec<Event>> = self.nodes.iter().map(|_| Vec::new()).collect();
        for (Entrance(node), event) in events {
            waiting[node].push(event);
        }
        let feeders = |inputs: &[PortRef]| inputs.iter().map(|port| port.node).collect();
        let graph = Graph::new(self.nodes.iter().map(|node| feeders(&node.inputs)).collect());
        let mut left = Left::default();
        for node in graph.walk().order {
            let batch = std::mem::take(&mut waiting[node]);
            if batch.is_empty() {
                continue;
            }
            let Some(prepared) = self.fresh(node, means)? else { continue };
            let declared = &self.nodes[node].declared;
            let id: &ComponentId = &declared.id;
            let metrics = ComponentMetrics::new(declared.kind, &declared.component_type, id);
            let mut outputs = Outputs::new(prepared.outputs.len());
            prepared.factory.worker(&metrics, clock).transform(Batch::from(batch), &mut outputs);
            for (port, batch) in outputs.into_batches().into_iter().enumerate() {
                let port = PortRef { node, port };
                for (reader, waiting) in self.nodes.iter().zip(&mut waiting) {
                    if reader.inputs.contains(&port) {
                        waiting.extend(batch.events().iter().cloned());
                    }
                }
                left.0.entry(port).or_default().extend(batch);
            }
        }
        Ok(left)
    }

    /// One transform alone, which has seen nothing yet.
    ///
    /// # Errors
    /// As [`Checked::rehearse`].
    pub fn single(
        &self,
        Entrance(node): Entrance,
        clock: &Arc<dyn Clock>,
        means: &Means<'_>,
    ) -> Result<Single, Vec<Problem>> {
        let prepared = self.fresh(node, means)?.expect("an entrance is a transform's");
        let declared = &self.nodes[node].declared;
        let metrics = ComponentMetrics::new(declared.kind, &declared.component_type, &declared.id);
        let ports = prepared.outputs.iter().map(|output| output.port.clone()).collect();
        Ok(Single { ports, transform: prepared.factory.worker(&metrics, clock) })
    }

    /// A transform prepared anew, so that it has seen nothing yet; none for another component.
    fn fresh(&self, node: usize, means: &Means<'_>) -> Result<Option<Prepared>, Vec<Problem>> {
        let node = &self.nodes[node];
        let Some(Settings::Transform(transform)) = &node.declared.settings else { return Ok(None) };
        let schema = |port: &PortRef| self.nodes[port.node].outputs[port.port].schema.clone();
        let input = node.inputs.iter().map(schema).reduce(Schema::merge);
        let input = input.unwrap_or_else(Schema::any);
        let Means { read_file, tables } = means;
        let id = node.declared.id.clone();
        let context = TransformContext { id, input, read_file, tables: *tables };
        transform.prepare(&context).map(Some)
    }
}
