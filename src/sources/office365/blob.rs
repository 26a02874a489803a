//! One attempt at one blob: fetch it, send its records, wait for what becomes of them, write it down.
//!
//! Invariant: the ledger says delivered only when the body was read to its end and every record of it was delivered,
//! filtered out, known as a copy, or is safe in a dead-letter file. Anything else puts the blob back.

use std::{
    error::Error,
    panic::AssertUnwindSafe,
    sync::{Arc, atomic::Ordering},
};

use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use office365::{ApiError, ErrorClass, RecordFault};
use pipeline_core::{DeadLetter, ErrorStage, LetterKind, Origin, Timestamp};
use tokio::sync::OwnedSemaphorePermit;
use vrl::value::{ObjectMap, Value};

use super::{
    chunk::{BodyEnd, Chunk, ChunkReader},
    kept_letters::BlobLetters,
    ledger::{BlobEnd, BlobReturn, Counts, DueBlob, SeenRow},
    plan::{self, AttemptFault, BlobStep},
    send::Tally,
    tenant::{FeedHandle, Tenant},
};

/// Chunks of one blob that wait for the sinks at one time. The bound on bytes is reached first as a rule.
const CHUNKS_IN_FLIGHT_MAX: usize = 512;

/// The attempt after which a body that is no array of records leaves its evidence in the dead letters; once, as the
/// blob goes on being tried until it expires.
const EVIDENCE_ATTEMPT: u32 = 3;

/// Attempts at one blob in a run that ends by itself.
const ONCE_ATTEMPTS_MAX: u32 = 6;

/// An attempt at a blob.
pub(super) struct Attempt {
    pub(super) tenant: Arc<Tenant>,
    pub(super) feed: Arc<FeedHandle>,
    pub(super) due: DueBlob,
    pub(super) origin: Arc<Origin>,
    /// The newest seen records when the attempt began.
    pub(super) begun_after: SeenRow,
    /// The blob's bad records that are in the dead letters.
    pub(super) bad_letters: BlobLetters,
}

/// Why an attempt failed, for the plan and for people.
struct Failure {
    fault: AttemptFault,
    reason: String,
    /// What to put in the dead letters if it stays.
    evidence: Option<String>,
}

impl Attempt {
    pub(super) fn new(tenant: Arc<Tenant>, feed: Arc<FeedHandle>, due: DueBlob) -> Attempt {
        let now = tenant.shared.clock.now();
        let origin = Origin::new(due.blob.id.0.clone(), metadata(&tenant, &feed, &due, now));
        let begun_after = tenant.duplicates.newest();
        let bad_letters = tenant.kept_letters.begin(due.row);
        Attempt { tenant, feed, due, origin, begun_after, bad_letters }
    }

    /// Makes the attempt and writes down how it ended. The place is given back as soon as the body has arrived.
    pub(super) async fn run(self, place: Option<OwnedSemaphorePermit>) {
        let result =
            AssertUnwindSafe(self.deliver(place)).catch_unwind().await.unwrap_or_else(|_| {
                let reason = "a fault of this program: the attempt panicked".to_owned();
                Err(Failure { fault: AttemptFault::Undelivered, reason, evidence: None })
            });
        match result {
            Ok(counts) => self.finish(counts).await,
            Err(failure) => self.give_back(failure).await,
        }
    }

