//! The buffer's file: batches in a table of `SQLite`, by number.
//!
//! Invariant: what a [`Turn`] adds and removes is on disk when it has been done, all of it or nothing; one process at a time
//! has the file, by its [`Lock`]. A rollback journal rather than a write-ahead log: a log that is damaged is cut short
//! without a word, and what it held was acknowledged.

use std::path::{Path, PathBuf};

use pipeline_core::Timestamp;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use tracing::warn;

use super::{
    codec,
    record::{Amount, HEADER_BYTES, Header, State},
    repair::{Sought, repair},
    salvage::PAGE_BYTES,
    schema,
    turn::{Done, Kept, Packed, Turn, Unpacked},
};
use crate::storage::{Lock, LockError, is_damage};

/// Pages that adding a batch can take besides those of its record: of the table's tree, and one that is not filled.
const SPARE_PAGES: u64 = 4;

/// An empty buffer whose file is larger than this gives the space back.
const KEPT_FREE_BYTES: u64 = 64 * 1024 * 1024;

/// Why a buffer could not be opened or used.
#[derive(Debug, thiserror::Error)]
pub enum BufferError {
    /// Another process has it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// What the system or the database says.
    #[error("cannot use the buffer `{}`", path.display())]
    Use {
        /// Its file.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A later version has other tables.
    #[error("the buffer `{}` was written by a later version", .0.display())]
    Newer(PathBuf),
}

/// The open file.
#[derive(Debug)]
pub(super) struct Store {
    path: PathBuf,
    /// Nothing after a failure, until it is opened again.
    connection: Option<Connection>,
    lock: Lock,
    bytes_max: u64,
    state: State,
    /// The number of the last batch that was read.
    read_to: u64,
    /// What is in the batches after that.
    unread: Amount,
    /// Damaged batches, to be removed.
    damaged: Vec<u64>,
    /// Acknowledged as delivered and gone, and not told yet.
    lost: Amount,
    /// A change whose commit has failed, and of which it is not known yet whether it was done.
    doubtful: Option<Change>,
    used_bytes: u64,
}

/// What a commit does.
#[derive(Debug)]
struct Change {
    /// The state afterwards.
    state: State,
    /// What is added.
    more: Amount,
    added: Vec<bool>,
}

impl Store {
    /// Opens the file, or makes it, readable by its owner alone. What of a damaged one is whole is kept.
    pub(super) fn open(path: &Path, bytes_max: u64, now: Timestamp) -> Result<Store, BufferError> {
        let lock = Lock::take(path)?;
        let mut store = Store {
            path: path.to_owned(),
            connection: None,
            lock,
            bytes_max,
            state: State::default(),
            read_to: 0,
            unread: Amount::default(),
            damaged: Vec::new(),
            lost: Amount::default(),
            doubtful: None,
            used_bytes: 0,
        };
        let opened = match store.lock.noted_damage() {
            Some(noted) => Err(noted),
            None => schema::open(path)?,
        };
        match opened {
            Ok((connection, state)) => {
                store.connection = Some(connection);
                store.state = state;
                store.unread = state.amount;
            }
            Err(reason) => store.repair(&reason, None, now)?,
        }
        store.read_to = store.state.first.saturating_sub(1);
        store.measure().map_err(|error| cannot(path, error))?;
        Ok(store)
    }

    /// Events in the file, and bytes of it that are in use.
    pub(super) fn size(&self) -> Amount {
        Amount { events: self.state.amount.events, bytes: self.used_bytes }
    }

    /// Whether there are batches that were not read yet.
    pub(super) fn has_unread(&self) -> bool {
        self.unread.events > 0
    }

    /// The number of the last batch that was read.
    pub(super) fn read_to(&self) -> u64 {
        self.read_to
    }

    /// Whether something of the file is to be put in order by the next turn.
    pub(super) fn needs_turn(&self) -> bool {
        !self.damaged.is_empty()
    }

    /// Does a turn. On an error nothing of it has been done.
    pub(super) fn take_turn(&mut self, turn: &Turn, now: Timestamp) -> Result<Done, BufferError> {
        let mut done = Done::default();
        if !(turn.add.is_empty() && turn.remove.is_empty() && self.damaged.is_empty()) {
            done.added = self.repairing(turn, now, Store::change)?;
        }
        // What was added stays added, whatever becomes of reading.
        match self.repairing(turn, now, Store::read) {
            Ok((again, read)) => (done.again, done.read) = (again, read),
            Err(error) => done.failure = Some(error),
        }
        done.lost = std::mem::take(&mut self.lost);
        Ok(done)
    }

