//! A topology as it is shown: its components, and how they are joined.

use std::{fmt, path::PathBuf};

use pipeline_core::{ComponentId, ComponentKind};
use serde::{Serialize, Serializer};

/// A running topology.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Description {
    /// Counts what has run in this process: 1 at the start, one more after each reload that changed something.
    pub generation: u64,
    /// In the order in which they are declared.
    pub components: Vec<ComponentDescription>,
}

impl Description {
    /// The components of one kind.
    pub fn of_kind(&self, kind: ComponentKind) -> impl Iterator<Item = &ComponentDescription> {
        self.components.iter().filter(move |component| component.kind == kind)
    }

    /// How events flow, in a line: `audit -> map, map -> es`.
    pub fn flow(&self) -> String {
        let ways = self.components.iter().flat_map(|component| {
            component.inputs.iter().map(move |input| format!("{input} -> {}", component.id))
        });
        ways.collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for Description {
    /// In a few words, for whoever lists services.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |kind| self.of_kind(kind).count();
        write!(
            formatter,
            "running, generation {}; sources: {}, transforms: {}, sinks: {}",
            self.generation,
            count(ComponentKind::Source),
            count(ComponentKind::Transform),
            count(ComponentKind::Sink),
        )
    }
}

/// A component in its place.
#[derive(Clone, Debug, Serialize)]
pub struct ComponentDescription {
    /// Its name in the configuration.
    pub id: ComponentId,
    /// What it is.
    #[serde(serialize_with = "as_str")]
    pub kind: ComponentKind,
    /// Its `type` in the configuration.
    pub component_type: String,
    /// What it reads, as `component` or `component.port`.
    pub inputs: Vec<String>,
    /// What leaves it.
    pub outputs: Vec<OutputDescription>,
    /// The file of its program, where it has one.
    pub program: Option<PathBuf>,
}

/// A port, and what leaves by it.
#[derive(Clone, Debug, Serialize)]
pub struct OutputDescription {
    /// The port's name.
    pub port: String,
    /// The kinds of its events, for people.
    #[serde(rename = "type")]
    pub kinds: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn as_str<S: Serializer>(kind: &ComponentKind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.as_str())
}