    async fn deliver(&self, place: Option<OwnedSemaphorePermit>) -> Result<Counts, Failure> {
        let mut place = place;
        let shared = &self.tenant.shared;
        let records = tokio::select! {
            biased;
            () = self.tenant.stop.cancelled() => return Err(Failure::interrupted()),
            fetched = self.tenant.client.fetch(&self.due.blob) => fetched.map_err(|error| Failure::api(&error))?,
        };
        let mut reader =
            ChunkReader::new(records, shared.in_flight.clone(), shared.record_path.clone());
        let mut tally = Tally::default();
        let mut end = None;
        let mut settling = FuturesUnordered::new();
        while end.is_none() || !settling.is_empty() {
            tokio::select! {
                biased;
                Some(part) = settling.next() => tally.add(part),
                chunk = self.next_chunk(&mut reader),
                    if end.is_none() && settling.len() < CHUNKS_IN_FLIGHT_MAX =>
                {
                    match chunk {
                        Ok(chunk) => settling.push(self.send_chunk(chunk)),
                        Err(stopped) => {
                            end = Some(stopped);
                            drop(place.take());
                            self.tenant.wake.notify_one();
                        }
                    }
                }
            }
        }
        drop(settling);
        self.report_bad_records(&tally);
        match end {
            Some(Some(BodyEnd::Complete)) => self.feed.metrics.fetched(),
            Some(Some(BodyEnd::Broken(fault))) => return Err(Failure::body(&fault)),
            Some(None) | None => return Err(Failure::interrupted()),
        }
        if tally.undelivered > 0 {
            let reason = format!("{} records were not delivered", tally.undelivered);
            return Err(Failure { fault: AttemptFault::Undelivered, reason, evidence: None });
        }
        Ok(tally.counts)
    }

    /// The next chunk, or the body's end; nothing when the source stops first. May be dropped and called again.
    async fn next_chunk(&self, reader: &mut ChunkReader) -> Result<Chunk, Option<BodyEnd>> {
        tokio::select! {
            biased;
            () = self.tenant.stop.cancelled() => Err(None),
            chunk = reader.next() => chunk.map_err(Some),
        }
    }

    fn report_bad_records(&self, tally: &Tally) {
        let Some(reason) = &tally.first_bad else { return };
        tracing::warn!(
            component_id = &*self.tenant.shared.id,
            tenant = self.tenant.name,
            content_type = self.feed.content_type.name(),
            content_id = self.due.blob.id.0,
            records = tally.counts.dead_lettered,
            reason,
            "records that cannot be events went to the dead letters"
        );
    }

    async fn finish(&self, counts: Counts) {
        let shared = &self.tenant.shared;
        let ledger = shared.persist.ledger();
        let end = || ledger.finish(self.due.row, BlobEnd::Delivered(counts), self.tenant.api_now());
        shared.persist.until_done("write down a delivered blob", end).await;
        self.feed.note_change();
        self.feed.metrics.delivered(&counts);
        self.tenant.note_success();
        tracing::debug!(
            component_id = &*shared.id,
            tenant = self.tenant.name,
            content_type = self.feed.content_type.name(),
            content_id = self.due.blob.id.0,
            records = counts.records,
            duplicates = counts.duplicates,
            "blob delivered"
        );
    }

    async fn give_back(&self, failure: Failure) {
        let shared = &self.tenant.shared;
        let attempts = self.due.attempts.saturating_add(1);
        let now = shared.clock.now();
        if attempts == EVIDENCE_ATTEMPT
            && let Some(evidence) = &failure.evidence
        {
            self.keep_letters(vec![self.letter(&failure.reason, evidence.as_bytes())]).await;
        }
        let is_expired = self.tenant.is_expired(self.due.blob.expires);
        let step = self.tenant.with_random(|random| {
            plan::after_attempt(failure.fault, attempts, is_expired, now, random)
        });
        match step {
            BlobStep::Release => self.put_back(self.due.attempts, now, None).await,
            BlobStep::Retry { at } => {
                self.log_failure(&failure, attempts);
                let is_last = shared.is_once && attempts >= ONCE_ATTEMPTS_MAX;
                let at = if is_last { now + plan::delta(plan::BLOB_BACKOFF_MAX) } else { at };
                self.put_back(attempts, at, Some(failure.reason)).await;
            }
            BlobStep::PauseTenant { pause } => {
                if matches!(failure.fault, AttemptFault::Api(class) if plan::is_throttled(class)) {
                    self.tenant.note_throttled(&self.feed);
                }
                self.tenant.pause(pause, &failure.reason);
                let at = now + plan::delta(pause);
                self.put_back(self.due.attempts, at, Some(failure.reason)).await;
            }
            BlobStep::Lost => self.lose(failure.reason).await,
        }
    }