    /// Does `work`, once more if the file had to be repaired for it.
    fn repairing<T>(
        &mut self,
        turn: &Turn,
        now: Timestamp,
        work: impl Fn(&mut Store, &mut Connection, &Turn) -> rusqlite::Result<T>,
    ) -> Result<T, BufferError> {
        let mut is_repaired = false;
        loop {
            match self.with_connection(|store, connection| work(store, connection, turn)) {
                Err(error) if is_damage(&error) && !is_repaired => {
                    self.repair(&error.to_string(), Some(turn.first), now)?;
                    is_repaired = true;
                }
                result => return result.map_err(|error| cannot(&self.path, error)),
            }
        }
    }

    /// After a failure the file is opened anew, which undoes what of a commit may have been written.
    fn with_connection<T>(
        &mut self,
        work: impl FnOnce(&mut Store, &mut Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => schema::connect(&self.path)?,
        };
        let result = work(self, &mut connection)?;
        self.connection = Some(connection);
        Ok(result)
    }

    fn read(
        &mut self,
        connection: &mut Connection,
        turn: &Turn,
    ) -> rusqlite::Result<(Vec<Unpacked>, Vec<Unpacked>)> {
        let mut again = Vec::new();
        for number in &turn.again {
            match read_one(connection, *number)? {
                Some(Ok(unpacked)) => again.push(unpacked),
                Some(Err(header)) => {
                    self.damaged.push(*number);
                    self.lose(header.map(|header| header.amount()).unwrap_or_default());
                }
                // Counted when its place was found empty, or by a repair.
                None => {}
            }
        }
        let read = if turn.read_bytes > 0 {
            self.read_on(connection, turn.read_bytes)?
        } else {
            Vec::new()
        };
        Ok((again, read))
    }

    /// Whether the change to `doubtful`, whose commit failed, is in the file all the same.
    fn is_done(&mut self, db: &Connection) -> rusqlite::Result<Option<Vec<bool>>> {
        let Some(doubtful) = &self.doubtful else { return Ok(None) };
        let is_done = schema::read_state(db)? == Some(doubtful.state);
        let done = self.doubtful.take().filter(|_| is_done);
        Ok(done.map(|change| self.accept(change)))
    }

    /// What was changed is on disk.
    fn accept(&mut self, change: Change) -> Vec<bool> {
        self.state = change.state;
        self.unread.add(change.more);
        self.damaged.clear();
        change.added
    }

    /// Removes and adds, and says of each batch to be added whether it was.
    fn change(&mut self, connection: &mut Connection, turn: &Turn) -> rusqlite::Result<Vec<bool>> {
        let mut added = self.is_done(connection)?.unwrap_or_default();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut state = State { first: turn.first.max(self.state.first), ..self.state };
        for kept in &turn.remove {
            if schema::delete(&transaction, kept.number)? {
                state.amount.subtract(kept.amount());
            }
        }
        for number in &self.damaged {
            schema::delete(&transaction, *number)?;
        }
        let mut is_full = false;
        let mut more = Amount::default();
        for packed in turn.add.iter().skip(added.len()) {
            // What follows one that does not fit may only be added where it need not stay behind it.
            is_full &= !turn.may_skip;
            is_full = is_full || !self.has_room(&transaction, packed, &state)?;
            added.push(!is_full);
            if !is_full {
                let header = Header::new(state.next, state.first, packed.events, &packed.content);
                schema::insert(&transaction, state.next, &header.record(&packed.content))?;
                state.next += 1;
                state.amount.add(header.amount());
                more.add(header.amount());
            }
        }
        schema::write_state(&transaction, &state)?;
        // Should the commit fail, this is what may be in the file nevertheless.
        self.doubtful = Some(Change { state, more, added });
        transaction.commit()?;
        let added = self.doubtful.take().map(|change| self.accept(change)).unwrap_or_default();
        self.tidy(connection);
        Ok(added)
    }

    /// Gives much free space back to the system, and notes how much is in use.
    fn tidy(&mut self, connection: &Connection) {
        let tidied = schema::file_bytes(connection).and_then(|file_bytes| {
            if self.state.amount.events == 0 && file_bytes > KEPT_FREE_BYTES {
                connection.execute_batch("VACUUM")?;
            }
            self.used_bytes = schema::used_bytes(connection)?;
            Ok(())
        });
        if let Err(error) = tidied {
            warn!(path = %self.path.display(), %error, "cannot make the file of a buffer smaller");
        }
    }

