//! The records that `next` and `prev` go through.

use std::path::Path;

use vrl::value::{ObjectMap, Value};

use crate::cli::record_input::{Found, RecordInput, RecordInputError};

/// Records behind the current one that can be gone back to.
const BACK_MAX: usize = 1000;

/// What was read so far, and what is to come.
pub(super) struct Records {
    input: Option<RecordInput>,
    seen: Vec<(String, Value)>,
    /// Number of those in `seen` up to the current one; none before the first.
    at: usize,
}

type Record = Result<(String, Value), String>;

impl Records {
    pub(super) fn open(input: Option<&Path>) -> Result<Records, RecordInputError> {
        let input = input.map(RecordInput::open).transpose()?;
        Ok(Records { input, seen: Vec::new(), at: 0 })
    }

    /// The next one, with its place.
    pub(super) fn next(&mut self) -> Record {
        if self.at < self.seen.len() {
            self.at += 1;
            return Ok(self.current());
        }
        let input = self.input.as_mut().ok_or("there are no records: give some by --input")?;
        let found = input.next().map_err(|error| error.to_string())?;
        let Found { place, record } = found.ok_or("this was the last record")?;
        let place = format!("{}:{place}", input.name());
        let event: ObjectMap = record
            .and_then(|bytes| serde_json::from_slice(&bytes).map_err(|error| error.to_string()))
            .map_err(|error| format!("{place}: {error}"))?;
        if self.seen.len() == BACK_MAX {
            self.seen.remove(0);
        }
        self.seen.push((place, Value::Object(event)));
        self.at = self.seen.len();
        Ok(self.current())
    }

    /// The one before, with its place.
    pub(super) fn previous(&mut self) -> Record {
        if self.at < 2 {
            return Err("there is no record before this one".to_owned());
        }
        self.at -= 1;
        Ok(self.current())
    }

    /// The current one as it came, with its place; an event without fields where there is none.
    pub(super) fn current(&self) -> (String, Value) {
        let record = self.at.checked_sub(1).and_then(|index| self.seen.get(index)).cloned();
        record.unwrap_or_else(|| ("no record".to_owned(), Value::Object(ObjectMap::new())))
    }
}
