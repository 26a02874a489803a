//! A part of a checked topology: what leads from some of its sources to some of its sinks.
//!
//! Invariant: each event that reaches a sink of the part is what that sink would have got in the whole. What would have
//! left for a component outside of the part counts as filtered on purpose; what a transform drops is kept as dead
//! letters, as where nothing reads it.

use std::collections::HashMap;

use pipeline_core::{ComponentId, ComponentKind, DROPPED_PORT, SourceConfig};

use super::check::{Checked, Node, PortRef};
use crate::config::Settings;

/// Why there is no such part.
#[derive(Debug, thiserror::Error)]
pub enum NarrowError {
    #[error("there is no sink `{name}`; there are: {known}")]
    NoSink { name: String, known: String },
    #[error("nothing leads from the chosen sources to the sink `{name}`")]
    Unfed { name: String },
    #[error("nothing is left of the topology: no source was chosen that leads to a sink")]
    Empty,
}

impl Checked {
    /// What leads to `sinks`, or to all of them where none is named. Each source is replaced by what `replace` makes of
    /// it; where that is nothing, the source is left out. A replacement must have the outputs of what it replaces.
    pub fn narrow(
        mut self,
        sinks: &[String],
        replace: impl Fn(&ComponentId, &dyn SourceConfig) -> Option<Box<dyn SourceConfig>>,
    ) -> Result<Checked, NarrowError> {
        for name in sinks {
            if !self.sinks().any(|(id, _)| **id == **name) {
                let known: Vec<&str> = self.sinks().map(|(id, _)| &**id).collect();
                return Err(NarrowError::NoSink { name: name.clone(), known: known.join(", ") });
            }
        }
        let mut has_source = vec![false; self.nodes.len()];
        for (number, node) in self.nodes.iter_mut().enumerate() {
            if let Some(Settings::Source(config)) = &mut node.declared.settings
                && let Some(replacement) = replace(&node.declared.id, &**config)
            {
                *config = replacement;
                has_source[number] = true;
            }
        }
        let is_fed = self.reached(has_source, |nodes, number, fed| {
            nodes[number].inputs.iter().any(|input| fed[input.node])
        });
        let is_chosen = |node: &Node| {
            node.declared.kind == ComponentKind::Sink
                && (sinks.is_empty() || sinks.iter().any(|name| **name == *node.declared.id))
        };
        let chosen: Vec<bool> = self.nodes.iter().map(is_chosen).collect();
        for (number, node) in self.nodes.iter().enumerate() {
            if chosen[number] && !is_fed[number] && !sinks.is_empty() {
                return Err(NarrowError::Unfed { name: node.declared.id.to_string() });
            }
        }
        let is_read = self.reached(chosen, |nodes, number, read| {
            let feeds = |node: &Node| node.inputs.iter().any(|input| input.node == number);
            nodes.iter().zip(read).any(|(node, read)| *read && feeds(node))
        });
        let kept: Vec<usize> =
            (0..self.nodes.len()).filter(|number| is_fed[*number] && is_read[*number]).collect();
        if kept.is_empty() { Err(NarrowError::Empty) } else { Ok(self.keep(&kept)) }
    }

    /// Adds to the nodes that are `reached` all that `follows` from them.
    pub(super) fn reached(
        &self,
        mut reached: Vec<bool>,
        follows: impl Fn(&[Node], usize, &[bool]) -> bool,
    ) -> Vec<bool> {
        loop {
            let next = (0..self.nodes.len())
                .find(|number| !reached[*number] && follows(&self.nodes, *number, &reached));
            let Some(next) = next else { return reached };
            reached[next] = true;
        }
    }

    /// The topology of the nodes with the numbers `kept`, which ascend.
    pub(super) fn keep(self, kept: &[usize]) -> Checked {
        let numbers: HashMap<usize, usize> =
            kept.iter().enumerate().map(|(new, old)| (*old, new)).collect();
        let was_read: Vec<PortRef> =
            self.nodes.iter().flat_map(|node| node.inputs.iter().copied()).collect();
        let mut nodes: Vec<Node> = Vec::with_capacity(kept.len());
        for (number, mut node) in self.nodes.into_iter().enumerate() {
            if !numbers.contains_key(&number) {
                continue;
            }
            node.inputs = node
                .inputs
                .iter()
                .filter_map(|input| Some(PortRef { node: *numbers.get(&input.node)?, ..*input }))
                .collect();
            let is_left_out = |port: &usize| {
                was_read.contains(&PortRef { node: number, port: *port })
                    && node.outputs[*port].port != DROPPED_PORT
            };
            node.left_out = (0..node.outputs.len()).filter(is_left_out).collect();
            nodes.push(node);
        }
        for number in 0..nodes.len() {
            let is_read = |port: &usize| {
                nodes
                    .iter()
                    .any(|node| node.inputs.contains(&PortRef { node: number, port: *port }))
            };
            let left_out: Vec<usize> =
                nodes[number].left_out.iter().copied().filter(|port| !is_read(port)).collect();
            nodes[number].left_out = left_out;
        }
        Checked { nodes, warnings: self.warnings }
    }
}
