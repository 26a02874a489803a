//! What is asked of the tables of feeds and blobs. Runs inside a transaction of its caller's.

use chrono::TimeDelta;
use office365::{BlobRef, ContentId, ContentType, TenantId};
use pipeline_core::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    BlobEnd, BlobReturn, BlobRow, Due, DueBlob, FeedRow, FeedState, FeedStatus, Overwrite, Span,
    TenantRow,
    store::{millis, timestamp},
};

const LISTED: i64 = 0;
const FETCHING: i64 = 1;
const DELIVERED: i64 = 2;
const LOST: i64 = 3;

/// Longer than any blob is made to wait: the longest `Retry-After` that is believed is 1 h.
const WAIT_MAX: TimeDelta = TimeDelta::hours(2);

/// Blobs that one pruning deletes, so that it never holds the ledger up for long.
const PRUNED_BLOBS_MAX: u32 = 500;

pub(super) fn open_feed(
    db: &Connection,
    tenant: TenantId,
    content_type: ContentType,
) -> rusqlite::Result<FeedState> {
    let tenant = tenant.to_string();
    db.prepare_cached("INSERT OR IGNORE INTO tenants (tenant_id) VALUES (?1)")?
        .execute([&tenant])?;
    let tenant: i64 = db
        .prepare_cached("SELECT id FROM tenants WHERE tenant_id = ?1")?
        .query_row([&tenant], |row| row.get(0))?;
    let name = content_type.name();
    db.prepare_cached("INSERT OR IGNORE INTO feeds (tenant, content_type) VALUES (?1, ?2)")?
        .execute(params![tenant, name])?;
    let state = db
        .prepare_cached(
            "SELECT id, listed_until, start_attempted, listed_from, relisted_at FROM feeds \
             WHERE tenant = ?1 AND content_type = ?2",
        )?
        .query_row(params![tenant, name], |row| {
            let time =
                |column: usize| row.get::<_, Option<i64>>(column).map(|at| at.map(timestamp));
            Ok(FeedState {
                tenant: TenantRow(tenant),
                feed: FeedRow(row.get(0)?),
                listed_until: time(1)?,
                start_attempted: time(2)?,
                listed_from: time(3)?,
                relisted_at: time(4)?,
            })
        })?;
    db.prepare_cached("UPDATE blobs SET state = ?2 WHERE feed = ?1 AND state = ?3")?
        .execute(params![state.feed.0, LISTED, FETCHING])?;
    Ok(state)
}

/// As [`super::SqliteLedger::begin_at`].
pub(super) fn begin_at(
    db: &Connection,
    tenant: TenantId,
    content_types: &[ContentType],
    listed: &Span,
    overwrite: Overwrite,
) -> rusqlite::Result<Vec<ContentType>> {
    let mut feeds = Vec::new();
    for &content_type in content_types {
        feeds.push((content_type, open_feed(db, tenant, content_type)?));
    }
    let is_listed = |state: &FeedState| state.listed_until.is_some();
    let known: Vec<ContentType> = feeds
        .iter()
        .filter(|(_, state)| is_listed(state))
        .map(|(content_type, _)| *content_type)
        .collect();
    if !known.is_empty() && overwrite == Overwrite::Refuse {
        return Ok(known);
    }
    for (_, state) in feeds {
        db.prepare_cached(
            "UPDATE feeds SET listed_from = ?2, listed_until = ?3, relisted_at = NULL WHERE id = ?1",
        )?
        .execute(params![state.feed.0, millis(listed.start), millis(listed.end)])?;
    }
    Ok(Vec::new())
}

pub(super) fn record_subscription(
    db: &Connection,
    feed: FeedRow,
    is_enabled: bool,
) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE feeds SET subscription_enabled = ?2 WHERE id = ?1")?
        .execute(params![feed.0, is_enabled])
        .map(drop)
}

pub(super) fn record_start_attempt(
    db: &Connection,
    feed: FeedRow,
    at: Timestamp,
) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE feeds SET start_attempted = ?2 WHERE id = ?1")?
        .execute(params![feed.0, millis(at)])
        .map(drop)
}

pub(super) fn record_first_listing(
    db: &Connection,
    feed: FeedRow,
    from: Timestamp,
) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE feeds SET listed_from = coalesce(listed_from, ?2) WHERE id = ?1")?
        .execute(params![feed.0, millis(from)])
        .map(drop)
}

