//! A checked topology as it is shown to those outside.

use pipeline_core::Schema;
use vrl::value::Kind;

use super::check::{Checked, Node, PortRef};
use crate::{
    config::Settings,
    live::{ComponentDescription, Description, OutputDescription, Workplace},
};

impl Checked {
    /// The topology as generation `generation` of what runs.
    pub fn describe(&self, generation: u64) -> Description {
        Description { generation, components: self.nodes.iter().map(describe_component).collect() }
    }

    /// The kind of what leaves the component `id` by `port`.
    pub(super) fn leaves_by(&self, id: &str, port: &str) -> Option<&Kind> {
        let node = self.nodes.iter().find(|node| *node.declared.id == *id)?;
        let output = node.outputs.iter().find(|output| output.port == port)?;
        Some(&output.schema.event)
    }

    /// The components as those need them who try programs.
    pub fn workplaces(&self) -> Vec<Workplace> {
        let schema = |port: &PortRef| self.nodes[port.node].outputs[port.port].schema.clone();
        let workplace = |node: &Node| Workplace {
            id: node.declared.id.clone(),
            input: node.inputs.iter().map(schema).reduce(Schema::merge).unwrap_or_else(Schema::any),
            outputs: node.outputs.clone(),
            program: match &node.declared.settings {
                Some(Settings::Transform(transform)) => transform.program(),
                Some(Settings::Source(_) | Settings::Sink(_)) | None => None,
            },
        };
        self.nodes.iter().map(workplace).collect()
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
