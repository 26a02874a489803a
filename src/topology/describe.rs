//! A checked topology as it is shown to those outside.

use super::check::{Checked, Node};
use crate::live::{ComponentDescription, Description, OutputDescription};

impl Checked {
    /// The topology as generation `generation` of what runs.
    pub fn describe(&self, generation: u64) -> Description {
        Description { generation, components: self.nodes.iter().map(describe_component).collect() }
    }
}

fn describe_component(node: &Node) -> ComponentDescription {
    let declared = &node.declared;
    let output = |output: &pipeline_core::Output| OutputDescription {
        port: output.port.clone(),
        kinds: output.schema.event.to_string(),
    };
    let files = node.prepared.as_ref().map(|prepared| &prepared.files);
    ComponentDescription {
        id: declared.id.clone(),
        kind: declared.kind,
        component_type: declared.component_type.clone(),
        inputs: declared.inputs.clone(),
        outputs: node.outputs.iter().map(output).collect(),
        program: files.and_then(|files| files.first().cloned()),
    }
}
