//! Up to where a file is delivered, whose chunks are done with in any order.
//!
//! Invariant: the place moves over a chunk only when all chunks before it are delivered.

use std::collections::VecDeque;

use super::{identity::Identity, reader::Place};

/// The chunks of a file that are on their way.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Number of the first chunk that is not delivered.
    first: u64,
    /// That one and those after it: the end of each that is delivered.
    chunks: VecDeque<Option<(Place, Identity)>>,
}

impl Progress {
    /// Gives the next chunk its number.
    pub(super) fn start(&mut self) -> u64 {
        self.chunks.push_back(None);
        self.first + self.chunks.len() as u64 - 1
    }

    /// Notes that a chunk is delivered. Gives up to where the file now is, if that has changed.
    pub(super) fn done(
        &mut self,
        number: u64,
        end: (Place, Identity),
    ) -> Option<(Place, Identity)> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        *self.chunks.get_mut(index)? = Some(end);
        let mut reached = None;
        while let Some(Some(_)) = self.chunks.front() {
            reached = self.chunks.pop_front().flatten();
            self.first += 1;
        }
        reached
    }

    /// Whether no chunk is on its way.
    pub(super) fn is_idle(&self) -> bool {
        self.chunks.is_empty()
    }
}
