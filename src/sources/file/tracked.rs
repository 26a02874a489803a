//! One file among those that are watched: what is known of it, and how its next chunk is read.

use std::{path::PathBuf, time::Duration};

use tokio::time::Instant;

use super::{
    checkpoints::Checkpoint,
    identity::{Inode, State, state},
    progress::Progress,
    read_error::ReadError,
    reader::{Chunk, Place, Reader, Rules},
};

/// A file that has not grown for so long ends where it ends: its last line needs no line feed.
const QUIET: Duration = Duration::from_mins(1);

/// A file that has not grown for so long is closed until it does.
const KEPT_OPEN: Duration = Duration::from_mins(10);

/// The wait before a file is tried again that the system would not give.
const RETRY_WAIT: Duration = Duration::from_secs(10);

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
    pub(super) failure: Option<Failure>,
}

/// Why a file cannot be read.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) message: String,
    /// When to try again, where it is not what the file holds.
    pub(super) again_at: Option<Instant>,
}

/// Whether there is more to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// There may be.
    Due,
    /// Not until the file changes.
    AtEnd,
    /// As at the end; the file was closed for others, and may end with a line that has no end.
    PutAway,
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
        let is_moved = std::mem::replace(&mut self.path, path) != self.path;
        self.is_listed = true;
        let is_over = |at: Instant| is_moved || at <= now;
        self.failure.take_if(|failure| failure.again_at.is_some_and(is_over));
        self.is_stable = self.state == state;
        if !self.is_stable {
            (self.state, self.changed) = (state, now);
            (self.reading, self.is_closed_off, self.failure) = (Reading::Due, false, None);
        } else if self.reading == Reading::Waits {
            self.reading = Reading::Due;
        }
    }

    /// Notes that it cannot be read.
    pub(super) fn fail(&mut self, failure: &ReadError, now: Instant) {
        let again_at = failure.may_pass().then(|| now + RETRY_WAIT);
        self.failure = Some(Failure { message: failure.to_string(), again_at });
        self.reader = None;
    }

    /// Takes what stands at the end of a quiet file for whole, and closes the file after a while.
    pub(super) fn leave_if_quiet(&mut self, now: Instant) {
        let is_put_away = self.reading == Reading::PutAway;
        if self.reading != Reading::AtEnd && !is_put_away {
            return;
        }
        let quiet = now.duration_since(self.changed);
        if quiet >= QUIET && !self.is_closed_off && (self.reader.is_some() || is_put_away) {
            (self.is_closed_off, self.reading) = (true, Reading::Due);
        } else if quiet >= KEPT_OPEN && self.progress.is_idle() {
            self.reader = None;
        }
    }

    /// Whether there may be more to read now.
    pub(super) fn is_due(&self) -> bool {
        self.reading == Reading::Due && self.failure.is_none()
    }

    /// Closes the file, if all that was read of it is delivered: it is opened again when it grows.
    pub(super) fn put_away(&mut self) {
        let is_open = self.reader.is_some() && self.reading == Reading::AtEnd;
        if is_open && self.progress.is_idle() {
            (self.reader, self.reading) = (None, Reading::PutAway);
        }
    }

    /// Whether it is to be remembered: it is there, or there is more to do with it.
    pub(super) fn is_of_use(&self) -> bool {
        let may_be_read = self.reader.is_some() && self.failure.is_none();
        self.is_listed || !self.progress.is_idle() || may_be_read
    }

    /// What its next chunk is read with.
    pub(super) fn task(
        &mut self,
        inode: Inode,
        rules: Rules,
        known: Option<Checkpoint>,
        is_once: bool,
    ) -> Task {
        Task {
            inode,
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
    /// Of the file.
    inode: Inode,
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
        if reader.inode != self.inode {
            // Another file has taken its name since it was found.
            return Ok(Outcome { is_replaced: true, ..Outcome::default() });
        }
        let state = reader.file().metadata().map(|metadata| state(&metadata)).ok();
        let can_grow = reader.bytes_read().is_some();
        if !can_grow && !self.is_stable {
            return Ok(Outcome { state, waits: true, ..Outcome::default() });
        }
        let chunk = reader.next_chunk(self.is_whole || !can_grow)?;
        Ok(Outcome { reader: Some(reader), state, chunk, ..Outcome::default() })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::sources::file::config::Format;

    const RULES: Rules = Rules { format: Format::Auto, record_bytes_max: 1000 };

    fn tracked(path: &std::path::Path) -> (Inode, Tracked) {
        let metadata = fs::metadata(path).expect("a file");
        let tracked = Tracked::new(1, path.to_owned(), state(&metadata), Instant::now());
        (Inode::of(&metadata), tracked)
    }

    #[tokio::test]
    async fn what_has_taken_the_name_of_a_file_is_not_read_in_its_stead() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, moved) = (folder.path().join("a.log"), folder.path().join("a.log.1"));
        fs::write(&path, "{\"a\":1}\n").expect("it is written");
        let (inode, mut file) = tracked(&path);
        fs::rename(&path, &moved).expect("it moves");
        fs::write(&path, "{\"b\":1}\n").expect("it is written");
        let read = file.task(inode, RULES, None, false).run().expect("it is read");
        assert!(read.is_replaced && read.chunk.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_was_out_of_reach_is_tried_again_though_it_is_as_before() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, moved) = (folder.path().join("a.log"), folder.path().join("a.log.1"));
        fs::write(&path, "{\"a\":1}\n").expect("it is written");
        let (inode, mut file) = tracked(&path);
        fs::rename(&path, &moved).expect("it moves");
        let failure = file.task(inode, RULES, None, false).run().err().expect("it is gone");
        let (now, state) = (Instant::now(), file.state);
        file.fail(&failure, now);
        file.found(path.clone(), state, now + RETRY_WAIT / 2);
        assert!(file.failure.is_some(), "not at once");
        file.found(moved, state, now + RETRY_WAIT / 2);
        assert!(file.failure.is_none(), "it has another name");
        let read = file.task(inode, RULES, None, false).run().expect("it is read");
        assert!(read.chunk.is_some());
        file.fail(&failure, now);
        file.found(file.path.clone(), state, now + RETRY_WAIT);
        assert!(file.failure.is_none(), "it was long ago");
        let lasting = ReadError::NoHeader { path: String::new() };
        file.fail(&lasting, now);
        file.found(file.path.clone(), state, now + RETRY_WAIT);
        assert!(file.failure.is_some(), "it holds what cannot be read");
    }
}
