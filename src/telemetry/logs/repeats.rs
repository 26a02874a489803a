//! Sums up what is logged again and again.
//!
//! A warning or an error is written at once when it is new. Copies of it that follow within the window, the same but
//! for numbers, are counted, and when the window ends one line says how many there were. Others of one cause, as of ten
//! thousand events that are refused each in words of its own, are written up to a bound.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;
use tracing::Level;

use super::record::Record;

/// How long after a line its copies are counted.
const WINDOW: Duration = Duration::from_secs(10);

/// Lines of one cause that are written in a window, each other than those before.
const LINES_OF_ONE_CAUSE_MAX: u64 = 100;

/// Windows that are open at a time: what is new beyond that is written.
const WINDOWS_MAX: usize = 2_000;

/// What was written lately, and what was not.
#[derive(Debug, Default)]
pub(super) struct Repeats(HashMap<u64, Window>);

#[derive(Debug)]
struct Window {
    since: Instant,
    written: u64,
    held_back: u64,
    /// The last one that was held back.
    last: Option<Record>,
}

impl Repeats {
    /// The record, if it is to be written.
    pub(super) fn admit(&mut self, record: Record, now: Instant) -> Option<Record> {
        if record.level > Level::WARN || self.0.len() >= WINDOWS_MAX {
            return Some(record);
        }
        let (likeness, cause) = (record.likeness, record.cause);
        let record = self.of(likeness, now).admit(record, 1)?;
        let record = self.of(cause, now).admit(record, LINES_OF_ONE_CAUSE_MAX);
        if record.is_none() {
            // Counted with its cause.
            self.0.remove(&likeness);
        }
        record
    }

    fn of(&mut self, key: u64, now: Instant) -> &mut Window {
        let new = Window { since: now, written: 0, held_back: 0, last: None };
        self.0.entry(key).or_insert(new)
    }

    /// The last of each kind that was held back, with how many there were, of the windows that have ended; without a
    /// time, of all.
    pub(super) fn due(&mut self, now: Option<Instant>) -> Vec<(Record, u64)> {
        let has_ended =
            |window: &Window| now.is_none_or(|now| now.duration_since(window.since) >= WINDOW);
        let ended = self.0.extract_if(|_, window| has_ended(window));
        let mut due: Vec<(Instant, Record, u64)> = ended
            .filter_map(|(_, window)| Some((window.since, window.last?, window.held_back)))
            .collect();
        due.sort_by_key(|(since, ..)| *since);
        due.into_iter().map(|(_, record, held_back)| (record, held_back)).collect()
    }
}

impl Window {
    fn admit(&mut self, record: Record, written_max: u64) -> Option<Record> {
        if self.written < written_max {
            self.written += 1;
            return Some(record);
        }
        self.held_back += 1;
        self.last = Some(record);
        None
    }
}
