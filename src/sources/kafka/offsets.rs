//! Up to where each partition may be committed: pure bookkeeping.
//!
//! Invariant: what is due to be committed lies behind no message that is not settled, whatever the order in which they
//! are, and never concerns a partition that has been taken away since.

use std::collections::{HashMap, VecDeque};

/// One partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Partition {
    pub topic: String,
    pub number: i32,
}

/// A message on its way: where it lies, and in which tenure of its partition it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub partition: Partition,
    pub offset: i64,
    /// A partition that is assigned anew, or read again, begins another one.
    pub tenure: u64,
}

/// The partitions that this consumer has at present.
#[derive(Debug, Default)]
pub(super) struct Offsets {
    tenures: u64,
    held: HashMap<Partition, Held>,
}

#[derive(Debug, Default)]
struct Held {
    tenure: u64,
    /// Messages on their way in the order in which they were read, and whether each is settled.
    under_way: VecDeque<(i64, bool)>,
    /// The offset behind all that is settled, where it was not committed yet.
    due: Option<i64>,
    /// The last message that was read.
    read: Option<i64>,
    /// A message was not delivered: the partition has to be read again from there.
    has_failed: bool,
}

impl Offsets {
    /// The consumer has been given `partition`.
    pub(super) fn assign(&mut self, partition: Partition) {
        self.tenures += 1;
        self.held.insert(partition, Held { tenure: self.tenures, ..Held::default() });
    }

    /// The consumer has lost `partition`.
    pub(super) fn revoke(&mut self, partition: &Partition) {
        self.held.remove(partition);
    }

    /// The present tenure of a partition, if it is held.
    pub(super) fn tenure(&self, partition: &Partition) -> Option<u64> {
        self.held.get(partition).map(|held| held.tenure)
    }

    /// A message goes on its way; whether it may, as the partition is still held as when it was read.
    pub(super) fn take(&mut self, place: &Place) -> bool {
        let Some(held) = self.of(place) else { return false };
        held.under_way.push_back((place.offset, false));
        held.read = Some(place.offset);
        true
    }

    /// Nothing is left to do for a message.
    pub(super) fn settle(&mut self, place: &Place) {
        let Some(held) = self.of(place) else { return };
        let is_it = |(offset, _): &(i64, bool)| *offset == place.offset;
        let found = held.under_way.binary_search_by_key(&place.offset, |(offset, _)| *offset);
        // A topic that was made anew, or lost its end, begins with lower offsets again.
        let found = found.ok().or_else(|| held.under_way.iter().position(is_it));
        if let Some(index) = found {
            held.under_way[index].1 = true;
        }
        while let Some((offset, true)) = held.under_way.front() {
            held.due = Some(offset + 1);
            held.under_way.pop_front();
        }
    }

    /// A message was not delivered.
    pub(super) fn fail(&mut self, place: &Place) {
        if let Some(held) = self.of(place) {
            held.has_failed = true;
        }
    }

    /// What can be committed and was not given before.
    pub(super) fn take_due(&mut self) -> Vec<(Partition, i64)> {
        let due = |(partition, held): (&Partition, &mut Held)| {
            held.due.take().map(|offset| (partition.clone(), offset))
        };
        self.held.iter_mut().filter_map(due).collect()
    }

    /// The partitions that have to be read again, and from where. What is under way of them counts no longer.
    pub(super) fn take_failed(&mut self) -> Vec<(Partition, i64)> {
        let mut failed = Vec::new();
        for (partition, held) in &mut self.held {
            if !std::mem::take(&mut held.has_failed) {
                continue;
            }
            if let Some((offset, _)) = held.under_way.front() {
                failed.push((partition.clone(), *offset));
                held.read = Some(offset - 1);
                self.tenures += 1;
                held.tenure = self.tenures;
                held.under_way.clear();
            }
        }
        failed
    }

    /// A partition has to be read again from `offset`, and could not be brought there: until it is, nothing behind that
    /// is due, and the partition is among the failed ones.
    pub(super) fn hold_back(&mut self, partition: &Partition, offset: i64) {
        if let Some(held) = self.held.get_mut(partition) {
            let index = held.under_way.partition_point(|(other, _)| *other < offset);
            held.under_way.insert(index, (offset, false));
            held.has_failed = true;
        }
    }

