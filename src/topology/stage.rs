//! Transforms that run as one: a batch passes all steps on one core, several batches pass side by side, and they leave
//! in the order in which they came. The steps are a tree: each is fed by one port of an earlier step alone.

use std::{num::NonZeroUsize, sync::Arc};

use futures_util::{StreamExt, stream::FuturesOrdered};
use pipeline_core::{
    Batch, Clock, ComponentId, ComponentMetrics, ErrorStage, Inlet, Outcome, Outlet, OutletClosed,
    RunError, Shutdown, Transform, TransformFactory,
};
use tokio_util::task::AbortOnDropHandle;
use tracing::error;

use crate::live::taps::Tap;

/// One transform of the tree.
pub(super) struct Step {
    pub(super) id: ComponentId,
    pub(super) factory: Arc<dyn TransformFactory>,
    pub(super) metrics: ComponentMetrics,
    /// Where it can be watched.
    pub(super) tap: Tap,
    /// The names of its ports.
    pub(super) ports: Vec<String>,
    /// Where each port leads.
    pub(super) exits: Vec<Exit>,
}

/// Where what leaves by a port goes.
pub(super) enum Exit {
    /// To other tasks.
    Outlet(Outlet),
    /// To the step of this number, which comes later in the same stage. Counted as sent by `writer`.
    Step { number: usize, writer: ComponentMetrics },
    /// Nowhere: it is dropped on purpose.
    Discard,
}

/// Fused transforms, the first of which is the root of the tree.
pub(super) struct Stage {
    steps: Arc<[Step]>,
    clock: Arc<dyn Clock>,
    workers_max: NonZeroUsize,
    idle: Vec<Worker>,
}

/// One copy of every transform of the stage.
type Worker = Vec<Box<dyn Transform>>;

/// What left the stage for one batch: number of the step, number of its port, events.
type Done = Vec<(usize, usize, Batch)>;

impl Stage {
    pub(super) fn new(steps: Vec<Step>, clock: Arc<dyn Clock>, workers_max: NonZeroUsize) -> Stage {
        Stage { steps: steps.into(), clock, workers_max, idle: Vec::new() }
    }

    /// The ids of the transforms, joined.
    pub(super) fn name(&self) -> String {
        self.steps.iter().map(|step| &*step.id).collect::<Vec<_>>().join(" + ")
    }

    /// Works until the inlet ends and everything has been handed on.
    pub(super) async fn run(
        mut self,
        mut inlet: Inlet,
        shutdown: Shutdown,
    ) -> Result<(), RunError> {
        tokio::select! {
            biased;
            () = shutdown.abandoned() => Ok(()),
            ended = self.work(&mut inlet) => ended.map_err(|closed| RunError::new("what reads a transform ended", closed)),
        }
    }

    async fn work(&mut self, inlet: &mut Inlet) -> Result<(), OutletClosed> {
        let mut at_work = FuturesOrdered::new();
        let mut has_more = true;
        while has_more || !at_work.is_empty() {
            tokio::select! {
                biased;
                Some(finished) = at_work.next() => self.hand_on(finished).await?,
                batch = inlet.next(), if has_more && at_work.len() < self.workers_max.get() => match batch {
                    Some(batch) => at_work.push_back(self.start(batch)),
                    None => has_more = false,
                },
            }
        }
        Ok(())
    }

    fn start(&mut self, batch: Batch) -> AbortOnDropHandle<(Worker, Done)> {
        let idle = self.idle.pop();
        let (steps, clock) = (Arc::clone(&self.steps), Arc::clone(&self.clock));
        let work = async move {
            let mut worker = idle.unwrap_or_else(|| {
                steps.iter().map(|step| step.factory.worker(&step.metrics, &clock)).collect()
            });
            let done = pass(&steps, &mut worker, batch);
            (worker, done)
        };
        #[expect(clippy::disallowed_methods, reason = "joined in order by `work`, aborted with it")]
        AbortOnDropHandle::new(tokio::spawn(work))
    }

    async fn hand_on(
        &mut self,
        finished: Result<(Worker, Done), tokio::task::JoinError>,
    ) -> Result<(), OutletClosed> {
        let (worker, done) = match finished {
            Ok(finished) => finished,
            Err(failure) => {
                // The batch went with the worker, so its events count as not delivered and will come again.
                error!(component_id = self.name(), error = %failure, "a transform panicked");
                self.steps[0].metrics.error("panic", ErrorStage::Processing);
                return Ok(());
            }
        };
        self.idle.push(worker);
        for (step, port, batch) in done {
            if let Exit::Outlet(outlet) = &self.steps[step].exits[port] {
                outlet.send(batch).await?;
            }
        }
        Ok(())
    }
}

/// Takes a batch through all steps.
fn pass(steps: &[Step], worker: &mut Worker, batch: Batch) -> Done {
    let mut done = Vec::new();
    let mut waiting: Vec<Batch> = steps.iter().map(|_| Batch::default()).collect();
    waiting[0] = batch;
    for (number, (step, transform)) in steps.iter().zip(worker).enumerate() {
        let batch = std::mem::take(&mut waiting[number]);
        if batch.is_empty() {
            continue;
        }
        if number > 0 {
            step.metrics.received(batch.len(), batch.byte_size());
        }
        let outputs = step.tap.pass(&mut **transform, batch, &step.ports);
        for (port, batch) in outputs.into_batches().into_iter().enumerate() {
            match &step.exits[port] {
                Exit::Outlet(_) => done.push((number, port, batch)),
                Exit::Step { number, writer } => {
                    writer.sent(batch.len(), batch.byte_size());
                    waiting[*number] = batch;
                }
                Exit::Discard => {
                    step.metrics.discarded_intentionally(batch.len());
                    batch.settle(Outcome::Filtered);
                }
            }
        }
    }
    done
}
