//! The edges of the graph: where a component puts its batches, and where the next one takes them.
//!
//! Invariant: an edge holds a small number of batches. A full one makes its sender wait, all the way back to the
//! source, which is how a slow sink slows everything in front of it instead of filling the memory.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};

use crate::{
    Batch, ComponentMetrics, Spyhole,
    switch::{Lead, Withdrawal},
};

/// How often the share of time that a reader was busy is published.
const UTILIZATION_INTERVAL: Duration = Duration::from_secs(5);

/// Makes an edge that holds `batches_max` batches and counts into `reader`, the metrics of the component that it
/// leads to.
pub fn edge(batches_max: NonZeroUsize, reader: &ComponentMetrics) -> (Outlet, Inlet) {
    new_edge(batches_max, reader, None)
}

/// As [`edge`], to a sink that can be taken away, which `withdrawal` then tells.
pub fn edge_to_sink(
    batches_max: NonZeroUsize,
    reader: &ComponentMetrics,
    withdrawal: Withdrawal,
) -> (Outlet, Inlet) {
    new_edge(batches_max, reader, Some(withdrawal))
}

fn new_edge(
    batches_max: NonZeroUsize,
    reader: &ComponentMetrics,
    withdrawal: Option<Withdrawal>,
) -> (Outlet, Inlet) {
    let (sender, receiver) = mpsc::channel(batches_max.get());
    let edge = Edge { sender, reader: reader.clone(), withdrawal };
    let outlet = Outlet::new(Lead::new(Arc::new([edge])));
    let has_ended = Arc::new(AtomicBool::new(false));
    let spyhole = Spyhole::default();
    (outlet, Inlet { receiver, reader: reader.clone(), busy: Busy::new(), has_ended, spyhole })
}

/// Where a component puts its events. Clones lead to the same readers; an edge ends when all of them are gone.
#[derive(Clone, Debug)]
pub struct Outlet {
    pub(crate) lead: Lead,
    pub(crate) writer: Option<ComponentMetrics>,
    pub(crate) spyhole: Spyhole,
}

/// The edges to all readers of an outlet.
pub(crate) type Edges = Arc<[Edge]>;

#[derive(Clone, Debug)]
pub(crate) struct Edge {
    pub(crate) sender: mpsc::Sender<Batch>,
    pub(crate) reader: ComponentMetrics,
    pub(crate) withdrawal: Option<Withdrawal>,
}

/// Tells whether an edge was read to its end, without reading it.
#[derive(Clone, Debug)]
pub struct EdgeWatch(Arc<AtomicBool>);

