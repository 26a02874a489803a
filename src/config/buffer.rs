//! What a user may write under `[sinks.<id>.buffer]`, the same for every sink.

use std::num::NonZeroUsize;

use pipeline_core::{ComponentKind, Problem};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{fault::Fault, tree::Entry, units};

/// The least that a buffer on disk can work with.
const DISK_BYTES_MIN: usize = 1024 * 1024;

/// Where what a sink has not delivered yet waits, and how much of it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BufferConfig {
    /// `memory`, or `disk`: events in it survive a restart, and a sink whose server is away holds the others back only
    /// once it is full.
    #[serde(rename = "type")]
    pub kind: BufferKind,
    /// Events that a buffer in memory takes. Batches are taken whole; one that is larger may be in it alone.
    pub max_events: Option<NonZeroUsize>,
    /// Bytes that the buffer takes: on disk those of its file, in memory those of the records as they were received. By
    /// default 1 GB on disk and 16 MB in memory.
    #[serde(with = "units::optional_byte_size")]
    pub max_bytes: Option<usize>,
    /// What happens when the buffer is full: `block` lets what feeds the sink wait, with all sinks beside it;
    /// `drop_newest` drops what comes, which counts as filtered on purpose.
    pub when_full: WhenFull,
}

/// Where a buffer is.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BufferKind {
    /// Gone with the process; its events are then not acknowledged.
    #[default]
    Memory,
    /// In a file.
    Disk,
}

/// What a full buffer does.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenFull {
    /// Lets whoever feeds it wait.
    #[default]
    Block,
    /// Drops what comes.
    DropNewest,
}

impl BufferConfig {
    /// The bound in bytes.
    pub fn bytes_max(&self) -> usize {
        self.max_bytes.unwrap_or(match self.kind {
            BufferKind::Memory => 16 * 1000 * 1000,
            BufferKind::Disk => 1000 * 1000 * 1000,
        })
    }

    /// All that could not be seen while parsing.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let on_disk = self.kind == BufferKind::Disk;
        if on_disk && self.max_events.is_some() {
            let problem = Problem::at("buffer.max_events", "a buffer on disk is bounded in bytes");
            problems.push(problem.fix("remove it, and set `max_bytes`"));
        }
        if on_disk && self.bytes_max() < DISK_BYTES_MIN {
            let problem =
                Problem::at("buffer.max_bytes", "that is too little for a buffer on disk");
            problems.push(problem.fix("give it \"1MiB\" at least"));
        }
        problems
    }
}

/// Reads the table of a component, of which only a sink can have one.
pub(super) fn read(
    entry: &Entry,
    kind: ComponentKind,
    faults: &mut Vec<Fault>,
) -> Option<BufferConfig> {
    if kind != ComponentKind::Sink {
        let fault = Fault::at(&entry.key_span, format!("a {} has no buffer", kind.as_str()));
        faults.push(fault.fix("give one to the sink that it feeds"));
        return None;
    }
    super::read::read(&entry.node, faults)
}
