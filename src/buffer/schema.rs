//! The tables of the buffer's file, and the settings that it is used with.
//!
//! The record must stay the last column of a table whose only other column is its number: [`super::salvage`] counts on it.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, TransactionBehavior, params};

use super::{
    record::State,
    salvage::PAGE_BYTES,
    store::{BufferError, cannot},
};
use crate::storage::{is_damage, open_private};

/// The version of the tables.
const VERSION: i64 = 1;

const SCHEMA: &str = "
CREATE TABLE batches (number INTEGER PRIMARY KEY, record BLOB NOT NULL);
CREATE TABLE state (number INTEGER PRIMARY KEY, record BLOB NOT NULL);
";

/// How long a commit waits for another program that has the file locked, as `sqlite3` can.
const BUSY_WAIT: Duration = Duration::from_secs(2);

/// Batches behind a number, in order.
pub(super) const SELECT_AFTER: &str =
    "SELECT number, record FROM batches WHERE number > ?1 ORDER BY number";

/// One batch.
pub(super) const SELECT_ONE: &str = "SELECT record FROM batches WHERE number = ?1";

/// Opens the file, or makes it. Inside is what is wrong with one that is damaged.
pub(super) fn open(path: &Path) -> Result<Result<(Connection, State), String>, BufferError> {
    let file = open_private(path).map_err(|error| cannot(path, error))?;
    let is_new = file.metadata().is_ok_and(|metadata| metadata.len() == 0);
    drop(file);
    let opened = if is_new { create(path) } else { open_checked(path) };
    match opened {
        Ok(Ok(opened)) => Ok(Ok(opened)),
        Ok(Err(Unfit::Damaged(reason))) => Ok(Err(reason)),
        Ok(Err(Unfit::Newer)) => Err(BufferError::Newer(path.to_owned())),
        Err(error) if is_damage(&error) => Ok(Err(error.to_string())),
        Err(error) => Err(cannot(path, error)),
    }
}

/// Why a file cannot be used as it is.
enum Unfit {
    Damaged(String),
    Newer,
}

type Opened = Result<(Connection, State), Unfit>;

/// Makes an empty buffer.
fn create(path: &Path) -> rusqlite::Result<Opened> {
    let mut connection = connect(path)?;
    let state = State { first: 1, next: 1, ..State::default() };
    fill(&mut connection, &state)?;
    Ok(Ok((connection, state)))
}

/// Makes the tables of an empty file.
pub(super) fn fill(connection: &mut Connection, state: &State) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(SCHEMA)?;
    write_state(&transaction, state)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

fn open_checked(path: &Path) -> rusqlite::Result<Opened> {
    let connection = connect(path)?;
    // Reads every page that is in use: half a second for a gigabyte that is cached.
    let found: String = connection.pragma_query_value(None, "quick_check", |row| row.get(0))?;
    if found != "ok" {
        return Ok(Err(Unfit::Damaged(found.replace('\n', " "))));
    }
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let state = match read_state(&connection) {
        Ok(state) => state,
        // A statement that cannot be compiled: these are not the tables.
        Err(error)
            if error
                .sqlite_error_code()
                .is_none_or(|code| code == rusqlite::ErrorCode::Unknown) =>
        {
            None
        }
        Err(error) => return Err(error),
    };
    match state {
        Some(state) => Ok(Ok((connection, state))),
        None if version > VERSION => Ok(Err(Unfit::Newer)),
        None => Ok(Err(Unfit::Damaged("it has no state".to_owned()))),
    }
}

/// Opens the file with the settings that it is used with.
pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_WAIT)?;
    connection.pragma_update(None, "page_size", signed(PAGE_BYTES as u64))?;
    connection.pragma_update(None, "cell_size_check", "ON")?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "journal_mode", "TRUNCATE")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

/// The state, if its record is whole.
pub(super) fn read_state(db: &Connection) -> rusqlite::Result<Option<State>> {
    let record: Vec<u8> =
        db.query_row("SELECT record FROM state WHERE number = 0", [], |row| row.get(0))?;
    Ok(State::read(&record))
}

pub(super) fn write_state(db: &Connection, state: &State) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT OR REPLACE INTO state (number, record) VALUES (0, ?1)")?
        .execute([state.record()])
        .map(drop)
}

pub(super) fn insert(db: &Connection, number: u64, record: &[u8]) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT INTO batches (number, record) VALUES (?1, ?2)")?
        .execute(params![signed(number), record])
        .map(drop)
}

/// Removes a batch, and says whether it was there.
pub(super) fn delete(db: &Connection, number: u64) -> rusqlite::Result<bool> {
    let removed =
        db.prepare_cached("DELETE FROM batches WHERE number = ?1")?.execute([signed(number)])?;
    Ok(removed > 0)
}

/// Bytes of pages that are in use.
pub(super) fn used_bytes(db: &Connection) -> rusqlite::Result<u64> {
    let free: i64 = db.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
    Ok(file_bytes(db)?.saturating_sub(unsigned(free) * PAGE_BYTES as u64))
}

/// Bytes of all pages.
pub(super) fn file_bytes(db: &Connection) -> rusqlite::Result<u64> {
    let pages: i64 = db.pragma_query_value(None, "page_count", |row| row.get(0))?;
    Ok(unsigned(pages) * PAGE_BYTES as u64)
}

/// A number as the tables hold it.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number of the tables.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