impl EdgeWatch {
    /// Whether the reader was told that nothing more will arrive.
    pub fn has_ended(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A reader is gone. What was meant for it was dropped, and so counts as not delivered.
#[derive(Debug, thiserror::Error)]
#[error("the topology takes no more events")]
pub struct OutletClosed;

impl Outlet {
    pub(crate) fn new(lead: Lead) -> Outlet {
        Outlet { lead, writer: None, spyhole: Spyhole::default() }
    }

    /// One outlet that feeds all readers of `outlets`, and counts what passes as sent by `writer`.
    pub fn fan_out(outlets: &[Outlet], writer: &ComponentMetrics) -> Outlet {
        let edges = outlets.iter().flat_map(|outlet| outlet.lead.now().to_vec()).collect();
        Outlet { writer: Some(writer.clone()), ..Outlet::new(Lead::new(edges)) }
    }

    /// The same outlet, of which `spyhole` shows what is sent.
    #[must_use]
    pub fn seen_through(self, spyhole: Spyhole) -> Outlet {
        Outlet { spyhole, ..self }
    }

    /// Hands a batch on to every reader; only the second reader on gets a copy. Waits while an edge is full.
    pub async fn send(&self, batch: Batch) -> Result<(), OutletClosed> {
        if batch.is_empty() {
            return Ok(());
        }
        self.spyhole.show(&batch);
        let (events, bytes) = (batch.len(), batch.byte_size());
        let edges = self.lead.now();
        let Some((last, others)) = edges.split_last() else { return Err(OutletClosed) };
        let mut all_took_it = true;
        for edge in others {
            all_took_it &= edge.send(batch.clone(), events, bytes).await;
        }
        all_took_it &= last.send(batch, events, bytes).await;
        if !all_took_it {
            // A reader that was replaced while the batch waited for it: the batch counts as not delivered, and the next goes
            // to the new one.
            let is_replaced = !Arc::ptr_eq(&edges, &self.lead.now());
            return if is_replaced { Ok(()) } else { Err(OutletClosed) };
        }
        if let Some(writer) = &self.writer {
            writer.sent(events, bytes);
        }
        Ok(())
    }
}

impl Edge {
    /// Whether the batch is where it belongs: at its reader, or nowhere if that is not wanted any more.
    async fn send(&self, mut batch: Batch, events: usize, bytes: usize) -> bool {
        let place = match &self.withdrawal {
            None => self.sender.reserve().await,
            Some(withdrawal) => {
                batch.bind(withdrawal);
                tokio::select! {
                    biased;
                    place = self.sender.reserve() => place,
                    () = withdrawal.told() => return true,
                }
            }
        };
        let Ok(place) = place else {
            return self.withdrawal.as_ref().is_some_and(Withdrawal::is_told);
        };
        self.reader.buffered(events, bytes);
        place.send(batch);
        true
    }
}

/// Where a component takes its events.
#[derive(Debug)]
pub struct Inlet {
    receiver: mpsc::Receiver<Batch>,
    reader: ComponentMetrics,
    busy: Busy,
    /// Set when the reader was told of the end.
    has_ended: Arc<AtomicBool>,
    spyhole: Spyhole,
}

impl Inlet {
    /// Watches how far the edge is read.
    pub fn watch(&self) -> EdgeWatch {
        EdgeWatch(Arc::clone(&self.has_ended))
    }

    /// The same inlet, of which `spyhole` shows what is taken.
    #[must_use]
    pub fn seen_through(mut self, spyhole: Spyhole) -> Inlet {
        self.spyhole = spyhole;
        self
    }

    /// The next batch, or nothing when the edge has ended. Cancel-safe.
    pub async fn next(&mut self) -> Option<Batch> {
        let asked = Instant::now();
        if asked >= self.busy.publish_at() {
            self.busy.publish(asked, &self.reader);
        }
        let batch = loop {
            match timeout_at(self.busy.publish_at(), self.receiver.recv()).await {
                Ok(batch) => break batch,
                Err(_) => self.busy.publish(asked, &self.reader),
            }
        };
        self.busy.waited(asked);
        let Some(batch) = batch else {
            self.has_ended.store(true, Ordering::Release);
            return None;
        };
        let (events, bytes) = (batch.len(), batch.byte_size());
        self.reader.unbuffered(events, bytes);
        self.reader.received(events, bytes);
        self.spyhole.show(&batch);
        Some(batch)
    }
}

impl Drop for Inlet {
    fn drop(&mut self) {
        // What was not taken does not wait here any more.
        self.receiver.close();
        while let Ok(batch) = self.receiver.try_recv() {
            self.reader.unbuffered(batch.len(), batch.byte_size());
        }
    }
}

/// Measures which part of the time a reader did not wait.
#[derive(Debug)]
struct Busy {
    since: Instant,
    waited: Duration,
}

impl Busy {
    fn new() -> Busy {
        Busy { since: Instant::now(), waited: Duration::ZERO }
    }

    fn publish_at(&self) -> Instant {
        self.since + UTILIZATION_INTERVAL
    }

    fn waited(&mut self, asked: Instant) {
        self.waited += asked.max(self.since).elapsed();
    }

    fn publish(&mut self, asked: Instant, metrics: &ComponentMetrics) {
        self.waited(asked);
        let spent = self.since.elapsed().as_secs_f64().max(f64::MIN_POSITIVE);
        metrics.utilization((1.0 - self.waited.as_secs_f64() / spent).clamp(0.0, 1.0));
        *self = Busy::new();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::{ComponentKind, Outcome, testing};

    fn new_edge() -> (Outlet, Inlet) {
        edge(NonZeroUsize::MIN, &testing::metrics(ComponentKind::Sink, "sink"))
    }

    #[tokio::test]
    async fn every_reader_gets_every_batch() {
        let ((first, mut first_in), (second, mut second_in)) = (new_edge(), new_edge());
        let outlet =
            Outlet::fan_out(&[first, second], &testing::metrics(ComponentKind::Source, "source"));
        let (batch, receipt) = testing::batch(&["{}", "{}"]);
        outlet.send(batch).await.expect("both readers are there");
        first_in.next().await.expect("a batch").settle(Outcome::Delivered);
        second_in.next().await.expect("a batch").settle(Outcome::Rejected);
        assert_eq!(receipt.await.count(Outcome::Rejected), 2);
    }

    #[tokio::test]
    async fn a_full_edge_makes_its_sender_wait() {
        let (outlet, mut inlet) = new_edge();
        outlet.send(testing::batch(&["{}"]).0).await.expect("the reader is there");
        let mut second = Box::pin(outlet.send(testing::batch(&["{}"]).0));
        assert!((&mut second).now_or_never().is_none());
        assert!(inlet.next().await.is_some());
        second.await.expect("there is room now");
    }

    #[tokio::test]
    async fn a_batch_for_a_reader_that_is_gone_is_not_delivered() {
        let ((first, first_in), (second, mut second_in)) = (new_edge(), new_edge());
        drop(first_in);
        let outlet =
            Outlet::fan_out(&[first, second], &testing::metrics(ComponentKind::Source, "source"));
        let (batch, receipt) = testing::batch(&["{}"]);
        assert!(outlet.send(batch).await.is_err());
        second_in.next().await.expect("a batch").settle(Outcome::Delivered);
        assert_eq!(receipt.await.count(Outcome::Errored), 1);
    }

    #[tokio::test]
    async fn the_edge_ends_with_its_last_sender() {
        let (outlet, mut inlet) = new_edge();
        drop(outlet.clone());
        drop(outlet);
        assert!(inlet.next().await.is_none());
    }
}
