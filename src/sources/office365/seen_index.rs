//! Where in the ledger a record's id may have been seen: a hint in little memory.
//!
//! Invariant: a row that an id was added with is among the id's candidates until that row is forgotten. Other rows can
//! be as well: whoever asks compares the ids themselves.
//!
//! An open-addressing table of 8 bytes a slot: 38 bits of the id's hash, which also say where it belongs, so that the
//! table can grow without the ids; and 26 bits of the row's number, counted from the first row that is known.

use super::ledger::SeenRow;

const ROW_BITS: u32 = 26;
const ROW_MAX: u64 = (1 << ROW_BITS) - 1;

/// Rows are added when their records are settled, which is not the order in which the ledger numbers them. The first to
/// come may have this many before it: far more than there are records on their way at one time.
const ROWS_OUT_OF_ORDER_MAX: i64 = 1 << 20;

/// Slots of the first table. A power of two, as every size.
const SLOTS_MIN: usize = 1024;

#[derive(Debug)]
pub(super) struct SeenIndex {
    /// 0 where nothing is; the row's part is never 0. Empty until the first id: most tenants of many are quiet.
    slots: Vec<u64>,
    used: usize,
    /// The number of the row before the first that the table can hold.
    base: Option<i64>,
}

impl SeenIndex {
    pub(super) fn new() -> SeenIndex {
        SeenIndex { slots: Vec::new(), used: 0, base: None }
    }

    /// Adds an id by its hash. A row too far from the first one is left out: a copy of its records would not be
    /// noticed here, which costs a duplicate and loses nothing.
    pub(super) fn add(&mut self, hash: u64, row: SeenRow) {
        let base = *self.base.get_or_insert(row.number() - 1 - ROWS_OUT_OF_ORDER_MAX);
        let offset = u64::try_from(row.number() - base).unwrap_or(0);
        if (1..=ROW_MAX).contains(&offset) {
            if self.used * 4 >= self.slots.len() * 3 {
                self.rebuild((self.slots.len() * 2).max(SLOTS_MIN), 0);
            }
            self.put((hash & !ROW_MAX) | offset);
        }
    }

    /// The rows that may hold the id of this hash.
    pub(super) fn candidates(&self, hash: u64) -> Vec<SeenRow> {
        let mut rows = Vec::new();
        if self.slots.is_empty() {
            return rows;
        }
        let tag = hash >> ROW_BITS;
        let mut at = self.home(tag);
        while self.slots[at] != 0 {
            if self.slots[at] >> ROW_BITS == tag {
                rows.push(self.row(self.slots[at]));
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
        rows
    }

    /// Forgets every row before `oldest`, and makes room for later ones.
    pub(super) fn forget_before(&mut self, oldest: SeenRow) {
        let Some(base) = self.base else { return };
        let passed = oldest.number() - 1 - base;
        let Ok(passed) = u64::try_from(passed) else { return };
        let kept = self.slots.iter().filter(|slot| **slot & ROW_MAX > passed).count();
        let slots = (kept * 2).next_power_of_two().max(SLOTS_MIN);
        self.rebuild(slots, passed);
        self.base = Some(oldest.number() - 1);
    }

    /// Moves what is in rows after `passed` to a table of the given size, and counts rows from there.
    fn rebuild(&mut self, slots: usize, passed: u64) {
        let old = std::mem::replace(&mut self.slots, vec![0; slots]);
        self.used = 0;
        for slot in old {
            if slot & ROW_MAX > passed {
                self.put(slot - passed);
            }
        }
    }

    fn put(&mut self, slot: u64) {
        let mut at = self.home(slot >> ROW_BITS);
        while self.slots[at] != 0 {
            at = (at + 1) & (self.slots.len() - 1);
        }
        self.slots[at] = slot;
        self.used += 1;
    }

    /// The slot where a search for `tag` begins.
    #[expect(clippy::cast_possible_truncation, reason = "only the low bits count")]
    fn home(&self, tag: u64) -> usize {
        tag as usize & (self.slots.len() - 1)
    }

    fn row(&self, slot: u64) -> SeenRow {
        let offset = i64::try_from(slot & ROW_MAX).expect("26 bits fit");
        SeenRow::of_number(self.base.unwrap_or(0) + offset)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn every_row_is_found_until_it_is_forgotten() {
        for seed in 0..4 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut index = SeenIndex::new();
            let mut rows: HashMap<u64, i64> = HashMap::new();
            for number in 0..30_000 {
                let (hash, row) = (random.u64(..), 1_000_000_000_000 + number / 10);
                index.add(hash, SeenRow::of_number(row));
                rows.insert(hash, row);
                if number == 20_000 {
                    index.forget_before(SeenRow::of_number(1_000_000_001_000));
                }
            }
            for (hash, row) in rows {
                let found = index.candidates(hash).contains(&SeenRow::of_number(row));
                assert_eq!(found, row >= 1_000_000_001_000, "{seed}");
            }
            let strangers = (0..10_000).filter(|_| !index.candidates(random.u64(..)).is_empty());
            assert!(
                strangers.count() < 10,
                "most ids that were never seen need no look into the ledger"
            );
        }
    }

    #[test]
    fn a_row_that_comes_before_its_turn_hides_no_other() {
        let mut index = SeenIndex::new();
        for (hash, row) in [(1 << 40, 7), (2 << 40, 3), (3 << 40, 1)] {
            index.add(hash, SeenRow::of_number(row));
            assert_eq!(index.candidates(hash), [SeenRow::of_number(row)]);
        }
    }

    #[test]
    fn a_row_out_of_range_is_left_out() {
        let mut index = SeenIndex::new();
        index.add(1 << 40, SeenRow::of_number(5));
        index.add(2 << 40, SeenRow::of_number(5 + (1 << 26)));
        index.add(3 << 40, SeenRow::of_number(4 - ROWS_OUT_OF_ORDER_MAX));
        assert_eq!(index.candidates(1 << 40), [SeenRow::of_number(5)]);
        assert_eq!(index.candidates(2 << 40), []);
        assert_eq!(index.candidates(3 << 40), []);
        index.forget_before(SeenRow::of_number(6));
        assert_eq!(index.candidates(1 << 40), []);
    }
}
