//! A ledger whose every request passes a gate, which may let it through, refuse it, or hold it up.

use std::{fmt::Debug, sync::Arc};

use futures_util::future::BoxFuture;
use o365flow::sources::office365::ledger::{
    BlobEnd, BlobReturn, BlobRow, Due, FeedRow, FeedState, FeedStatus, Ledger, LedgerError,
    RecordId, SeenGroup, SeenRow, Sighting, Span, TenantRow,
};
use office365::{BlobRef, ContentType, TenantId};
use pipeline_core::Timestamp;

/// What is done with requests to a ledger.
pub(crate) trait Gate: Send + Sync + Debug {
    /// Makes `request`, named after its method, or gives another answer.
    fn pass<'a, T: Send + 'a>(
        &'a self,
        name: &'static str,
        request: BoxFuture<'a, Result<T, LedgerError>>,
    ) -> BoxFuture<'a, Result<T, LedgerError>>;

    /// Delivered records are in the ledger, whatever its caller is told.
    fn remembered(&self, _ids: &[RecordId]) {}

    /// The end of a blob's way is in the ledger, whatever its caller is told.
    fn finished(&self, _end: &BlobEnd) {}

    /// Breaks a page before it is entered, where a proof is to show that it finds it; the others likewise.
    fn spoil_page(&self, _blobs: &mut Vec<BlobRef>) {}

    fn spoil_gap(&self, _span: &mut Span) {}

    fn spoil_seen(&self, _ids: &mut Vec<RecordId>) {}

    fn spoil_end(&self, _end: &mut BlobEnd) {}
}

/// The ledger behind the gate.
#[derive(Debug)]
pub(crate) struct Gated<G> {
    pub(crate) inner: Arc<dyn Ledger>,
    pub(crate) gate: G,
}

impl<G: Gate> Gated<G> {
    /// Passes a request on, and tells the gate when its change is made.
    fn change<'a, T: Send + 'a>(
        &'a self,
        name: &'static str,
        request: BoxFuture<'a, Result<T, LedgerError>>,
        made: impl FnOnce(&G) + Send + 'a,
    ) -> BoxFuture<'a, Result<T, LedgerError>> {
        let noted = async move {
            let answer = request.await?;
            made(&self.gate);
            Ok(answer)
        };
        self.gate.pass(name, Box::pin(noted))
    }
}

/// The error of a full disk.
pub(crate) fn disk_full() -> LedgerError {
    let full = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
    LedgerError::Storage(rusqlite::Error::SqliteFailure(full, None))
}

/// Passes each method on.
macro_rules! pass_on {
    ($($name:ident($($argument:ident: $kind:ty),*) -> $answer:ty;)*) => {
        $(fn $name(&self, $($argument: $kind),*) -> BoxFuture<'_, Result<$answer, LedgerError>> {
            self.gate.pass(stringify!($name), self.inner.$name($($argument),*))
        })*
    };
}

impl<G: Gate> Ledger for Gated<G> {
    pass_on! {
        open_feed(tenant: TenantId, content_type: ContentType) -> FeedState;
        record_subscription(feed: FeedRow, is_enabled: bool) -> ();
        record_start_attempt(feed: FeedRow, at: Timestamp) -> ();
        record_first_listing(feed: FeedRow, from: Timestamp) -> ();
        record_relisting(feed: FeedRow, at: Timestamp) -> ();
        take_due(feeds: Vec<FeedRow>, now: Timestamp, limit: u32) -> Due;
        make_due(feed: FeedRow) -> ();
        put_back(blob: BlobReturn) -> ();
        status(feed: FeedRow) -> FeedStatus;
        find_seen(wanted: Vec<(RecordId, Vec<SeenRow>)>) -> Vec<Option<Sighting>>;
        seen_groups(tenant: TenantRow, after: SeenRow, limit: u32) -> Vec<SeenGroup>;
        prune(seen_before: Timestamp, created_before: Timestamp) -> bool;
    }

    fn add_page(
        &self,
        feed: FeedRow,
        mut blobs: Vec<BlobRef>,
        listed_until: Option<Timestamp>,
    ) -> BoxFuture<'_, Result<u64, LedgerError>> {
        self.gate.spoil_page(&mut blobs);
        self.gate.pass("add_page", self.inner.add_page(feed, blobs, listed_until))
    }

    fn record_gap(
        &self,
        feed: FeedRow,
        mut span: Span,
        found: Timestamp,
    ) -> BoxFuture<'_, Result<(), LedgerError>> {
        self.gate.spoil_gap(&mut span);
        self.gate.pass("record_gap", self.inner.record_gap(feed, span, found))
    }

    fn finish(
        &self,
        row: BlobRow,
        end: BlobEnd,
        at: Timestamp,
    ) -> BoxFuture<'_, Result<(), LedgerError>> {
        let mut written = end.clone();
        self.gate.spoil_end(&mut written);
        let request = self.inner.finish(row, written, at);
        self.change("finish", request, move |gate| gate.finished(&end))
    }

    fn add_seen(
        &self,
        tenant: TenantRow,
        blob: BlobRow,
        ids: Vec<RecordId>,
        at: Timestamp,
    ) -> BoxFuture<'_, Result<SeenRow, LedgerError>> {
        let mut written = ids.clone();
        self.gate.spoil_seen(&mut written);
        let request = self.inner.add_seen(tenant, blob, written, at);
        self.change("add_seen", request, move |gate| gate.remembered(&ids))
    }
}
