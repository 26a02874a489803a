//! A sink delivers events to a server or a file, and says of each what became of it.

use std::{any::Any, path::PathBuf, sync::Arc};

use futures_util::future::BoxFuture;

use crate::{
    BuildError, Clock, ComponentId, ComponentMetrics, DeadLetters, Finding, Inlet, Need, Problem,
    RunError, Shutdown, Timestamp,
};

/// What a user declares under `[sinks.<id>]`. It can be downcast, for commands that concern one type of sink.
pub trait SinkConfig: Any + Send + Sync + std::fmt::Debug {
    /// The fields that every event has to have.
    fn needs(&self) -> Vec<Need> {
        Vec::new()
    }

    /// The fields that an event should have, though it is delivered without them as well.
    fn hopes(&self) -> Vec<Need> {
        Vec::new()
    }

    /// All that is wrong and could not be seen while parsing. No I/O.
    fn problems(&self) -> Vec<Problem> {
        Vec::new()
    }

    /// What only one sink may have at a time, as the file that it writes to. One that claims what another has is opened when
    /// that one has ended, if it will.
    fn claims(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Looks whether the sink could deliver at this time, without changing anything. Nothing where there is nothing to look at.
    fn probe(&self, _now: Timestamp) -> BoxFuture<'_, Vec<Finding>> {
        Box::pin(async { Vec::new() })
    }

    /// Opens what the sink needs. Starts nothing. A server that does not answer is no error: it may come up later.
    fn build(&self, context: SinkContext) -> BoxFuture<'_, Result<Box<dyn Sink>, BuildError>>;
}

/// What a sink is built with.
#[derive(Clone, Debug)]
pub struct SinkContext {
    /// The sink's id.
    pub id: ComponentId,
    /// The folder in which the sink may keep its state; it exists.
    pub data_dir: PathBuf,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// For events that can never be delivered.
    pub dead_letters: Arc<dyn DeadLetters>,
    /// The sink's counters.
    pub metrics: ComponentMetrics,
}

/// A sink, built and ready to run.
pub trait Sink: Send {
    /// Delivers what arrives at `inlet` until the edge ends and every event has been settled. While its server is
    /// away the sink waits and reads no further. When `shutdown` abandons, it returns at once; what it drops
    /// counts as not delivered.
    fn run(
        self: Box<Self>,
        inlet: Inlet,
        shutdown: Shutdown,
    ) -> BoxFuture<'static, Result<(), RunError>>;
}
