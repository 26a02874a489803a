//! The ledger's `SQLite` file: opening it, its tables, its settings.
//!
//! Invariant: one process at a time, held by an exclusive lock from opening to closing. A commit is on disk when it
//! returns (`synchronous = FULL`).

use std::{
    fs::OpenOptions,
    path::{Path, PathBuf},
    time::Duration,
};

use chrono::DateTime;
use pipeline_core::Timestamp;
use rusqlite::{Connection, ErrorCode, TransactionBehavior, config::DbConfig};

use super::LedgerError;

/// What leads from each version of the tables to the next. The file's `user_version` says how many were taken.
const STEPS: [&str; 2] = [SCHEMA, RELISTING];

/// Prepared statements that are kept: every one there is.
const STATEMENTS_MAX: usize = 64;

/// A group of seen ids has some 2 KB, of which a smaller page would hold one.
const PAGE_BYTES: i64 = 8192;

/// A process that is just ending still holds the lock.
const LOCK_WAIT: Duration = Duration::from_secs(2);

/// `state` is one of the numbers of [`super::blobs`]; times are milliseconds since 1970.
pub(super) const SCHEMA: &str = "
CREATE TABLE tenants (id INTEGER PRIMARY KEY, tenant_id TEXT NOT NULL UNIQUE);
CREATE TABLE feeds (
    id INTEGER PRIMARY KEY,
    tenant INTEGER NOT NULL REFERENCES tenants(id),
    content_type TEXT NOT NULL,
    listed_until INTEGER,
    subscription_enabled INTEGER,
    start_attempted INTEGER,
    UNIQUE (tenant, content_type)
);
CREATE TABLE blobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    feed INTEGER NOT NULL REFERENCES feeds(id),
    content_id TEXT NOT NULL,
    uri TEXT NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    state INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_attempt INTEGER NOT NULL DEFAULT 0,
    finished INTEGER,
    records INTEGER, delivered INTEGER, filtered INTEGER, duplicates INTEGER, rejected INTEGER,
    dead_lettered INTEGER,
    error TEXT,
    UNIQUE (feed, content_id)
);
CREATE INDEX blobs_pending ON blobs (feed, expires) WHERE state IN (0, 1);
CREATE INDEX blobs_ended ON blobs (feed, state, created) WHERE state IN (2, 3);
CREATE TABLE seen (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant INTEGER NOT NULL,
    blob INTEGER NOT NULL,
    at INTEGER NOT NULL,
    ids BLOB NOT NULL
);
CREATE INDEX seen_by_tenant ON seen (tenant);
";

/// What was listed before the start of a feed was not remembered is taken from the blobs that are known.
const RELISTING: &str = "
ALTER TABLE feeds ADD COLUMN listed_from INTEGER;
ALTER TABLE feeds ADD COLUMN relisted_at INTEGER;
UPDATE feeds SET listed_from = (SELECT min(created) FROM blobs WHERE feed = feeds.id);
";

/// The open file. Every change is made inside [`Store::commit`].
#[derive(Debug)]
pub(super) struct Store {
    connection: Connection,
}

impl Store {
    /// Opens the file, or makes it, readable by its owner alone.
    pub(super) fn open(path: &Path) -> Result<Store, LedgerError> {
        let cannot = |source: std::io::Error| LedgerError::Open {
            path: path.to_owned(),
            source: source.into(),
        };
        make_private(path).map_err(cannot)?;
        let connection = Connection::open(path).map_err(|error| open_error(path, error))?;
        Store::prepare(connection, path)
    }

    /// A ledger that is gone when it is dropped.
    pub(super) fn in_memory() -> Result<Store, LedgerError> {
        let path = PathBuf::from(":memory:");
        let connection = Connection::open_in_memory().map_err(|error| open_error(&path, error))?;
        Store::prepare(connection, &path)
    }

    fn prepare(mut connection: Connection, path: &Path) -> Result<Store, LedgerError> {
        let failed = |error| open_error(path, error);
        connection.busy_timeout(LOCK_WAIT).map_err(failed)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        // Otherwise every other value of a parameter has its statement compiled again, which takes longer than running it.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(failed)?;
        connection.pragma_update(None, "page_size", PAGE_BYTES).map_err(failed)?;
        // The lock comes before the journal mode: a write-ahead log then needs no shared memory.
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE").map_err(failed)?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
        connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
        connection.pragma_update(None, "foreign_keys", "ON").map_err(failed)?;
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let found: i64 = transaction
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(failed)?;
        let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
        let Some(steps) = usize::try_from(found).ok().and_then(|found| STEPS.get(found..)) else {
            return Err(LedgerError::Newer { path: path.to_owned(), found, known });
        };
        for step in steps {
            transaction.execute_batch(step).map_err(failed)?;
        }
        if !steps.is_empty() {
            transaction.pragma_update(None, "user_version", known).map_err(failed)?;
        }
        transaction.commit().map_err(failed)?;
        Ok(Store { connection })
    }

    /// Runs `work` in one transaction: all of it is on disk afterwards, or none.
    pub(super) fn commit<T>(
        &mut self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let result = work(&transaction)?;
        transaction.commit()?;
        Ok(result)
    }
}

/// A time as the tables hold it.
pub(super) fn millis(time: Timestamp) -> i64 {
    time.timestamp_millis()
}

/// The time that `millis` stands for.
pub(super) fn timestamp(millis: i64) -> Timestamp {
    DateTime::from_timestamp_millis(millis).unwrap_or_default()
}

fn open_error(path: &Path, error: rusqlite::Error) -> LedgerError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            LedgerError::InUse { path: path.to_owned() }
        }
        _ => LedgerError::Open { path: path.to_owned(), source: error.into() },
    }
}

/// Makes the file before `SQLite` does, which would let others read it. Its log takes the same mode.
#[cfg(unix)]
fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};

    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn make_private(path: &Path) -> std::io::Result<()> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map(drop)
}
