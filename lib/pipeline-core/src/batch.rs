//! The unit that moves along an edge: some events, in order.

use crate::{Event, Outcome, Withdrawal};

/// Events on their way together. Owned by one component at a time.
#[derive(Clone, Debug, Default)]
pub struct Batch(Vec<Event>);

impl Batch {
    /// The events, in order.
    pub fn events(&self) -> &[Event] {
        &self.0
    }

    /// Gives the events to a sink that can be taken away.
    pub(crate) fn bind(&mut self, withdrawal: &Withdrawal) {
        self.0.iter_mut().for_each(|event| event.bind(withdrawal));
    }

    /// Number of events.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no event.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Size of the events as their sources received them, in bytes.
    pub fn byte_size(&self) -> usize {
        self.0.iter().map(Event::byte_size).sum()
    }

    /// Says the same of every event in the batch.
    pub fn settle(self, outcome: Outcome) {
        for event in self.0 {
            event.settle(outcome);
        }
    }

    /// The events themselves.
    pub fn into_events(self) -> Vec<Event> {
        self.0
    }
}

impl From<Vec<Event>> for Batch {
    fn from(events: Vec<Event>) -> Batch {
        Batch(events)
    }
}

impl IntoIterator for Batch {
    type Item = Event;
    type IntoIter = std::vec::IntoIter<Event>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