    /// Whether the batch fits. One that is larger than the whole buffer may be in it alone.
    fn has_room(&self, db: &Connection, packed: &Packed, state: &State) -> rusqlite::Result<bool> {
        let pages = (packed.content.len() / PAGE_BYTES) as u64 + SPARE_PAGES;
        let bytes = schema::used_bytes(db)? + pages * PAGE_BYTES as u64;
        Ok(bytes <= self.bytes_max || state.amount.events == 0)
    }

    fn measure(&mut self) -> rusqlite::Result<()> {
        if let Some(connection) = &self.connection {
            self.used_bytes = schema::used_bytes(connection)?;
        }
        Ok(())
    }

    /// Reads new batches until they have `bytes_max`, at least one.
    fn read_on(&mut self, db: &Connection, bytes_max: usize) -> rusqlite::Result<Vec<Unpacked>> {
        let mut statement = db.prepare_cached(schema::SELECT_AFTER)?;
        let mut rows = statement.query([schema::signed(self.read_to)])?;
        let (mut read, mut bytes) = (Vec::new(), 0);
        while bytes < bytes_max {
            let row = match rows.next() {
                Ok(Some(row)) => row,
                Ok(None) => {
                    // What should be there and is not.
                    let missing = std::mem::take(&mut self.unread);
                    self.lose(missing);
                    break;
                }
                // What was read counts as read: it goes on its way, and the next call meets the error.
                Err(_) if !read.is_empty() => break,
                Err(error) => return Err(error),
            };
            let number = schema::unsigned(row.get(0)?);
            self.read_to = number;
            let record = row.get_ref(1)?.as_blob().unwrap_or_default();
            match unpack(number, record) {
                Ok(unpacked) => {
                    self.unread.subtract(unpacked.kept.amount());
                    let sizes = unpacked.contents.iter().map(|content| content.byte_size);
                    bytes += sizes.sum::<usize>();
                    read.push(unpacked);
                }
                Err(header) => {
                    // Without its header it is not known yet how much it was; it is missing in the end.
                    let amount = header.map(|header| header.amount()).unwrap_or_default();
                    self.damaged.push(number);
                    self.unread.subtract(amount);
                    self.lose(amount);
                }
            }
        }
        Ok(read)
    }

    /// Has the file system take no more than this many pages, until the file is opened again.
    #[cfg(test)]
    pub(super) fn limit_pages(&self, pages: i64) {
        let connection = self.connection.as_ref().expect("it is open");
        connection.pragma_update(None, "max_page_count", pages).expect("it can be set");
    }

    /// What the last turn was to add will not be asked for again. If it is in the file all the same, it stays there.
    pub(super) fn withdraw(&mut self) {
        if let Some(doubtful) = &mut self.doubtful {
            doubtful.added.clear();
        }
    }

    fn lose(&mut self, amount: Amount) {
        self.state.amount.subtract(amount);
        self.lost.add(amount);
    }

    /// Puts what is whole into a new file, which takes the place of this one. `first` is that of [`Turn`], where the state
    /// is known.
    fn repair(
        &mut self,
        reason: &str,
        first: Option<u64>,
        now: Timestamp,
    ) -> Result<(), BufferError> {
        self.connection = None;
        let known = first.map(|first| State { first: first.max(self.state.first), ..self.state });
        let sought = Sought { known, read_to: self.read_to, now };
        let repaired = repair(&self.path, &self.lock, reason, &sought)?;
        self.state = repaired.state;
        self.unread = repaired.unread;
        self.damaged.clear();
        self.lost.add(repaired.lost);
        self.connection =
            Some(schema::connect(&self.path).map_err(|error| cannot(&self.path, error))?);
        self.measure().map_err(|error| cannot(&self.path, error))
    }
}

fn read_one(db: &Connection, number: u64) -> rusqlite::Result<Option<Read>> {
    let record: Option<Vec<u8>> = db
        .prepare_cached(schema::SELECT_ONE)?
        .query_row([schema::signed(number)], |row| row.get(0))
        .optional()?;
    Ok(record.map(|record| unpack(number, &record)))
}

/// A batch, or as much as can be known of one that is damaged.
type Read = Result<Unpacked, Option<Header>>;

fn unpack(number: u64, record: &[u8]) -> Read {
    let header = Header::read(record).filter(|header| header.number == number).ok_or(None)?;
    let content = &record[HEADER_BYTES..];
    if !header.fits(content) {
        return Err(Some(header));
    }
    let contents = codec::decode(content).map_err(|_| Some(header))?;
    let kept = Kept { number, events: header.events.into(), bytes: header.amount().bytes };
    Ok(Unpacked { kept, contents })
}

pub(super) fn cannot(
    path: &Path,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> BufferError {
    BufferError::Use { path: path.to_owned(), source: source.into() }
}
