//! The way out of a disk buffer: batches that were read go to the sink in order, and what the sink says of their events
//! decides what is removed from the file.
//!
//! Invariant: a batch is removed only when the sink has settled each of its events. Events that it could not deliver are given
//! to it again.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    time::Duration,
};

use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use pipeline_core::{AckGroup, Batch, Fates, Outcome, Outlet, OutletClosed, RunError};

use super::{
    metrics::BufferMetrics,
    turn::{Kept, Unpacked},
};

/// Bytes of records, as received, that the sink may have without having settled them. A sink that encodes early holds about
/// that much memory for them; one that gathers more into a batch has to wait for its timeout.
const UNSETTLED_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Bytes of records, as received, that are read at a time. As values they take about ten times that.
const READ_BYTES: usize = 1024 * 1024;

/// The wait before events are given to the sink once more.
const AGAIN_INTERVAL: Duration = Duration::from_secs(1);

/// What the sink said of a batch.
#[derive(Debug)]
struct Verdict {
    kept: Kept,
    bytes: usize,
    /// The events that have to be given to it again, by their places in the batch.
    errored: Vec<usize>,
}

/// What is read and not settled yet.
pub(super) struct Outflow {
    /// Nothing once no more batches are given.
    outlet: Option<Outlet>,
    metrics: BufferMetrics,
    ready: VecDeque<Batch>,
    sending: Option<BoxFuture<'static, Result<(), OutletClosed>>>,
    verdicts: FuturesUnordered<BoxFuture<'static, Verdict>>,
    /// The numbers of all batches that were read and are not settled.
    unsettled: BTreeSet<u64>,
    unsettled_bytes: usize,
    /// Batches of which some events are to be given again.
    again: HashMap<u64, Vec<usize>>,
    /// Batches to be removed.
    settled: Vec<Kept>,
}

impl Outflow {
    pub(super) fn new(outlet: Outlet, metrics: BufferMetrics) -> Outflow {
        Outflow {
            outlet: Some(outlet),
            metrics,
            ready: VecDeque::new(),
            sending: None,
            verdicts: FuturesUnordered::new(),
            unsettled: BTreeSet::new(),
            unsettled_bytes: 0,
            again: HashMap::new(),
            settled: Vec::new(),
        }
    }

    /// Goes on by some step, or waits for ever where there is nothing to do. Cancel-safe.
    pub(super) async fn step(&mut self) -> Result<(), RunError> {
        self.begin_sending();
        tokio::select! {
            Some(verdict) = self.verdicts.next() => self.judge(verdict),
            sent = send(&mut self.sending), if self.sending.is_some() => {
                self.sending = None;
                sent.map_err(|closed| RunError::new("the sink that reads the buffer ended", closed))?;
            }
            else => std::future::pending().await,
        }
        Ok(())
    }

    fn begin_sending(&mut self) {
        let Some(outlet) = self.outlet.as_ref().filter(|_| self.sending.is_none()) else { return };
        if let Some(batch) = self.ready.pop_front() {
            let outlet = outlet.clone();
            self.sending = Some(Box::pin(async move { outlet.send(batch).await }));
        }
    }

    fn judge(&mut self, verdict: Verdict) {
        let Verdict { kept, bytes, errored } = verdict;
        self.unsettled_bytes -= bytes;
        if errored.is_empty() {
            self.unsettled.remove(&kept.number);
            self.settled.push(kept);
        } else {
            self.again.insert(kept.number, errored);
        }
    }

    /// How much may be read now.
    pub(super) fn read_bytes(&self) -> usize {
        let has_room = self.unsettled_bytes < UNSETTLED_BYTES_MAX && self.ready.is_empty();
        if self.outlet.is_some() && has_room { READ_BYTES } else { 0 }
    }

    /// The numbers of batches to be read again.
    pub(super) fn again(&self) -> Vec<u64> {
        if self.outlet.is_some() { self.again.keys().copied().collect() } else { Vec::new() }
    }

    /// The number of the first batch that is not settled, where all up to `read_to` were read.
    pub(super) fn first(&self, read_to: u64) -> u64 {
        self.unsettled.first().copied().unwrap_or(read_to + 1)
    }

    /// Takes what can be removed from the file.
    pub(super) fn take_settled(&mut self) -> Vec<Kept> {
        std::mem::take(&mut self.settled)
    }

    /// Puts back what could not be removed.
    pub(super) fn put_back(&mut self, settled: Vec<Kept>) {
        self.settled.extend(settled);
    }

    pub(super) fn has_settled(&self) -> bool {
        !self.settled.is_empty()
    }

    /// Whether the sink has nothing that it has not settled, and nothing is to be given to it again.
    pub(super) fn is_idle(&self) -> bool {
        self.verdicts.is_empty() && self.again.is_empty()
    }

    /// Whether the sink has nothing that it has not settled.
    pub(super) fn is_drained(&self) -> bool {
        self.verdicts.is_empty()
    }

    /// Takes batches to be given to the sink.
    pub(super) fn give(&mut self, read: Vec<Unpacked>) {
        for unpacked in read {
            self.unsettled.insert(unpacked.kept.number);
            let all = (0..unpacked.contents.len()).collect();
            self.metrics.sent(unpacked.contents.len());
            self.give_one(unpacked, all);
        }
    }

    /// Takes batches of which some events are to be given to the sink again.
    pub(super) fn give_again(&mut self, asked: &[u64], read: Vec<Unpacked>) {
        for unpacked in read {
            if let Some(places) = self.again.remove(&unpacked.kept.number) {
                self.give_one(unpacked, places);
            }
        }
        for number in asked {
            // It can't be read any more, and was counted as lost.
            if self.again.remove(number).is_some() {
                self.unsettled.remove(number);
            }
        }
    }

    fn give_one(&mut self, unpacked: Unpacked, places: Vec<usize>) {
        let (group, receipt) = AckGroup::new(places.len());
        let wanted: HashMap<usize, usize> =
            places.iter().enumerate().map(|(index, place)| (*place, index)).collect();
        let mut events = Vec::with_capacity(places.len());
        for (place, content) in unpacked.contents.into_iter().enumerate() {
            if let Some(index) = wanted.get(&place) {
                events.push(content.into_event(group.ack(*index)));
            }
        }
        let batch = Batch::from(events);
        let (kept, bytes) = (unpacked.kept, batch.byte_size());
        self.unsettled_bytes += bytes;
        self.ready.push_back(batch);
        self.verdicts.push(Box::pin(async move {
            let errored = errored(&receipt.await, &places);
            if !errored.is_empty() {
                tokio::time::sleep(AGAIN_INTERVAL).await;
            }
            Verdict { kept, bytes, errored }
        }));
    }

    /// Gives no more batches: what the sink has not got yet stays in the file.
    pub(super) fn stop(&mut self) {
        self.outlet = None;
        self.sending = None;
        self.ready.clear();
    }
}

/// The places of the events that were not delivered.
fn errored(fates: &Fates, places: &[usize]) -> Vec<usize> {
    let of_place = |(index, place): (usize, &usize)| {
        let outcome = fates.outcomes().get(index).copied().unwrap_or(Outcome::Errored);
        (outcome == Outcome::Errored).then_some(*place)
    };
    places.iter().enumerate().filter_map(of_place).collect()
}

async fn send(
    sending: &mut Option<BoxFuture<'static, Result<(), OutletClosed>>>,
) -> Result<(), OutletClosed> {
    match sending {
        Some(sending) => sending.await,
        None => std::future::pending().await,
    }
}