    /// Whether nothing of these partitions is under way.
    pub(super) fn is_idle<'a>(&self, partitions: impl IntoIterator<Item = &'a Partition>) -> bool {
        partitions
            .into_iter()
            .all(|one| self.held.get(one).is_none_or(|held| held.under_way.is_empty()))
    }

    /// Whether nothing is under way at all.
    pub(super) fn is_settled(&self) -> bool {
        self.held.values().all(|held| held.under_way.is_empty())
    }

    /// The partitions that are held, with the last offset that was read of each.
    pub(super) fn held(&self) -> impl Iterator<Item = (&Partition, Option<i64>)> {
        self.held.iter().map(|(partition, held)| (partition, held.read))
    }

    fn of(&mut self, place: &Place) -> Option<&mut Held> {
        self.held.get_mut(&place.partition).filter(|held| held.tenure == place.tenure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition() -> Partition {
        Partition { topic: "t".to_owned(), number: 0 }
    }

    /// Offsets with these under way.
    fn under_way(offsets: &[i64]) -> (Offsets, impl Fn(i64) -> Place + use<>) {
        let mut state = Offsets::default();
        state.assign(partition());
        let tenure = state.tenure(&partition()).expect("it is held");
        let place = move |offset| Place { partition: partition(), offset, tenure };
        for offset in offsets {
            assert!(state.take(&place(*offset)));
        }
        (state, place)
    }

    #[test]
    fn what_is_due_lies_behind_nothing_unsettled() {
        let (mut state, place) = under_way(&[3, 4, 7, 9]);
        state.settle(&place(4));
        state.settle(&place(9));
        assert_eq!(state.take_due(), []);
        state.settle(&place(3));
        assert_eq!(state.take_due(), [(partition(), 5)]);
        assert_eq!(state.take_due(), [], "what is due is given once");
        assert!(!state.is_idle(&[partition()]));
        state.settle(&place(7));
        assert_eq!(state.take_due(), [(partition(), 10)]);
        assert!(state.is_idle(&[partition()]));
    }

    #[test]
    fn a_partition_is_read_again_from_the_first_that_is_not_settled() {
        let (mut state, place) = under_way(&[3, 4, 5]);
        state.settle(&place(3));
        state.settle(&place(5));
        state.fail(&place(4));
        assert_eq!(state.take_failed(), [(partition(), 4)]);
        assert_eq!(state.take_failed(), []);
        state.settle(&place(4));
        assert_eq!(state.take_due(), [(partition(), 4)], "an old message's word counts no more");
        assert!(!state.take(&place(6)), "what was read before is not sent");
    }

    #[test]
    fn a_partition_that_cannot_be_brought_back_is_tried_again_and_not_committed_beyond() {
        let (mut state, place) = under_way(&[3, 4]);
        state.fail(&place(3));
        assert_eq!(state.take_failed(), [(partition(), 3)]);
        state.hold_back(&partition(), 3);
        let tenure = state.tenure(&partition()).expect("it is held");
        let later = Place { partition: partition(), offset: 5, tenure };
        assert!(state.take(&later), "librdkafka goes on behind what was read before");
        state.settle(&later);
        assert_eq!(state.take_due(), [], "3 was not delivered");
        assert_eq!(state.take_failed(), [(partition(), 3)]);
        assert_eq!(state.take_failed(), []);
    }

    #[test]
    fn offsets_that_begin_anew_are_settled_as_others() {
        let (mut state, place) = under_way(&[100, 101, 0, 1, 2]);
        for offset in [2, 0, 1, 101, 100] {
            state.settle(&place(offset));
        }
        assert!(state.is_idle(&[partition()]));
        assert_eq!(state.take_due(), [(partition(), 3)]);
    }

    #[test]
    fn a_partition_that_was_taken_away_is_not_committed() {
        let (mut state, place) = under_way(&[3]);
        state.revoke(&partition());
        state.settle(&place(3));
        assert_eq!(state.take_due(), []);
        state.assign(partition());
        state.settle(&place(3));
        assert_eq!(state.take_due(), [], "nor in a later tenure");
        assert!(state.is_idle(&[partition()]));
    }
}