pub(super) fn record_relisting(
    db: &Connection,
    feed: FeedRow,
    at: Timestamp,
) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE feeds SET relisted_at = ?2 WHERE id = ?1")?
        .execute(params![feed.0, millis(at)])
        .map(drop)
}

pub(super) fn record_gap(
    db: &Connection,
    feed: FeedRow,
    span: &Span,
    found: Timestamp,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT OR REPLACE INTO gaps (feed, start, end, found) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute(params![feed.0, millis(span.start), millis(span.end), millis(found)])
    .map(drop)
}

pub(super) fn add_page(
    db: &Connection,
    feed: FeedRow,
    blobs: &[BlobRef],
    listed_until: Option<Timestamp>,
) -> rusqlite::Result<u64> {
    let mut insert = db.prepare_cached(
        "INSERT OR IGNORE INTO blobs (feed, content_id, uri, created, expires, state) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let mut refresh = db.prepare_cached(
        "UPDATE blobs SET uri = ?3, expires = ?4 \
         WHERE feed = ?1 AND content_id = ?2 AND state IN (0, 1) AND (uri <> ?3 OR expires <> ?4)",
    )?;
    let mut added = 0;
    for blob in blobs {
        let row = params![
            feed.0,
            blob.id.0,
            blob.uri,
            millis(blob.created),
            millis(blob.expires),
            LISTED
        ];
        if insert.execute(row)? > 0 {
            added += 1;
        } else {
            // Where to fetch a blob is the listing's word, and an earlier one may have been wrong.
            let row = params![feed.0, blob.id.0, blob.uri, millis(blob.expires)];
            refresh.execute(row)?;
        }
    }
    if let Some(until) = listed_until {
        db.prepare_cached(
            "UPDATE feeds SET listed_until = max(coalesce(listed_until, ?2), ?2) WHERE id = ?1",
        )?
        .execute(params![feed.0, millis(until)])?;
    }
    Ok(added)
}

pub(super) fn take_due(
    db: &Connection,
    feeds: &[FeedRow],
    now: Timestamp,
    limit: u32,
) -> rusqlite::Result<Due> {
    let mut due = Due::default();
    for feed in feeds {
        // One more than can be taken says whether more are due, without a look at all that wait.
        due.blobs.extend(due_of_feed(db, *feed, now, limit.saturating_add(1))?);
    }
    due.blobs.sort_by_key(|due| (due.blob.expires, due.row));
    let more_are_due = due.blobs.len() > limit as usize;
    due.blobs.truncate(limit as usize);
    let mut take = db.prepare_cached("UPDATE blobs SET state = ?2 WHERE id = ?1")?;
    for blob in &due.blobs {
        take.execute(params![blob.row.0, FETCHING])?;
    }
    due.next_at = if more_are_due { Some(now) } else { next_at(db, feeds)? };
    Ok(due)
}

fn due_of_feed(
    db: &Connection,
    feed: FeedRow,
    now: Timestamp,
    limit: u32,
) -> rusqlite::Result<Vec<DueBlob>> {
    db.prepare_cached(
        "SELECT blobs.id, attempts, content_id, uri, created, expires, content_type \
         FROM blobs JOIN feeds ON feeds.id = feed \
         WHERE feed = ?1 AND state = 0 AND state IN (0, 1) \
         AND (next_attempt <= ?2 OR next_attempt > ?4) ORDER BY expires LIMIT ?3",
    )?
    .query_map(params![feed.0, millis(now), limit, millis(now + WAIT_MAX)], |row| {
        due_blob(feed, row)
    })?
    .collect()
}

fn due_blob(feed: FeedRow, row: &Row<'_>) -> rusqlite::Result<DueBlob> {
    let name: String = row.get(6)?;
    let content_type = name.parse().map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(6, rusqlite::types::Type::Text, Box::new(error))
    })?;
    let blob = BlobRef {
        content_type,
        id: ContentId(row.get(2)?),
        uri: row.get(3)?,
        created: timestamp(row.get(4)?),
        expires: timestamp(row.get(5)?),
    };
    Ok(DueBlob { row: BlobRow(row.get(0)?), feed, attempts: row.get(1)?, blob })
}

fn next_at(db: &Connection, feeds: &[FeedRow]) -> rusqlite::Result<Option<Timestamp>> {
    let mut query = db.prepare_cached(
        "SELECT min(next_attempt) FROM blobs WHERE feed = ?1 AND state = 0 AND state IN (0, 1)",
    )?;
    let mut next: Option<i64> = None;
    for feed in feeds {
        let at: Option<i64> = query.query_row([feed.0], |row| row.get(0))?;
        next = next.into_iter().chain(at).min();
    }
    Ok(next.map(timestamp))
}

