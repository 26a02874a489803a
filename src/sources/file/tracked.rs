//! One file among those that are watched: what is known of it, and how its next chunk is read.

use std::{path::PathBuf, time::Duration};

use tokio::time::Instant;

use super::{
    checkpoints::Checkpoint,
    identity::{State, state},
    progress::Progress,
    reader::{Chunk, Place, ReadError, Reader, Rules},
};

/// A file that has not grown for so long ends where it ends: its last line needs no line feed.
const QUIET: Duration = Duration::from_mins(1);

/// A file that has not grown for so long is closed until it does.
const KEPT_OPEN: Duration = Duration::from_mins(10);

/// A file at work.
pub(super) struct Tracked {
    /// Tells it from an earlier one with the same inode.
    pub(super) key: u64,
    pub(super) path: PathBuf,
    /// Taken while a chunk is read.
    pub(super) reader: Option<Reader>,
    pub(super) progress: Progress,
    pub(super) reading: Reading,
    /// What the file was when it was looked at last.
    pub(super) state: State,
    pub(super) changed: Instant,
    /// Whether what stands at its end was taken for whole.
    pub(super) is_closed_off: bool,
    pub(super) is_listed: bool,
    /// Whether it was the same when it was looked at before.
    pub(super) is_stable: bool,
    /// Why it cannot be read, as long as it stays in `state`.
    pub(super) failure: Option<String>,
}

/// Whether there is more to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// There may be.
    Due,
    /// Not until the file changes.
    AtEnd,
    /// Once two looks find the file the same.
    Waits,
}

impl Tracked {
    /// A file that was found in `state`.
    pub(super) fn new(key: u64, path: PathBuf, state: State, now: Instant) -> Tracked {
        Tracked {
            key,
            path,
            reader: None,
            progress: Progress::default(),
            reading: Reading::Due,
            state,
            changed: now,
            is_closed_off: false,
            is_listed: true,
            is_stable: false,
            failure: None,
        }
    }

    /// Whether it now holds less than was read of it, as after `copytruncate`: what is there is another file.
    pub(super) fn is_cut_short(&self, state: State) -> bool {
        let read = self.reader.as_ref().and_then(Reader::bytes_read);
        read.is_some_and(|read| read > state.0)
    }

    /// Notes that it was found at `path`, in `state`.
    pub(super) fn found(&mut self, path: PathBuf, state: State, now: Instant) {
        self.path = path;
        self.is_listed = true;
        self.is_stable = self.state == state;
        if !self.is_stable {
            (self.state, self.changed) = (state, now);
            (self.reading, self.is_closed_off, self.failure) = (Reading::Due, false, None);
        } else if self.reading == Reading::Waits {
            self.reading = Reading::Due;
        }
    }

    /// Takes what stands at the end of a quiet file for whole, and closes the file after a while.
    pub(super) fn leave_if_quiet(&mut self, now: Instant) {
        if self.reading != Reading::AtEnd {
            return;
        }
        let quiet = now.duration_since(self.changed);
        if quiet >= QUIET && !self.is_closed_off && self.reader.is_some() {
            (self.is_closed_off, self.reading) = (true, Reading::Due);
        } else if quiet >= KEPT_OPEN && self.progress.is_idle() {
            self.reader = None;
        }
    }

    /// Whether it is to be remembered: it is there, or there is more to do with it.
    pub(super) fn is_of_use(&self) -> bool {
        let may_be_read = self.reader.is_some() && self.failure.is_none();
        self.is_listed || !self.progress.is_idle() || may_be_read
    }

    /// What its next chunk is read with.
    pub(super) fn task(&mut self, rules: Rules, known: Option<Checkpoint>, is_once: bool) -> Task {
        Task {
            reader: self.reader.take(),
            path: self.path.clone(),
            rules,
            known,
            is_whole: is_once || self.is_closed_off,
            is_stable: is_once || self.is_stable,
        }
    }

    /// Notes that nothing more was found in the file.
    pub(super) fn ended(&mut self, read: Outcome, is_once: bool) {
        self.reading = if read.waits { Reading::Waits } else { Reading::AtEnd };
        self.state = read.state.unwrap_or(self.state);
        let can_grow = read.reader.as_ref().is_some_and(|reader| reader.bytes_read().is_some());
        self.reader = read.reader.filter(|_| can_grow && !is_once);
    }
}

/// What a chunk is read with.
pub(super) struct Task {
    /// Nothing if the file has to be opened.
    reader: Option<Reader>,
    path: PathBuf,
    rules: Rules,
    /// How far it was delivered when it was read last.
    known: Option<Checkpoint>,
    /// Whether nothing will be added to the file.
    is_whole: bool,
    /// Whether it was the same when it was looked at before.
    is_stable: bool,
}

/// What came of it.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) reader: Option<Reader>,
    /// The file's state from before, so that what is written meanwhile is seen later.
    pub(super) state: Option<State>,
    /// Nothing at the end of the file.
    pub(super) chunk: Option<Chunk>,
    /// The file can only be read as a whole, and may not be complete yet.
    pub(super) waits: bool,
    /// Something else was written into the file.
    pub(super) is_replaced: bool,
}

impl Task {
    /// Opens the file if need be, and reads the next chunk. Blocking.
    pub(super) fn run(self) -> Result<Outcome, ReadError> {
        let reader = match self.reader {
            Some(reader) if !reader.is_same_file()? => {
                return Ok(Outcome { is_replaced: true, ..Outcome::default() });
            }
            Some(reader) => Some(reader),
            None => Reader::open(&self.path, self.rules, |file| {
                let Some(known) = &self.known else { return Ok(None) };
                let place = Place { offset: known.offset, records: known.records };
                Ok(known.identity.is(file)?.then_some(place))
            })?,
        };
        let Some(mut reader) = reader else { return Ok(Outcome::default()) };
        let state = reader.file().metadata().map(|metadata| state(&metadata)).ok();
        let can_grow = reader.bytes_read().is_some();
        if !can_grow && !self.is_stable {
            return Ok(Outcome { state, waits: true, ..Outcome::default() });
        }
        let chunk = reader.next_chunk(self.is_whole || !can_grow)?;
        Ok(Outcome { reader: Some(reader), state, chunk, ..Outcome::default() })
    }
}
