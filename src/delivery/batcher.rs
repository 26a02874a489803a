//! Gathers events until there are enough of them for one request.
//!
//! Invariant: nothing is lost when [`Batcher::next`] is dropped half-way; what was gathered waits for the next call.

use std::{num::NonZeroUsize, time::Duration};

use futures_util::FutureExt;
use pipeline_core::{Event, Inlet};
use tokio::time::Instant;

/// When a batch is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchSettings {
    /// Events in a batch.
    pub events_max: NonZeroUsize,
    /// Bytes of a batch, as the sources received them. One event that is larger makes a batch of its own.
    pub bytes_max: usize,
    /// How long the first event waits for others; zero takes only what is there already.
    pub timeout: Duration,
}

/// Turns what arrives at a sink into batches of the sink's own size.
#[derive(Debug)]
pub struct Batcher {
    input: Inlet,
    settings: BatchSettings,
    /// What arrived and does not belong to the batch being gathered yet.
    arrived: std::vec::IntoIter<Event>,
    gathered: Vec<Event>,
    gathered_bytes: usize,
    /// When the batch being gathered has waited long enough.
    due: Option<Instant>,
}

impl Batcher {
    /// Gathers what arrives at `input`.
    pub fn new(input: Inlet, settings: BatchSettings) -> Batcher {
        Batcher {
            input,
            settings,
            arrived: Vec::new().into_iter(),
            gathered: Vec::new(),
            gathered_bytes: 0,
            due: None,
        }
    }

    /// The next batch, never empty; nothing when the edge has ended. Cancel-safe.
    pub async fn next(&mut self) -> Option<Vec<Event>> {
        loop {
            if self.gather() {
                return Some(self.take());
            }
            match self.receive().await {
                Received::Events(events) => self.arrived = events.into_iter(),
                Received::End if self.gathered.is_empty() => return None,
                Received::TimeIsUp | Received::End => return Some(self.take()),
            }
        }
    }

    /// Moves what has arrived into the batch; whether the batch is full.
    fn gather(&mut self) -> bool {
        while let Some(event) = self.arrived.as_slice().first() {
            let bytes = self.gathered_bytes.saturating_add(event.byte_size());
            if bytes > self.settings.bytes_max && !self.gathered.is_empty() {
                return true;
            }
            self.gathered_bytes = bytes;
            self.gathered.extend(self.arrived.next());
            if self.gathered.len() >= self.settings.events_max.get() {
                return true;
            }
        }
        false
    }

    async fn receive(&mut self) -> Received {
        if self.gathered.is_empty() {
            return Received::from(self.input.next().await);
        }
        let due = *self.due.get_or_insert_with(|| Instant::now() + self.settings.timeout);
        if due <= Instant::now() {
            return self.input.next().now_or_never().map_or(Received::TimeIsUp, Received::from);
        }
        tokio::select! {
            biased;
            batch = self.input.next() => Received::from(batch),
            () = tokio::time::sleep_until(due) => Received::TimeIsUp,
        }
    }

    fn take(&mut self) -> Vec<Event> {
        self.due = None;
        self.gathered_bytes = 0;
        std::mem::take(&mut self.gathered)
    }
}

enum Received {
    Events(Vec<Event>),
    TimeIsUp,
    End,
}

impl From<Option<pipeline_core::Batch>> for Received {
    fn from(batch: Option<pipeline_core::Batch>) -> Received {
        batch.map_or(Received::End, |batch| Received::Events(batch.into_events()))
    }
}

#[cfg(test)]
mod tests {
    use pipeline_core::{
        ComponentKind, Outlet, edge,
        testing::{batch, metrics},
    };

    use super::*;

    fn settings(events_max: usize, bytes_max: usize, timeout: Duration) -> BatchSettings {
        let events_max = NonZeroUsize::new(events_max).expect("a batch holds something");
        BatchSettings { events_max, bytes_max, timeout }
    }

    fn new_edge(batches: usize) -> (Outlet, Inlet) {
        let batches_max = NonZeroUsize::new(batches).unwrap_or(NonZeroUsize::MIN);
        edge(batches_max, &metrics(ComponentKind::Sink, "test"))
    }

    /// Sends `arrivals` at once, ends the edge, and gives the sizes of the batches.
    async fn sizes(arrivals: &[&[&str]], settings: BatchSettings) -> Vec<usize> {
        let (sender, input) = new_edge(arrivals.len());
        for records in arrivals {
            sender.send(batch(records).0).await.expect("the edge is open");
        }
        drop(sender);
        let mut batcher = Batcher::new(input, settings);
        let mut sizes = Vec::new();
        while let Some(events) = batcher.next().await {
            sizes.push(events.len());
        }
        sizes
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_ends_by_count_bytes_or_the_end_of_the_edge() {
        const SECOND: Duration = Duration::from_secs(1);
        let three = ["{}", "{}", "{}"];
        assert_eq!(sizes(&[&three, &three], settings(2, 99, SECOND)).await, [2, 2, 2]);
        assert_eq!(sizes(&[&three, &three], settings(4, 99, SECOND)).await, [4, 2]);
        assert_eq!(sizes(&[&three], settings(9, 4, SECOND)).await, [2, 1]);
        assert_eq!(sizes(&[&three], settings(9, 1, SECOND)).await, [1, 1, 1]);
        assert_eq!(sizes(&[&three, &[], &three], settings(9, 99, Duration::ZERO)).await, [6]);
        assert_eq!(sizes(&[], settings(9, 99, SECOND)).await, [0; 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_event_waits_no_longer_than_the_timeout() {
        let (sender, input) = new_edge(1);
        let mut batcher = Batcher::new(input, settings(9, 99, Duration::from_secs(5)));
        let start = Instant::now();
        sender.send(batch(&["{}"]).0).await.expect("the edge is open");
        // A caller that gives up half-way loses nothing and does not restart the clock.
        for _ in 0..4 {
            let early = tokio::time::timeout(Duration::from_secs(1), batcher.next()).await;
            assert!(early.is_err());
        }
        assert_eq!(batcher.next().await.map(|events| events.len()), Some(1));
        assert_eq!(start.elapsed(), Duration::from_secs(5));
    }
}
