//! The durable record of every feed and blob, and of the records that were delivered: what the source knows after a
//! restart, and what completeness is proved by.
//!
//! Invariant: a method that returned `Ok` has its change on disk; one that returned an error has changed nothing and
//! can be called again. Nothing here decides anything: `plan` does.

mod blobs;
mod reader;
mod record_id;
mod salvage;
mod seen;
mod set_aside;
mod sqlite;
mod store;
mod writer;

use std::path::PathBuf;

use futures_util::future::BoxFuture;
use office365::{BlobRef, ContentType, TenantId};
use pipeline_core::Timestamp;

use crate::storage::{LockError, is_damage};

pub use reader::{BlobRecord, FeedRecord, Gap, HourRecord, LedgerReader, Span, Undelivered};
pub use record_id::RecordId;
pub use set_aside::SetAside;
pub use sqlite::{Overwrite, SqliteLedger};

/// A tenant's number in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantRow(i64);

/// A feed's number in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeedRow(i64);

/// A blob's number in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobRow(i64);

/// No blob has a number that large.
const REJECTED_BIT: i64 = 1 << 62;

impl BlobRow {
    /// What stands for the blob at records of it that were filtered out, where it stands itself at delivered ones.
    #[must_use]
    pub fn filtered(self) -> BlobRow {
        BlobRow(-self.0)
    }

    /// What stands for the blob at records of it that a sink has rejected, and that are in its dead letters.
    #[must_use]
    pub fn rejected(self) -> BlobRow {
        BlobRow(self.0 | REJECTED_BIT)
    }
}

/// The number of a stored group of seen ids. Later groups have greater numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeenRow(i64);

impl SeenRow {
    /// The number itself, for an index that stores it in little space.
    pub fn number(self) -> i64 {
        self.0
    }

    /// The row of a number that [`SeenRow::number`] gave.
    pub fn of_number(number: i64) -> SeenRow {
        SeenRow(number)
    }
}

/// What the ledger knows of a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedState {
    pub tenant: TenantRow,
    pub feed: FeedRow,
    /// Everything created before has been listed; nothing for a feed that was never listed to an end.
    pub listed_until: Option<Timestamp>,
    /// When the subscription was last asked to start.
    pub start_attempted: Option<Timestamp>,
    /// Where the feed's first listing began: what was created before is not collected.
    pub listed_from: Option<Timestamp>,
    /// When all that the API still lists was last listed again.
    pub relisted_at: Option<Timestamp>,
}

/// A feed's blobs in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedStatus {
    /// Blobs that are neither delivered nor lost.
    pub pending: u64,
    /// When the first of them expires.
    pub oldest_expiry: Option<Timestamp>,
    /// Creation of the newest delivered blob.
    pub newest_delivered: Option<Timestamp>,
}

/// A blob that was handed out for fetching.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueBlob {
    pub row: BlobRow,
    pub feed: FeedRow,
    /// Failed attempts so far.
    pub attempts: u32,
    pub blob: BlobRef,
}

/// Blobs that were due, and when the next one will be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// Earliest expiry first. They count as fetching from here on.
    pub blobs: Vec<DueBlob>,
    /// When the next blob becomes due, where none was left that is.
    pub next_at: Option<Timestamp>,
}

/// What became of a blob's records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Elements of the blob's array, good and bad.
    pub records: u64,
    pub delivered: u64,
    pub filtered: u64,
    /// Copies of records that another blob, or this one, had brought already.
    pub duplicates: u64,
    /// Refused by a sink for good; in its dead letters.
    pub rejected: u64,
    /// Never became an event; in the source's dead letters.
    pub dead_lettered: u64,
}

/// How a blob's way ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlobEnd {
    Delivered(Counts),
    /// The reason why it can never be delivered.
    Lost(String),
}

/// A blob that goes back to wait for another attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobReturn {
    pub row: BlobRow,
    pub attempts: u32,
    pub next_attempt: Timestamp,
    /// Why the attempt failed; nothing when it was only interrupted.
    pub error: Option<String>,
}

/// Where a record was seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    pub row: SeenRow,
    pub blob: BlobRow,
}

/// One stored group of seen ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenGroup {
    pub row: SeenRow,
    pub ids: Vec<RecordId>,
}

/// Why the ledger could not do something.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error("another process uses the ledger `{path}`")]
    InUse { path: PathBuf },
    #[error("cannot open the ledger `{path}`")]
    Open {
        path: PathBuf,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error(
        "the ledger `{path}` was written by a later version (schema {found}, this one knows {known})"
    )]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error(
        "the ledger `{path}` was written by an earlier version (schema {found}, this one knows {known}); \
         the first `run` brings it up to date"
    )]
    Older { path: PathBuf, found: i64, known: i64 },
    #[error("there is no ledger `{path}`")]
    Missing { path: PathBuf },
    #[error("the ledger `{path}` is damaged: {reason}")]
    Damaged { path: PathBuf, reason: String },
    #[error("cannot use the ledger")]
    Storage(#[source] rusqlite::Error),
    #[error("the ledger is closed")]
    Closed,
}

impl From<LockError> for LedgerError {
    fn from(error: LockError) -> LedgerError {
        match error {
            LockError::InUse { path } => LedgerError::InUse { path },
            LockError::Io { path, source } => LedgerError::Open { path, source: source.into() },
        }
    }
}