    async fn put_back(&self, attempts: u32, next_attempt: Timestamp, error: Option<String>) {
        let blob = BlobReturn { row: self.due.row, attempts, next_attempt, error };
        let persist = &self.tenant.shared.persist;
        let put_back = || persist.ledger().put_back(blob.clone());
        self.tenant.kept_letters.put_back(self.due.row, &self.bad_letters);
        persist.until_done("put a blob back", put_back).await;
    }

    async fn lose(&self, reason: String) {
        let shared = &self.tenant.shared;
        tracing::error!(
            component_id = &*shared.id,
            tenant = self.tenant.name,
            content_type = self.feed.content_type.name(),
            content_id = self.due.blob.id.0,
            created = %self.due.blob.created,
            expired = %self.due.blob.expires,
            reason,
            "blob is lost: its records can no longer be obtained"
        );
        let ledger = shared.persist.ledger();
        let end =
            || ledger.finish(self.due.row, BlobEnd::Lost(reason.clone()), self.tenant.api_now());
        shared.persist.until_done("write down a lost blob", end).await;
        self.feed.note_change();
        self.feed.metrics.lost();
        self.tenant.lost.fetch_add(1, Ordering::Relaxed);
        shared.metrics.error("blob_lost", ErrorStage::Receiving);
    }

    fn log_failure(&self, failure: &Failure, attempts: u32) {
        let shared = &self.tenant.shared;
        let is_foreign = failure.fault == AttemptFault::Api(ErrorClass::ForeignHost);
        let error_type = if is_foreign { "foreign_host" } else { "blob_failed" };
        shared.metrics.error(error_type, ErrorStage::Receiving);
        // A sink that does not deliver says so itself, once and not for each blob.
        let is_news = attempts.is_power_of_two() && failure.fault != AttemptFault::Undelivered;
        if is_news {
            tracing::warn!(
                component_id = &*shared.id,
                tenant = self.tenant.name,
                content_type = self.feed.content_type.name(),
                content_id = self.due.blob.id.0,
                attempts,
                reason = failure.reason,
                "blob could not be delivered, it is tried again"
            );
        }
    }

    /// The dead letter of something in this blob.
    pub(super) fn letter(&self, reason: &str, payload: &[u8]) -> DeadLetter {
        DeadLetter {
            component_id: Arc::clone(&self.tenant.shared.id),
            kind: LetterKind::Unreadable,
            reason: reason.to_owned(),
            time: self.tenant.shared.clock.now(),
            origin: self.due.blob.id.0.clone(),
            metadata: Some(self.origin.metadata().clone()),
            payload: payload.to_vec(),
        }
    }
}

impl Failure {
    fn interrupted() -> Failure {
        let fault = AttemptFault::Interrupted;
        Failure { fault, reason: "stopped".to_owned(), evidence: None }
    }

    fn api(error: &ApiError) -> Failure {
        let fault = match error {
            ApiError::SignIn { source, .. } => AttemptFault::SignIn(source.class()),
            error => AttemptFault::Api(error.class()),
        };
        Failure { fault, reason: chain(error), evidence: None }
    }

    fn body(fault: &RecordFault) -> Failure {
        let reason = chain(fault);
        let evidence = matches!(fault, RecordFault::Content { .. }).then(|| reason.clone());
        Failure { fault: AttemptFault::Body, reason, evidence }
    }
}

/// An error with all that is behind it, on one line.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}

fn metadata(tenant: &Tenant, feed: &FeedHandle, due: &DueBlob, now: Timestamp) -> Value {
    let text = |text: &str| Value::from(text.to_owned());
    let fields = [
        ("tenant", text(&tenant.name)),
        ("tenant_id", text(&tenant.client.settings().tenant_id.to_string())),
        ("content_type", text(feed.content_type.name())),
        ("content_id", text(&due.blob.id.0)),
        ("content_created", Value::Timestamp(due.blob.created)),
        ("ingest_time", Value::Timestamp(now)),
    ];
    Value::Object(
        fields.into_iter().map(|(name, value)| (name.into(), value)).collect::<ObjectMap>(),
    )
}
