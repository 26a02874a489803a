//! The contract between o365flow and its components: events, batches, acknowledgements, typed ports and the
//! traits that a source, a transform and a sink implement.
//!
//! Nothing here reads a file, a socket or TOML, and nothing here spawns a task: a component is a value that is
//! configured, checked, built and then run by the topology. Whoever wants to write a new component needs this
//! crate alone.
#![warn(missing_docs)]

mod ack;
mod batch;
mod clock;
mod component;
mod dead_letter;
mod edge;
mod error_type;
mod event;
mod finding;
mod json;
mod metrics;
mod port;
mod record;
mod shutdown;
mod sink;
mod source;
mod spyhole;
mod switch;
pub mod testing;
mod transform;

pub use ack::{AckGroup, EventAck, Fates, Outcome, Receipt};
pub use batch::Batch;
pub use clock::{Clock, Timestamp};
pub use component::{BuildError, ComponentId, Problem, ProgramFinding, RunError};
pub use dead_letter::{DeadLetter, DeadLetterError, DeadLetters, LetterKind};
pub use edge::{EdgeWatch, Inlet, Outlet, OutletClosed, edge, edge_to_sink};
pub use error_type::error_type_of;
pub use event::{Event, EventTarget, EventView, Origin, Unread};
pub use finding::{Finding, Health};
pub use json::{write_json, write_json_text};
pub use metrics::{ComponentKind, ComponentMetrics, ErrorStage};
pub use port::{DEFAULT_PORT, DROPPED_PORT, Fit, Need, Output, Schema, UNMATCHED_PORT};
pub use record::{Record, RecordError};
pub use shutdown::Shutdown;
pub use sink::{Sink, SinkConfig, SinkContext};
pub use source::{RunMode, Source, SourceConfig, SourceContext};
pub use spyhole::{Look, Spyhole};
pub use switch::{OutletSwitch, WeakOutlet, Withdrawal};
pub use transform::{
    Outputs, Prepared, Transform, TransformConfig, TransformContext, TransformFactory,
    TransformProgram,
};