impl LedgerError {
    /// Whether asking again is no use, however long one waits.
    pub fn is_final(&self) -> bool {
        match self {
            LedgerError::Storage(error) => is_damage(error),
            LedgerError::InUse { .. } | LedgerError::Open { .. } => false,
            LedgerError::Newer { .. }
            | LedgerError::Older { .. }
            | LedgerError::Missing { .. }
            | LedgerError::Damaged { .. }
            | LedgerError::Closed => true,
        }
    }
}

/// Remembers feeds, blobs and seen records.
pub trait Ledger: Send + Sync + std::fmt::Debug {
    /// The feed's state; the feed is added if it is new. Its blobs that were being fetched are listed again.
    fn open_feed(
        &self,
        tenant: TenantId,
        content_type: ContentType,
    ) -> BoxFuture<'_, Result<FeedState, LedgerError>>;

    /// Remembers what the API said about the feed's subscription.
    fn record_subscription(
        &self,
        feed: FeedRow,
        is_enabled: bool,
    ) -> BoxFuture<'_, Result<(), LedgerError>>;

    /// Remembers that the feed's subscription is about to be asked to start.
    fn record_start_attempt(
        &self,
        feed: FeedRow,
        at: Timestamp,
    ) -> BoxFuture<'_, Result<(), LedgerError>>;

    /// Remembers where the feed's first listing begins; what was remembered before stands.
    fn record_first_listing(
        &self,
        feed: FeedRow,
        from: Timestamp,
    ) -> BoxFuture<'_, Result<(), LedgerError>>;

    /// Remembers that all that the API still lists was listed again.
    fn record_relisting(
        &self,
        feed: FeedRow,
        at: Timestamp,
    ) -> BoxFuture<'_, Result<(), LedgerError>>;

    /// Remembers a span that was never listed and is listed no more. One that starts where another did takes its
    /// place.
    fn record_gap(
        &self,
        feed: FeedRow,
        span: Span,
        found: Timestamp,
    ) -> BoxFuture<'_, Result<(), LedgerError>>;

    /// Adds the blobs of a page, all or none, and says how many were new. One that is known and not ended yet takes
    /// the address and the expiry that it has now. `listed_until` comes with the last page of a window; it never goes
    /// back.
    fn add_page(
        &self,
        feed: FeedRow,
        blobs: Vec<BlobRef>,
        listed_until: Option<Timestamp>,
    ) -> BoxFuture<'_, Result<u64, LedgerError>>;

    /// Hands out blobs that wait and are due, at most `limit`. One whose time lies further ahead than any wait does is
    /// due as well: a clock was wrong when it was put back.
    fn take_due(
        &self,
        feeds: Vec<FeedRow>,
        now: Timestamp,
        limit: u32,
    ) -> BoxFuture<'_, Result<Due, LedgerError>>;

    /// Takes back what is handed out and not among `held`, to be handed out again not before `next_attempt`: what an
    /// answer was lost about, or a holder that is gone.
    fn release(
        &self,
        feeds: Vec<FeedRow>,
        held: Vec<BlobRow>,
        next_attempt: Timestamp,
    ) -> BoxFuture<'_, Result<(), LedgerError>>;

    /// Forgets the retry clocks of the feed's blobs: all that wait are due.
    fn make_due(&self, feed: FeedRow) -> BoxFuture<'_, Result<(), LedgerError>>;

    /// Takes a blob back that was handed out.
    fn put_back(&self, blob: BlobReturn) -> BoxFuture<'_, Result<(), LedgerError>>;

    /// Ends a blob's way.
    fn finish(
        &self,
        row: BlobRow,
        end: BlobEnd,
        at: Timestamp,
    ) -> BoxFuture<'_, Result<(), LedgerError>>;

    /// The feed's blobs in numbers.
    fn status(&self, feed: FeedRow) -> BoxFuture<'_, Result<FeedStatus, LedgerError>>;

    /// Remembers records of `blob` as delivered, as filtered out or as rejected: see [`BlobRow::filtered`] and
    /// [`BlobRow::rejected`].
    fn add_seen(
        &self,
        tenant: TenantRow,
        blob: BlobRow,
        ids: Vec<RecordId>,
        at: Timestamp,
    ) -> BoxFuture<'_, Result<SeenRow, LedgerError>>;

    /// Where each id was seen, looking only into the groups given with it. Exact: ids are compared whole.
    fn find_seen(
        &self,
        wanted: Vec<(RecordId, Vec<SeenRow>)>,
    ) -> BoxFuture<'_, Result<Vec<Option<Sighting>>, LedgerError>>;

    /// Groups of the tenant after `after`, oldest first, at most `limit`.
    fn seen_groups(
        &self,
        tenant: TenantRow,
        after: SeenRow,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<SeenGroup>, LedgerError>>;

    /// Deletes groups seen before `seen_before`, and blobs created before `created_before` whose way ended before then; a
    /// bounded number of each. Says whether more is left.
    fn prune(
        &self,
        seen_before: Timestamp,
        created_before: Timestamp,
    ) -> BoxFuture<'_, Result<bool, LedgerError>>;
}

#[cfg(test)]
mod tests;
