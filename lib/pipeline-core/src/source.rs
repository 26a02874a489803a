//! A source brings events into the topology and learns what became of them.

use std::{path::PathBuf, sync::Arc};

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use crate::{
    Batch, BuildError, Clock, ComponentId, ComponentMetrics, DeadLetters, Output, Problem,
    RunError, Shutdown,
};

/// What a user declares under `[sources.<id>]`.
pub trait SourceConfig: Send + Sync + std::fmt::Debug {
    /// The outputs, with what each carries.
    fn outputs(&self) -> Vec<Output>;

    /// All that is wrong and could not be seen while parsing. No I/O.
    fn problems(&self) -> Vec<Problem> {
        Vec::new()
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

/// Where a source puts its events. Clones lead to the same place; the edge ends when all of them are gone.
#[derive(Clone, Debug)]
pub struct Outlet {
    edge: mpsc::Sender<Batch>,
    metrics: ComponentMetrics,
}

/// Nothing reads the source's output any more; the batch was dropped, and its events count as not delivered.
#[derive(Debug, thiserror::Error)]
#[error("the topology takes no more events")]
pub struct OutletClosed;

impl Outlet {
    /// An outlet that fills `edge` and counts what passes as sent by the source.
    pub fn new(edge: mpsc::Sender<Batch>, metrics: ComponentMetrics) -> Outlet {
        Outlet { edge, metrics }
    }

    /// Hands a batch on. Waits while the edge is full, which is how a slow sink slows the source.
    pub async fn send(&self, batch: Batch) -> Result<(), OutletClosed> {
        let (events, bytes) = (batch.len(), batch.byte_size());
        self.edge.send(batch).await.map_err(|_| OutletClosed)?;
        self.metrics.sent(events, bytes);
        Ok(())
    }
}
