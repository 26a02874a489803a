//! A ledger read beside the process that writes it.
//!
//! Invariant: nothing here changes the ledger or makes its writer wait. Each method is one short read transaction, so
//! what two of them say can differ by what was written between them.

use std::{cmp::Ordering, path::Path};

use office365::{BlobRef, ContentId, ContentType, TenantId};
use pipeline_core::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params};

use super::{
    Counts, FeedRow, LedgerError,
    store::{VERSION, millis, open_error, timestamp, version},
};

const HOUR_MILLIS: i64 = 3_600_000;

/// A ledger open for reading.
#[derive(Debug)]
pub struct LedgerReader(Connection);

/// A feed as the ledger knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedRecord {
    pub row: FeedRow,
    pub tenant_id: TenantId,
    pub content_type: ContentType,
    /// Where the feed's first listing began.
    pub listed_from: Option<Timestamp>,
    /// Everything created before has been listed.
    pub listed_until: Option<Timestamp>,
    /// When all that the API still lists was last listed again.
    pub relisted_at: Option<Timestamp>,
    /// What the API last said about the subscription.
    pub is_subscribed: Option<bool>,
    /// When the subscription was last asked to start.
    pub start_attempted: Option<Timestamp>,
}

/// What became of the blobs that were created within one hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HourRecord {
    /// Hours since 1970.
    pub hour: i64,
    /// All of them, whatever their state.
    pub listed: u64,
    pub delivered: u64,
    pub pending: u64,
    pub lost: u64,
    /// Delivered ones whose records are not all accounted for.
    pub unbalanced: u64,
    /// The records of the delivered ones.
    pub records: Counts,
}

/// A blob that was not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobRecord {
    pub blob: BlobRef,
    /// Failed attempts.
    pub attempts: u32,
    /// Why the last attempt failed; for a lost blob, why it was given up.
    pub error: Option<String>,
    /// When it was given up.
    pub finished: Option<Timestamp>,
}

/// A span of creation times that was never listed and is listed no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    pub start: Timestamp,
    pub end: Timestamp,
    /// When it was noticed.
    pub found: Timestamp,
}

/// What blobs are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undelivered {
    Pending,
    Lost,
}

/// A span of creation times, from the first to before the second.
pub type Span = std::ops::Range<Timestamp>;

