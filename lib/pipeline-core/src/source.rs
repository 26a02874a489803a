//! A source brings events into the topology and learns what became of them.

use std::{any::Any, path::PathBuf, sync::Arc};

use futures_util::future::BoxFuture;
use vrl::value::Value;

use crate::{
    BuildError, Clock, ComponentId, ComponentMetrics, DeadLetters, Outlet, Output, Problem,
    RunError, Shutdown,
};

/// What a user declares under `[sources.<id>]`. It can be downcast, for commands that concern one type of source.
pub trait SourceConfig: Any + Send + Sync + std::fmt::Debug {
    /// The outputs, with what each carries.
    fn outputs(&self) -> Vec<Output>;

    /// All that is wrong and could not be seen while parsing. No I/O.
    fn problems(&self) -> Vec<Problem> {
        Vec::new()
    }

    /// The content of the event that a record becomes, of which the source has kept a dead letter because it once was
    /// none; nothing where it is none still.
    fn read_record(&self, _record: &[u8]) -> Option<Value> {
        None
    }

    /// Opens what the source needs. Starts nothing.
    fn build(&self, context: SourceContext) -> BoxFuture<'_, Result<Box<dyn Source>, BuildError>>;
}

/// What a source is built with.
#[derive(Clone, Debug)]
pub struct SourceContext {
    /// The source's id.
    pub id: ComponentId,
    /// The folder in which the source may keep its state; it exists.
    pub data_dir: PathBuf,
    /// Whether the source ends by itself.
    pub mode: RunMode,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// For what arrives and can never become an event.
    pub dead_letters: Arc<dyn DeadLetters>,
    /// The source's counters.
    pub metrics: ComponentMetrics,
}

/// How long a source runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunMode {
    /// Until it is told to end.
    Continuous,
    /// Until all that there was at the start has been delivered.
    Once,
}

/// A source, built and ready to run.
pub trait Source: Send {
    /// Sends events to `outlet` until the work is done or `shutdown` orders to drain. Returns only when every event
    /// that was sent has been accounted for, or when `shutdown` abandons them.
    fn run(
        self: Box<Self>,
        outlet: Outlet,
        shutdown: Shutdown,
    ) -> BoxFuture<'static, Result<(), RunError>>;
}
