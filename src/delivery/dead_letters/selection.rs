//! Which letters are meant.

use pipeline_core::{LetterKind, Timestamp};

use super::StoredLetter;

/// A part of the letters; all of them by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Those of the time and later.
    pub since: Option<Timestamp>,
    /// Those before the time.
    pub until: Option<Timestamp>,
    /// Those of one of these kinds, if any is named.
    pub kinds: Vec<LetterKind>,
}

impl Selection {
    /// Whether the letter is meant.
    pub fn has(&self, letter: &StoredLetter) -> bool {
        let is_of_kind = |kind| self.kinds.contains(&kind);
        self.since.is_none_or(|since| letter.time >= since)
            && self.until.is_none_or(|until| letter.time < until)
            && (self.kinds.is_empty() || letter.known_kind().is_some_and(is_of_kind))
    }
}