pub(super) fn release(
    db: &Connection,
    feeds: &[FeedRow],
    held: &[BlobRow],
    next_attempt: Timestamp,
) -> rusqlite::Result<()> {
    let mut handed_out = db
        .prepare_cached("SELECT id FROM blobs WHERE feed = ?1 AND state = 1 AND state IN (0, 1)")?;
    let mut release =
        db.prepare_cached("UPDATE blobs SET state = ?2, next_attempt = ?3 WHERE id = ?1")?;
    for feed in feeds {
        let rows: Vec<i64> =
            handed_out.query_map([feed.0], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        for row in rows.into_iter().filter(|row| !held.contains(&BlobRow(*row))) {
            release.execute(params![row, LISTED, millis(next_attempt)])?;
        }
    }
    Ok(())
}

pub(super) fn make_due(db: &Connection, feed: FeedRow) -> rusqlite::Result<()> {
    db.prepare_cached(
        "UPDATE blobs SET attempts = 0, next_attempt = 0 WHERE feed = ?1 AND state IN (0, 1)",
    )?
    .execute([feed.0])
    .map(drop)
}

pub(super) fn put_back(db: &Connection, blob: &BlobReturn) -> rusqlite::Result<()> {
    db.prepare_cached(
        "UPDATE blobs SET state = ?2, attempts = ?3, next_attempt = ?4, error = coalesce(?5, error) \
         WHERE id = ?1",
    )?
    .execute(params![blob.row.0, LISTED, blob.attempts, millis(blob.next_attempt), blob.error])
    .map(drop)
}

pub(super) fn finish(
    db: &Connection,
    row: BlobRow,
    end: &BlobEnd,
    at: Timestamp,
) -> rusqlite::Result<()> {
    match end {
        BlobEnd::Delivered(counts) => db
            .prepare_cached(
                "UPDATE blobs SET state = ?2, finished = ?3, records = ?4, delivered = ?5, filtered = ?6, \
                 duplicates = ?7, rejected = ?8, dead_lettered = ?9, error = NULL WHERE id = ?1",
            )?
            .execute(params![
                row.0,
                DELIVERED,
                millis(at),
                count(counts.records),
                count(counts.delivered),
                count(counts.filtered),
                count(counts.duplicates),
                count(counts.rejected),
                count(counts.dead_lettered),
            ]),
        BlobEnd::Lost(reason) => db
            .prepare_cached(
                "UPDATE blobs SET state = ?2, finished = ?3, error = ?4 WHERE id = ?1",
            )?
            .execute(params![row.0, LOST, millis(at), reason]),
    }
    .map(drop)
}

pub(super) fn status(db: &Connection, feed: FeedRow) -> rusqlite::Result<FeedStatus> {
    let (pending, oldest_expiry) = db
        .prepare_cached(
            "SELECT count(*), min(expires) FROM blobs WHERE feed = ?1 AND state IN (0, 1)",
        )?
        .query_row([feed.0], |row| Ok((row.get::<_, u32>(0)?, row.get::<_, Option<i64>>(1)?)))?;
    let newest_delivered = db
        .prepare_cached(
            "SELECT created FROM blobs WHERE feed = ?1 AND state = 2 AND state IN (2, 3) \
             ORDER BY created DESC LIMIT 1",
        )?
        .query_row([feed.0], |row| row.get(0))
        .optional()?;
    Ok(FeedStatus {
        pending: pending.into(),
        oldest_expiry: oldest_expiry.map(timestamp),
        newest_delivered: newest_delivered.map(timestamp),
    })
}

/// A number as `SQLite` has them.
fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Deletes old blobs whose way has ended; says whether more may be left.
pub(super) fn prune(db: &Connection, created_before: Timestamp) -> rusqlite::Result<bool> {
    let deleted = db
        .prepare_cached(
            "DELETE FROM blobs WHERE id IN ( \
                 SELECT blobs.id FROM feeds CROSS JOIN blobs ON feed = feeds.id \
                 WHERE state IN (2, 3) AND created < ?1 AND finished < ?1 LIMIT ?2)",
        )?
        .execute(params![millis(created_before), PRUNED_BLOBS_MAX])?;
    Ok(deleted == PRUNED_BLOBS_MAX as usize)
}
