//! The ledger in `SQLite`: on a thread in production, in place for simulations.

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
};

use futures_util::future::BoxFuture;
use office365::{BlobRef, ContentType, TenantId};
use pipeline_core::Timestamp;
use rusqlite::Connection;

use super::{
    BlobEnd, BlobReturn, BlobRow, Due, FeedRow, FeedState, FeedStatus, Ledger, LedgerError,
    RecordId, SeenGroup, SeenRow, SetAside, Sighting, Span, TenantRow, blobs, seen, store::Store,
    writer::Writer,
};

/// The ledger in a file that this process alone writes.
#[derive(Debug)]
pub struct SqliteLedger(Place);

/// What to do about feeds that were listed before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overwrite {
    Refuse,
    Force,
}

/// Where the work is done.
#[derive(Debug)]
enum Place {
    Thread(Writer),
    /// A paused clock runs ahead whenever all futures wait, and so would while a thread is writing. Here a request
    /// is done when its future is first polled, which never waits.
    Inline(Mutex<Store>),
}

impl SqliteLedger {
    /// Opens the file, or makes it. Fails when another process writes it.
    pub fn open(path: &Path) -> Result<SqliteLedger, LedgerError> {
        SqliteLedger::on_thread(path, Store::open(path)?)
    }

    /// As [`SqliteLedger::open`]; a file that is damaged, or is no ledger, is set aside, and a new one begun.
    pub fn open_or_replace(
        path: &Path,
        now: Timestamp,
    ) -> Result<(SqliteLedger, Option<SetAside>), LedgerError> {
        let (store, aside) = Store::open_or_replace(path, now)?;
        Ok((SqliteLedger::on_thread(path, store)?, aside))
    }

    /// Has the tenant's feeds go on at `listed_until`, as if all that was created before had been listed since
    /// `listed_from`. Changes nothing, and gives their names, if some were listed before, unless `overwrite` is set.
    pub async fn begin_at(
        &self,
        tenant: TenantId,
        content_types: Vec<ContentType>,
        listed: Span,
        overwrite: Overwrite,
    ) -> Result<Vec<ContentType>, LedgerError> {
        self.ask(move |db| blobs::begin_at(db, tenant, &content_types, &listed, overwrite)).await
    }

    fn on_thread(path: &Path, store: Store) -> Result<SqliteLedger, LedgerError> {
        let writer = Writer::start(store)
            .map_err(|error| LedgerError::Open { path: path.to_owned(), source: error.into() })?;
        Ok(SqliteLedger(Place::Thread(writer)))
    }

    /// As [`SqliteLedger::open`], without a thread and without waiting for the disk: for simulations on a paused clock,
    /// in which the power never fails.
    pub fn open_inline(path: &Path) -> Result<SqliteLedger, LedgerError> {
        let store = Store::open(path)?;
        store.leave_syncing_out().map_err(LedgerError::Storage)?;
        Ok(SqliteLedger(Place::Inline(Mutex::new(store))))
    }

    /// A ledger that is gone when it is dropped, without a thread: for simulations on a paused clock.
    pub fn in_memory() -> Result<SqliteLedger, LedgerError> {
        Ok(SqliteLedger(Place::Inline(Mutex::new(Store::in_memory()?))))
    }

    fn ask<T, F>(&self, work: F) -> BoxFuture<'_, Result<T, LedgerError>>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        Box::pin(async move {
            match &self.0 {
                Place::Thread(writer) => writer.ask(work).await,
                Place::Inline(store) => {
                    let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
                    store.commit(work).map_err(LedgerError::Storage)
                }
            }
        })
    }
}

