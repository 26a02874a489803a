//! A buffer in memory: an edge that is bounded in events and bytes.
//!
//! It acknowledges nothing: what it holds when the process ends was never delivered, and its source sends it again.

use std::{collections::VecDeque, num::NonZeroUsize};

use futures_util::future::BoxFuture;
use pipeline_core::{
    Batch, ComponentMetrics, Inlet, Outcome, Outlet, OutletClosed, RunError, Shutdown,
};

use super::{metrics::BufferMetrics, record::Amount};
use crate::config::{BufferConfig, WhenFull};

/// A buffer in memory, empty.
#[derive(Debug)]
pub struct MemoryBuffer {
    events_max: usize,
    bytes_max: usize,
    when_full: WhenFull,
    metrics: BufferMetrics,
}

impl MemoryBuffer {
    /// A buffer in front of the sink that counts into `sink`.
    pub fn new(config: &BufferConfig, sink: &ComponentMetrics) -> MemoryBuffer {
        let events_max = config.max_events.map(NonZeroUsize::get);
        MemoryBuffer {
            events_max: events_max.unwrap_or(usize::MAX),
            bytes_max: config.bytes_max(),
            when_full: config.when_full,
            metrics: BufferMetrics::new(sink, events_max, config.bytes_max()),
        }
    }

    /// Takes what arrives at `inlet` and gives it to `outlet`, until the edge has ended and nothing is left.
    pub async fn run(
        self,
        inlet: Inlet,
        outlet: Outlet,
        shutdown: Shutdown,
    ) -> Result<(), RunError> {
        tokio::select! {
            biased;
            () = shutdown.abandoned() => Ok(()),
            ended = self.work(inlet, outlet) => {
                ended.map_err(|closed| RunError::new("the sink that reads the buffer ended", closed))
            }
        }
    }

    async fn work(self, mut inlet: Inlet, outlet: Outlet) -> Result<(), OutletClosed> {
        let mut queue = VecDeque::new();
        // The size of what is in `queue` and on its way out.
        let mut held = Amount::default();
        // Came and does not fit.
        let mut waiting: Option<Batch> = None;
        let mut sending: Option<BoxFuture<'_, Result<(), OutletClosed>>> = None;
        let mut sending_size = Amount::default();
        let mut is_fed = true;
        loop {
            if let Some(batch) = waiting.take_if(|batch| self.fits(held, size(batch))) {
                held.add(size(&batch));
                self.metrics.received(batch.len());
                queue.push_back(batch);
            } else if self.when_full == WhenFull::DropNewest
                && let Some(batch) = waiting.take()
            {
                self.metrics.discarded(batch.len());
                batch.settle(Outcome::Filtered);
            }
            if sending.is_none()
                && let Some(batch) = queue.pop_front()
            {
                sending_size = size(&batch);
                sending = Some(Box::pin(outlet.send(batch)));
            }
            self.metrics.holds(held);
            if !is_fed && sending.is_none() && waiting.is_none() {
                return Ok(());
            }
            tokio::select! {
                biased;
                sent = finish(&mut sending), if sending.is_some() => {
                    sent?;
                    sending = None;
                    held.subtract(sending_size);
                    self.metrics.sent(usize::try_from(sending_size.events).unwrap_or(usize::MAX));
                }
                batch = inlet.next(), if is_fed && waiting.is_none() => match batch {
                    Some(batch) => waiting = Some(batch),
                    None => is_fed = false,
                },
            }
        }
    }

    /// A batch that is larger than the buffer may be in it alone.
    fn fits(&self, held: Amount, more: Amount) -> bool {
        let fits_in = |held: u64, more: u64, max: usize| held + more <= max as u64;
        held.events == 0
            || fits_in(held.events, more.events, self.events_max)
                && fits_in(held.bytes, more.bytes, self.bytes_max)
    }
}

fn size(batch: &Batch) -> Amount {
    Amount { events: batch.len() as u64, bytes: batch.byte_size() as u64 }
}

async fn finish(
    sending: &mut Option<BoxFuture<'_, Result<(), OutletClosed>>>,
) -> Result<(), OutletClosed> {
    match sending {
        Some(sending) => sending.await,
        None => std::future::pending().await,
    }
}
