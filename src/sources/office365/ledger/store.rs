//! The ledger's `SQLite` file: opening it, checking it, its tables, its settings.
//!
//! Invariant: one process at a time writes, by its [`Lock`], held from opening to closing; others may read meanwhile. A
//! commit is on disk when it returns (`synchronous = FULL`).

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use chrono::DateTime;
use pipeline_core::Timestamp;
use rusqlite::{Connection, ErrorCode, TransactionBehavior, config::DbConfig};

use super::{
    LedgerError,
    salvage::salvage,
    set_aside::{SetAside, set_aside},
};
use crate::storage::{Lock, is_damage, open_private};

/// What leads from each version of the tables to the next. The file's `user_version` says how many were taken.
const STEPS: [&str; 3] = [SCHEMA, RELISTING, GAPS];

/// The version that this program writes: the number of steps.
pub(super) const VERSION: i64 = 3;

/// Prepared statements that are kept: every one there is.
const STATEMENTS_MAX: usize = 64;

/// A group of seen ids has some 2 KB, of which a smaller page would hold one.
const PAGE_BYTES: i64 = 8192;

/// How long a commit waits for another program that has the file locked, as `sqlite3` can.
const BUSY_WAIT: Duration = Duration::from_secs(2);

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

/// Spans of creation times that were never listed and are listed no more.
const GAPS: &str = "
CREATE TABLE gaps (
    feed INTEGER NOT NULL REFERENCES feeds(id),
    start INTEGER NOT NULL,
    end INTEGER NOT NULL,
    found INTEGER NOT NULL,
    PRIMARY KEY (feed, start)
);
";

/// The open file. Every change is made inside [`Store::commit`].
#[derive(Debug)]
pub(super) struct Store {
    // Closed before the lock is given back.
    connection: Connection,
    /// Nothing for a ledger in memory.
    lock: Option<Lock>,
}

impl Store {
    /// Opens the file, or makes it, readable by its owner alone.
    pub(super) fn open(path: &Path) -> Result<Store, LedgerError> {
        Store::open_locked(path, Lock::take(path)?)
    }

    /// As [`Store::open`]; a file that is damaged, or is no ledger, is set aside first.
    pub(super) fn open_or_replace(
        path: &Path,
        now: Timestamp,
    ) -> Result<(Store, Option<SetAside>), LedgerError> {
        let lock = Lock::take(path)?;
        match connect(path, &lock) {
            Ok(connection) => Ok((Store { connection, lock: Some(lock) }, None)),
            Err(LedgerError::Damaged { reason, .. }) => {
                let mut aside = set_aside(path, &lock, reason, now)?;
                let mut store = Store::open_locked(path, lock)?;
                let salvaged = store.commit(|db| salvage(&aside.path, db));
                aside.salvaged_ids = salvaged.map_err(|error| open_error(path, error))?.ids;
                Ok((store, Some(aside)))
            }
            Err(error) => Err(error),
        }
    }

    fn open_locked(path: &Path, lock: Lock) -> Result<Store, LedgerError> {
        let connection = connect(path, &lock)?;
        Ok(Store { connection, lock: Some(lock) })
    }

    /// A ledger that is gone when it is dropped.
    pub(super) fn in_memory() -> Result<Store, LedgerError> {
        let path = PathBuf::from(":memory:");
        let connection = Connection::open_in_memory().map_err(|error| open_error(&path, error))?;
        Ok(Store { connection: prepare(connection, &path)?, lock: None })
    }

    /// Has commits survive the end of the process, and no longer that of the system.
    pub(super) fn leave_syncing_out(&self) -> rusqlite::Result<()> {
        self.connection.pragma_update(None, "synchronous", "OFF")
    }

    /// Runs `work` in one transaction: all of it is on disk afterwards, or none.
    pub(super) fn commit<T>(
        &mut self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let result = self.transact(work);
        if let (Err(error), Some(lock)) = (&result, &self.lock)
            && is_damage(error)
        {
            lock.note_damage(&error.to_string());
        }
        result
    }

    fn transact<T>(
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

fn connect(path: &Path, lock: &Lock) -> Result<Connection, LedgerError> {
    let damaged = |reason| LedgerError::Damaged { path: path.to_owned(), reason };
    if let Some(damage) = lock.noted_damage() {
        return Err(damaged(format!("while it was used: {damage}")));
    }
    let file = open_private(path)
        .map_err(|source| LedgerError::Open { path: path.to_owned(), source: source.into() })?;
    let is_new = file.metadata().is_ok_and(|metadata| metadata.len() == 0);
    drop(file);
    let connection = Connection::open(path).map_err(|error| open_error(path, error))?;
    connection.busy_timeout(BUSY_WAIT).map_err(|error| open_error(path, error))?;
    if !is_new {
        // Half a second for a gigabyte; what it leaves out of a full check is whether indices and tables agree.
        let found: String = connection
            .pragma_query_value(None, "quick_check", |row| row.get(0))
            .map_err(|error| open_error(path, error))?;
        if found != "ok" {
            return Err(damaged(found.replace('\n', " ")));
        }
        // Before anything is set, which would change a file of another program's.
        version(&connection, path)?;
    }
    prepare(connection, path)
}

fn prepare(mut connection: Connection, path: &Path) -> Result<Connection, LedgerError> {
    let failed = |error| open_error(path, error);
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    // Otherwise every other value of a parameter has its statement compiled again, which takes longer than running it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(failed)?;
    connection.pragma_update(None, "page_size", PAGE_BYTES).map_err(failed)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
    connection.pragma_update(None, "foreign_keys", "ON").map_err(failed)?;
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let found = version(&transaction, path)?;
    let Some(steps) = usize::try_from(found).ok().and_then(|found| STEPS.get(found..)) else {
        return Err(LedgerError::Newer { path: path.to_owned(), found, known: VERSION });
    };
    for step in steps {
        transaction.execute_batch(step).map_err(failed)?;
    }
    if !steps.is_empty() {
        transaction.pragma_update(None, "user_version", VERSION).map_err(failed)?;
    }
    transaction.commit().map_err(failed)?;
    Ok(connection)
}

/// The version of the tables; 0 for an empty file. A database with other tables is none of ours.
pub(super) fn version(db: &Connection, path: &Path) -> Result<i64, LedgerError> {
    let failed = |error| open_error(path, error);
    let found: i64 =
        db.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    let tables: (i64, i64) = db
        .query_row(
            "SELECT count(*), count(*) FILTER (WHERE name IN ('tenants', 'feeds', 'blobs', 'seen')) \
             FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .map_err(failed)?;
    match (found, tables) {
        (0, (0, _)) | (1..=VERSION, (_, 4)) => Ok(found),
        // What later versions call their tables is not known here.
        (later, (_, 1..)) if later > VERSION => Ok(found),
        _ => Err(LedgerError::Damaged {
            path: path.to_owned(),
            reason: "it is a database of another program".to_owned(),
        }),
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

pub(super) fn open_error(path: &Path, error: rusqlite::Error) -> LedgerError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            LedgerError::InUse { path: path.to_owned() }
        }
        _ if is_damage(&error) => {
            LedgerError::Damaged { path: path.to_owned(), reason: error.to_string() }
        }
        _ => LedgerError::Open { path: path.to_owned(), source: error.into() },
    }
}
