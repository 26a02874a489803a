//! The part of a checked topology through which events of dead letters go: from the component that gave them up onwards.
//!
//! Invariant: no other component gets them. What a transform could not process was delivered by the other branches at the
//! time, and what a sink refused by the other sinks.

use pipeline_core::{ComponentKind, Schema, SourceConfig};

use super::check::{Checked, PortRef};
use crate::config::Settings;

/// Why letters can't go on.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    #[error("the configuration has no component `{name}` any more; there are: {known}")]
    NoComponent { name: String, known: String },
}

/// What a component takes in.
#[derive(Debug)]
pub enum Intake {
    /// Records, which this source makes events of.
    Records(Box<dyn SourceConfig>),
    /// Events.
    Events(Schema),
}

impl Checked {
    /// What follows from the component `name`, fed by the source that `source` makes, and by nothing else.
    pub fn resume(
        mut self,
        name: &str,
        source: impl FnOnce(Intake) -> Box<dyn SourceConfig>,
    ) -> Result<Checked, ResumeError> {
        for node in &mut self.nodes {
            // A letter must not be gone while its event is in a buffer that only the next replay would empty.
            node.declared.buffer = None;
        }
        let Some(number) = self.nodes.iter().position(|node| *node.declared.id == *name) else {
            let known: Vec<&str> = self.nodes.iter().map(|node| &*node.declared.id).collect();
            return Err(ResumeError::NoComponent {
                name: name.to_owned(),
                known: known.join(", "),
            });
        };
        let settings = self.nodes[number].declared.settings.take();
        if let Some(Settings::Source(config)) = settings {
            let config = source(Intake::Records(config));
            self.nodes[number].declared.settings = Some(Settings::Source(config));
            return Ok(self.keep_from(number, number));
        }
        self.nodes[number].declared.settings = settings;
        let inputs = self.nodes[number].inputs.iter();
        let schemas = inputs.map(|input| self.nodes[input.node].outputs[input.port].schema.clone());
        let schema = schemas.reduce(Schema::merge).unwrap_or_else(Schema::any);
        let feeder = self.nodes.iter().position(|node| node.declared.kind == ComponentKind::Source);
        let feeder = feeder.expect("a checked topology has a source");
        let config = source(Intake::Events(schema));
        let node = &mut self.nodes[feeder];
        node.outputs = config.outputs();
        node.declared.id = "dead_letters".into();
        "dead_letters".clone_into(&mut node.declared.component_type);
        node.declared.settings = Some(Settings::Source(config));
        for node in &mut self.nodes {
            node.inputs.retain(|input| input.node != feeder);
        }
        self.nodes[number].inputs = vec![PortRef { node: feeder, port: 0 }];
        Ok(self.keep_from(feeder, number))
    }

    /// Keeps `feeder`, `first`, and all that follows from `first`.
    fn keep_from(self, feeder: usize, first: usize) -> Checked {
        let mut is_kept = vec![false; self.nodes.len()];
        is_kept[first] = true;
        let mut is_kept = self.reached(is_kept, |nodes, number, kept| {
            nodes[number].inputs.iter().any(|input| kept[input.node])
        });
        is_kept[feeder] = true;
        let kept: Vec<usize> = (0..self.nodes.len()).filter(|number| is_kept[*number]).collect();
        self.keep(&kept)
    }
}