impl Ledger for SqliteLedger {
    fn open_feed(
        &self,
        tenant: TenantId,
        content_type: ContentType,
    ) -> BoxFuture<'_, Result<FeedState, LedgerError>> {
        self.ask(move |db| blobs::open_feed(db, tenant, content_type))
    }

    fn record_subscription(
        &self,
        feed: FeedRow,
        is_enabled: bool,
    ) -> BoxFuture<'_, Result<(), LedgerError>> {
        self.ask(move |db| blobs::record_subscription(db, feed, is_enabled))
    }

    fn record_start_attempt(
        &self,
        feed: FeedRow,
        at: Timestamp,
    ) -> BoxFuture<'_, Result<(), LedgerError>> {
        self.ask(move |db| blobs::record_start_attempt(db, feed, at))
    }

    fn record_first_listing(
        &self,
        feed: FeedRow,
        from: Timestamp,
    ) -> BoxFuture<'_, Result<(), LedgerError>> {
        self.ask(move |db| blobs::record_first_listing(db, feed, from))
    }

    fn record_relisting(
        &self,
        feed: FeedRow,
        at: Timestamp,
    ) -> BoxFuture<'_, Result<(), LedgerError>> {
        self.ask(move |db| blobs::record_relisting(db, feed, at))
    }

    fn record_gap(
        &self,
        feed: FeedRow,
        span: Span,
        found: Timestamp,
    ) -> BoxFuture<'_, Result<(), LedgerError>> {
        self.ask(move |db| blobs::record_gap(db, feed, &span, found))
    }

    fn add_page(
        &self,
        feed: FeedRow,
        page: Vec<BlobRef>,
        listed_until: Option<Timestamp>,
    ) -> BoxFuture<'_, Result<u64, LedgerError>> {
        self.ask(move |db| blobs::add_page(db, feed, &page, listed_until))
    }

    fn take_due(
        &self,
        feeds: Vec<FeedRow>,
        now: Timestamp,
        limit: u32,
    ) -> BoxFuture<'_, Result<Due, LedgerError>> {
        self.ask(move |db| blobs::take_due(db, &feeds, now, limit))
    }

    fn release(
        &self,
        feeds: Vec<FeedRow>,
        held: Vec<BlobRow>,
        next_attempt: Timestamp,
    ) -> BoxFuture<'_, Result<(), LedgerError>> {
        self.ask(move |db| blobs::release(db, &feeds, &held, next_attempt))
    }

    fn make_due(&self, feed: FeedRow) -> BoxFuture<'_, Result<(), LedgerError>> {
        self.ask(move |db| blobs::make_due(db, feed))
    }

    fn put_back(&self, blob: BlobReturn) -> BoxFuture<'_, Result<(), LedgerError>> {
        self.ask(move |db| blobs::put_back(db, &blob))
    }

    fn finish(
        &self,
        row: BlobRow,
        end: BlobEnd,
        at: Timestamp,
    ) -> BoxFuture<'_, Result<(), LedgerError>> {
        self.ask(move |db| blobs::finish(db, row, &end, at))
    }

    fn status(&self, feed: FeedRow) -> BoxFuture<'_, Result<FeedStatus, LedgerError>> {
        self.ask(move |db| blobs::status(db, feed))
    }

    fn add_seen(
        &self,
        tenant: TenantRow,
        blob: BlobRow,
        ids: Vec<RecordId>,
        at: Timestamp,
    ) -> BoxFuture<'_, Result<SeenRow, LedgerError>> {
        self.ask(move |db| seen::add(db, tenant, blob, &ids, at))
    }

    fn find_seen(
        &self,
        wanted: Vec<(RecordId, Vec<SeenRow>)>,
    ) -> BoxFuture<'_, Result<Vec<Option<Sighting>>, LedgerError>> {
        self.ask(move |db| seen::find(db, &wanted))
    }

    fn seen_groups(
        &self,
        tenant: TenantRow,
        after: SeenRow,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<SeenGroup>, LedgerError>> {
        self.ask(move |db| seen::groups(db, tenant, after, limit))
    }

    fn prune(
        &self,
        seen_before: Timestamp,
        created_before: Timestamp,
    ) -> BoxFuture<'_, Result<bool, LedgerError>> {
        self.ask(move |db| Ok(seen::prune(db, seen_before)? | blobs::prune(db, created_before)?))
    }
}
