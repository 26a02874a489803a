//! One chunk of a blob on its way: dropping copies, sending the rest, waiting for its fate.
//!
//! Invariant: a record counts as delivered when its acknowledgement or the ledger says so, and as undelivered
//! otherwise. A copy of a record that is on its way waits, in the chunk's own share of memory, until it is known what
//! became of that record.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use pipeline_core::{AckGroup, Batch, DeadLetter, ErrorStage, Event, Origin, Outcome};

use super::{
    blob::Attempt,
    chunk::{BadRecord, Chunk, Identified},
    duplicates::{Claim, Claims},
    ledger::{Counts, Sighting},
    plan::backoff,
};

/// The longest wait before the dead letters are tried again.
const LETTERS_WAIT_MAX: Duration = Duration::from_secs(30);

/// What became of a chunk, or of all chunks of a blob.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) counts: Counts,
    /// Records that have to be sent again.
    pub(super) undelivered: u64,
    /// What is wrong with the first bad record.
    pub(super) first_bad: Option<String>,
}

impl Tally {
    pub(super) fn add(&mut self, part: Tally) {
        let (sum, counts) = (&mut self.counts, part.counts);
        sum.records += counts.records;
        sum.delivered += counts.delivered;
        sum.filtered += counts.filtered;
        sum.duplicates += counts.duplicates;
        sum.rejected += counts.rejected;
        sum.dead_lettered += counts.dead_lettered;
        self.undelivered += part.undelivered;
        self.first_bad = self.first_bad.take().or(part.first_bad);
    }
}

impl Attempt {
    /// Resolves when it is known what became of every record of `chunk`.
    pub(super) async fn send_chunk(&self, chunk: Chunk) -> Tally {
        let mut chunk = chunk;
        let shared = &self.tenant.shared;
        let mut tally = Tally::default();
        tally.counts.records = (chunk.records.len() + chunk.bad.len()) as u64;
        let protocol = self.tenant.client.settings().urls.resource.scheme();
        shared.metrics.received_bytes(protocol, chunk.bytes);
        shared.metrics.received(chunk.records.len() + chunk.bad.len(), chunk.bytes);
        self.dead_letter(&mut chunk, &mut tally).await;
        let Chunk { mut records, parsed, share: _share, .. } = chunk;
        loop {
            let ids: Vec<_> = records.iter().map(|record| &record.id).collect();
            let (verdicts, claims) = self.tenant.duplicates.claim(&ids).await;
            let (mut mine, mut held, mut fates) =
                (Vec::with_capacity(records.len()), Vec::new(), Vec::new());
            for (record, verdict) in records.into_iter().zip(verdicts) {
                match verdict {
                    Claim::Mine => mine.push(record),
                    Claim::Seen(sighting) => self.count_seen(sighting, &mut tally),
                    Claim::OnItsWay(fate) => {
                        held.push(record);
                        fates.push(fate);
                    }
                }
            }
            let origin = self.origin.holding(Arc::clone(&parsed));
            if held.is_empty() {
                // From here on the events alone say how long their contents take memory.
                drop(parsed);
                self.send(mine, origin, claims, &mut tally).await;
                return tally;
            }
            self.send(mine, origin, claims, &mut tally).await;
            for fate in fates {
                fate.cancelled().await;
            }
            if self.tenant.stop.is_cancelled() {
                tally.undelivered += held.len() as u64;
                return tally;
            }
            records = held;
        }
    }

    /// A record of an earlier attempt at this blob is what it was then; any other is a copy.
    fn count_seen(&self, sighting: Sighting, tally: &mut Tally) {
        let (row, is_earlier) = (self.due.row, sighting.row <= self.begun_after);
        if is_earlier && sighting.blob == row {
            tally.counts.delivered += 1;
        } else if is_earlier && sighting.blob == row.filtered() {
            tally.counts.filtered += 1;
        } else if is_earlier && sighting.blob == row.rejected() {
            tally.counts.rejected += 1;
        } else {
            tally.counts.duplicates += 1;
        }
    }

    async fn send(
        &self,
        records: Vec<Identified>,
        origin: Arc<Origin>,
        claims: Claims<'_>,
        tally: &mut Tally,
    ) {
        if records.is_empty() {
            return;
        }
        let shared = &self.tenant.shared;
        let (group, receipt) = AckGroup::new(records.len());
        let mut ids = VecDeque::with_capacity(records.len());
        let mut events = Vec::with_capacity(records.len());
        for (index, Identified { id, record }) in records.into_iter().enumerate() {
            ids.push_back(id);
            let origin = Arc::clone(&origin);
            events.push(Event::of(record, origin, group.ack(index)));
        }
        drop((group, origin));
        if shared.outlet.send(Batch::from(events)).await.is_err() {
            shared.close();
        }
        let fates = receipt.await;
        let (mut delivered, mut filtered, mut rejected) =
            (Vec::with_capacity(ids.len()), Vec::new(), Vec::new());
        for (index, id) in ids.into_iter().enumerate() {
            match fates.outcomes().get(index).unwrap_or(&Outcome::Errored) {
                Outcome::Delivered => {
                    tally.counts.delivered += 1;
                    delivered.push(id);
                }
                Outcome::Filtered => {
                    tally.counts.filtered += 1;
                    filtered.push(id);
                }
                Outcome::Rejected => {
                    tally.counts.rejected += 1;
                    rejected.push(id);
                }
                Outcome::Errored => tally.undelivered += 1,
            }
        }
        let row = self.due.row;
        let groups = [(row, delivered), (row.filtered(), filtered), (row.rejected(), rejected)];
        claims.settle(groups, self.tenant.api_now()).await;
    }

    async fn dead_letter(&self, chunk: &mut Chunk, tally: &mut Tally) {
        let bad = std::mem::take(&mut chunk.bad);
        tally.counts.dead_lettered += bad.len() as u64;
        // What an earlier attempt at the blob has kept is not kept twice.
        let fresh: Vec<&BadRecord> =
            bad.iter().filter(|record| self.bad_letters.is_new(&record.payload)).collect();
        if fresh.is_empty() {
            return;
        }
        let metrics = &self.tenant.shared.metrics;
        let letters =
            fresh.iter().map(|record| self.letter(&record.reason, &record.payload)).collect();
        self.keep_letters(letters).await;
        for record in &fresh {
            self.bad_letters.note(&record.payload);
            metrics.error("bad_record", ErrorStage::Processing);
        }
        metrics.discarded_unintentionally(fresh.len());
        tally.first_bad = fresh.first().map(|record| record.reason.clone());
    }

    /// Writes dead letters until they are written.
    pub(super) async fn keep_letters(&self, letters: Vec<DeadLetter>) {
        let shared = &self.tenant.shared;
        let mut failures = 0_u32;
        while let Err(error) = shared.dead_letters.put(letters.clone()).await {
            failures = failures.saturating_add(1);
            shared.metrics.error("dead_letters_failed", ErrorStage::Processing);
            if failures.is_power_of_two() {
                let (component_id, tenant) = (&*shared.id, &self.tenant.name);
                let error = &error as &(dyn std::error::Error + 'static);
                tracing::error!(
                    component_id,
                    tenant,
                    error,
                    failures,
                    "trying the dead letters again"
                );
            }
            let wait =
                self.tenant.with_random(|random| backoff(failures, LETTERS_WAIT_MAX, random));
            tokio::time::sleep(wait).await;
        }
    }
}
