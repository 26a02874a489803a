//! A disk that is full for a while stops the source where it stands, and loses nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use o365flow::sources::office365::ledger::{
    BlobEnd, BlobReturn, BlobRow, Due, FeedRow, FeedState, FeedStatus, Ledger, LedgerError,
    RecordId, SeenGroup, SeenRow, Sighting, Span, TenantRow,
};
use office365::{BlobRef, ContentType, TenantId};
use pipeline_core::Timestamp;

use super::rig::{CONTOSO, Rig, history, simulate, tenant};

/// A ledger that refuses most requests, by its own dice.
#[derive(Debug)]
struct Flaky {
    inner: Arc<dyn Ledger>,
    seed: u64,
    refusals: f64,
    asked: AtomicU64,
}

impl Flaky {
    /// Refuses the request, or makes it.
    fn ask<'a, T: Send + 'a>(
        &'a self,
        request: BoxFuture<'a, Result<T, LedgerError>>,
    ) -> BoxFuture<'a, Result<T, LedgerError>> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        let refuses = fastrand::Rng::with_seed(self.seed ^ asked).f64() < self.refusals;
        if refuses {
            let full = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
            let error = LedgerError::Storage(rusqlite::Error::SqliteFailure(full, None));
            Box::pin(std::future::ready(Err(error)))
        } else {
            request
        }
    }
}

/// Passes each method on through [`Flaky::ask`].
macro_rules! pass_on {
    ($($name:ident($($argument:ident: $kind:ty),*) -> $answer:ty;)*) => {
        $(fn $name(&self, $($argument: $kind),*) -> BoxFuture<'_, Result<$answer, LedgerError>> {
            self.ask(self.inner.$name($($argument),*))
        })*
    };
}

impl Ledger for Flaky {
    pass_on! {
        open_feed(tenant: TenantId, content_type: ContentType) -> FeedState;
        record_subscription(feed: FeedRow, is_enabled: bool) -> ();
        record_start_attempt(feed: FeedRow, at: Timestamp) -> ();
        record_first_listing(feed: FeedRow, from: Timestamp) -> ();
        record_relisting(feed: FeedRow, at: Timestamp) -> ();
        record_gap(feed: FeedRow, span: Span, found: Timestamp) -> ();
        add_page(feed: FeedRow, blobs: Vec<BlobRef>, listed_until: Option<Timestamp>) -> u64;
        take_due(feeds: Vec<FeedRow>, now: Timestamp, limit: u32) -> Due;
        make_due(feed: FeedRow) -> ();
        put_back(blob: BlobReturn) -> ();
        finish(row: BlobRow, end: BlobEnd, at: Timestamp) -> ();
        status(feed: FeedRow) -> FeedStatus;
        add_seen(tenant: TenantRow, blob: BlobRow, ids: Vec<RecordId>, at: Timestamp) -> SeenRow;
        find_seen(wanted: Vec<(RecordId, Vec<SeenRow>)>) -> Vec<Option<Sighting>>;
        seen_groups(tenant: TenantRow, after: SeenRow, limit: u32) -> Vec<SeenGroup>;
        prune(seen_before: Timestamp, created_before: Timestamp) -> bool;
    }
}

#[test]
fn a_full_disk_is_waited_out_and_nothing_is_lost() {
    for seed in 0..3 {
        let ((), metrics) = simulate(async || {
            let spec = tenant(CONTOSO, "contoso.example").with_history(history(seed));
            let mut rig = Rig::new(vec![spec]);
            let inner = Arc::clone(&rig.ledger);
            rig.ledger = Arc::new(Flaky { inner, seed, refusals: 0.6, asked: AtomicU64::new(0) });
            rig.run_for(Duration::from_hours(12)).await.unwrap();
            rig.assert_exact();
        });
        assert!(metrics.sum("component_errors_total", &["ledger_failed"]) > 100);
    }
}

#[test]
fn a_disk_that_stays_full_does_not_keep_the_program_from_ending() {
    simulate(async || {
        let mut rig = Rig::new(vec![tenant(CONTOSO, "contoso.example")]);
        let inner = Arc::clone(&rig.ledger);
        rig.ledger = Arc::new(Flaky { inner, seed: 0, refusals: 1.0, asked: AtomicU64::new(0) });
        let run = rig.run_for(Duration::from_mins(5));
        tokio::time::timeout(Duration::from_mins(6), run).await.unwrap().unwrap();
    });
}