impl LedgerReader {
    /// Opens the ledger at `path`, which must be there.
    pub fn open(path: &Path) -> Result<LedgerReader, LedgerError> {
        if !path.exists() {
            return Err(LedgerError::Missing { path: path.to_owned() });
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db =
            Connection::open_with_flags(path, flags).map_err(|error| open_error(path, error))?;
        let found = version(&db, path)?;
        let path = path.to_owned();
        match found.cmp(&VERSION) {
            Ordering::Equal => Ok(LedgerReader(db)),
            Ordering::Greater => Err(LedgerError::Newer { path, found, known: VERSION }),
            Ordering::Less => Err(LedgerError::Older { path, found, known: VERSION }),
        }
    }

    /// All feeds there ever were.
    pub fn feeds(&self) -> Result<Vec<FeedRecord>, LedgerError> {
        self.rows(
            "SELECT feeds.id, tenant_id, content_type, listed_from, listed_until, relisted_at, \
             subscription_enabled, start_attempted FROM feeds JOIN tenants ON tenants.id = tenant \
             ORDER BY tenant_id, content_type",
            [],
            |row| {
                Ok(FeedRecord {
                    row: FeedRow(row.get(0)?),
                    tenant_id: parsed(row, 1)?,
                    content_type: parsed(row, 2)?,
                    listed_from: time(row, 3)?,
                    listed_until: time(row, 4)?,
                    relisted_at: time(row, 5)?,
                    is_subscribed: row.get(6)?,
                    start_attempted: time(row, 7)?,
                })
            },
        )
    }

    /// What became of the feed's blobs that were created within `span`, by hour; hours without any are left out.
    pub fn hours(&self, feed: FeedRow, span: &Span) -> Result<Vec<HourRecord>, LedgerError> {
        self.rows(
            "SELECT created / ?4 AS hour, count(*), \
             count(*) FILTER (WHERE state = 2), count(*) FILTER (WHERE state IN (0, 1)), \
             count(*) FILTER (WHERE state = 3), \
             count(*) FILTER (WHERE state = 2 AND records IS NOT \
                 delivered + filtered + duplicates + rejected + dead_lettered), \
             ifnull(sum(records), 0), ifnull(sum(delivered), 0), ifnull(sum(filtered), 0), \
             ifnull(sum(duplicates), 0), ifnull(sum(rejected), 0), ifnull(sum(dead_lettered), 0) \
             FROM blobs WHERE feed = ?1 AND created >= ?2 AND created < ?3 \
             GROUP BY hour ORDER BY hour",
            params![feed.0, millis(span.start), millis(span.end), HOUR_MILLIS],
            |row| {
                Ok(HourRecord {
                    hour: row.get(0)?,
                    listed: number(row, 1)?,
                    delivered: number(row, 2)?,
                    pending: number(row, 3)?,
                    lost: number(row, 4)?,
                    unbalanced: number(row, 5)?,
                    records: Counts {
                        records: number(row, 6)?,
                        delivered: number(row, 7)?,
                        filtered: number(row, 8)?,
                        duplicates: number(row, 9)?,
                        rejected: number(row, 10)?,
                        dead_lettered: number(row, 11)?,
                    },
                })
            },
        )
    }

    /// Feeds with lost blobs that were created within `span`, with how many.
    pub fn lost(&self, span: &Span) -> Result<Vec<(FeedRow, u64)>, LedgerError> {
        // By the index over ended blobs, a feed at a time.
        self.rows(
            "SELECT feeds.id, (SELECT count(*) FROM blobs WHERE feed = feeds.id AND state = 3 \
                 AND state IN (2, 3) AND created >= ?1 AND created < ?2) AS lost \
             FROM feeds WHERE lost > 0",
            params![millis(span.start), millis(span.end)],
            |row| Ok((FeedRow(row.get(0)?), number(row, 1)?)),
        )
    }

    /// The feed's blobs of one kind that were created within `span`, earliest expiry first, at most `limit`.
    pub fn undelivered(
        &self,
        feed: FeedRow,
        which: Undelivered,
        span: &Span,
        limit: u32,
    ) -> Result<Vec<BlobRecord>, LedgerError> {
        // With the conditions of the indices over the one and the other.
        let states = match which {
            Undelivered::Pending => "state IN (0, 1)",
            Undelivered::Lost => "state = 3 AND state IN (2, 3)",
        };
        let query = format!(
            "SELECT {BLOB_COLUMNS}, attempts, error, finished FROM blobs \
             JOIN feeds ON feeds.id = feed WHERE feed = ?1 AND {states} \
             AND created >= ?2 AND created < ?3 ORDER BY expires, blobs.id LIMIT ?4"
        );
        self.rows(&query, params![feed.0, millis(span.start), millis(span.end), limit], |row| {
            Ok(BlobRecord {
                blob: blob_ref(row)?,
                attempts: row.get(5)?,
                error: row.get(6)?,
                finished: time(row, 7)?,
            })
        })
    }

    /// Delivered blobs within `span` whose records are not all accounted for, at most `limit`.
    pub fn unbalanced(
        &self,
        feed: FeedRow,
        span: &Span,
        limit: u32,
    ) -> Result<Vec<ContentId>, LedgerError> {
        self.rows(
            "SELECT content_id FROM blobs WHERE feed = ?1 AND state = 2 AND state IN (2, 3) \
             AND created >= ?2 AND created < ?3 AND records IS NOT \
                 delivered + filtered + duplicates + rejected + dead_lettered LIMIT ?4",
            params![feed.0, millis(span.start), millis(span.end), limit],
            |row| row.get(0).map(ContentId),
        )
    }

    /// Gaps of the feed that reach into `span`.
    pub fn gaps(&self, feed: FeedRow, span: &Span) -> Result<Vec<Gap>, LedgerError> {
        self.rows(
            "SELECT start, end, found FROM gaps WHERE feed = ?1 AND start < ?3 AND end > ?2 \
             ORDER BY start",
            params![feed.0, millis(span.start), millis(span.end)],
            |row| {
                let at = |column| row.get(column).map(timestamp);
                Ok(Gap { start: at(0)?, end: at(1)?, found: at(2)? })
            },
        )
    }

    /// The blobs among `blobs` that the feed does not know.
    pub fn unknown(&self, feed: FeedRow, blobs: Vec<BlobRef>) -> Result<Vec<BlobRef>, LedgerError> {
        let mut unknown = Vec::new();
        let mut query = self
            .0
            .prepare_cached("SELECT 1 FROM blobs WHERE feed = ?1 AND content_id = ?2")
            .map_err(LedgerError::Storage)?;
        for blob in blobs {
            if !query.exists(params![feed.0, blob.id.0]).map_err(LedgerError::Storage)? {
                unknown.push(blob);
            }
        }
        Ok(unknown)
    }

    /// The blobs of this id, one for each feed that knows it.
    pub fn blobs_with_id(&self, id: &ContentId) -> Result<Vec<(FeedRow, BlobRef)>, LedgerError> {
        let mut found = Vec::new();
        let query = format!(
            "SELECT {BLOB_COLUMNS} FROM blobs JOIN feeds ON feeds.id = feed \
             WHERE feed = ?1 AND content_id = ?2"
        );
        for feed in self.feeds()? {
            let blob = self
                .0
                .prepare_cached(&query)
                .and_then(|mut query| {
                    query.query_row(params![feed.row.0, id.0], blob_ref).optional()
                })
                .map_err(LedgerError::Storage)?;
            found.extend(blob.map(|blob| (feed.row, blob)));
        }
        Ok(found)
    }

    fn rows<T>(
        &self,
        query: &str,
        params: impl rusqlite::Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, LedgerError> {
        let rows = || -> rusqlite::Result<Vec<T>> {
            self.0.prepare_cached(query)?.query_map(params, read)?.collect()
        };
        rows().map_err(LedgerError::Storage)
    }
}

/// What [`blob_ref`] reads.
const BLOB_COLUMNS: &str = "content_type, content_id, uri, created, expires";

fn blob_ref(row: &Row<'_>) -> rusqlite::Result<BlobRef> {
    Ok(BlobRef {
        content_type: parsed(row, 0)?,
        id: ContentId(row.get(1)?),
        uri: row.get(2)?,
        created: timestamp(row.get(3)?),
        expires: timestamp(row.get(4)?),
    })
}

fn parsed<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    row.get_ref(column)?.as_str()?.parse().map_err(|error: T::Err| {
        rusqlite::Error::FromSqlConversionFailure(
            column,
            rusqlite::types::Type::Text,
            Box::new(error),
        )
    })
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    row.get::<_, Option<i64>>(column).map(|at| at.map(timestamp))
}

/// A count or a sum, which is never negative.
fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(|number| u64::try_from(number).unwrap_or(0))
}
