//! Sums over blobs and their records, each of which must add up.

use std::{iter::Sum, ops::AddAssign};

use serde::Serialize;

use super::super::ledger::HourRecord;

/// What became of some blobs and of their records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Figures {
    pub blobs: BlobFigures,
    pub records: RecordFigures,
    /// Blobs: listed = delivered + pending + lost. Records: received = delivered + filtered + duplicates + rejected + bad,
    /// in total and for each blob.
    pub sums_add_up: bool,
}

/// Blobs by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BlobFigures {
    /// In the ledger.
    pub listed: u64,
    pub delivered: u64,
    /// Neither delivered nor lost yet.
    pub pending: u64,
    /// Can never be delivered.
    pub lost: u64,
}

/// Records of delivered blobs by fate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RecordFigures {
    pub received: u64,
    /// Confirmed by every sink.
    pub delivered: u64,
    /// Dropped by a program on purpose.
    pub filtered: u64,
    /// Copies of records that were delivered before.
    pub duplicates: u64,
    /// In the dead letters because a sink refused them for good.
    pub rejected: u64,
    /// In the dead letters because they are no records.
    pub bad: u64,
}

impl Default for Figures {
    /// Of nothing.
    fn default() -> Figures {
        let (blobs, records) = (BlobFigures::default(), RecordFigures::default());
        Figures { blobs, records, sums_add_up: true }
    }
}

impl Figures {
    /// The figures of an hour, with its sums checked.
    pub(super) fn of_hour(hour: &HourRecord) -> Figures {
        let blobs = BlobFigures {
            listed: hour.listed,
            delivered: hour.delivered,
            pending: hour.pending,
            lost: hour.lost,
        };
        let counts = &hour.records;
        let records = RecordFigures {
            received: counts.records,
            delivered: counts.delivered,
            filtered: counts.filtered,
            duplicates: counts.duplicates,
            rejected: counts.rejected,
            bad: counts.dead_lettered,
        };
        let sums_add_up = hour.unbalanced == 0 && blobs.add_up() && records.add_up();
        Figures { blobs, records, sums_add_up }
    }
}

impl BlobFigures {
    fn add_up(&self) -> bool {
        self.listed == self.delivered + self.pending + self.lost
    }
}

impl RecordFigures {
    /// All that lies in the dead letters.
    pub fn dead_lettered(&self) -> u64 {
        self.rejected + self.bad
    }

    fn add_up(&self) -> bool {
        let accounted = self.delivered + self.filtered + self.duplicates + self.dead_lettered();
        self.received == accounted
    }
}

impl AddAssign for Figures {
    fn add_assign(&mut self, other: Figures) {
        let (blobs, more) = (&mut self.blobs, other.blobs);
        blobs.listed += more.listed;
        blobs.delivered += more.delivered;
        blobs.pending += more.pending;
        blobs.lost += more.lost;
        let (records, more) = (&mut self.records, other.records);
        records.received += more.received;
        records.delivered += more.delivered;
        records.filtered += more.filtered;
        records.duplicates += more.duplicates;
        records.rejected += more.rejected;
        records.bad += more.bad;
        // Faults of two parts can hide each other in a sum of both.
        self.sums_add_up &= other.sums_add_up;
    }
}

impl Sum for Figures {
    fn sum<I: Iterator<Item = Figures>>(parts: I) -> Figures {
        parts.fold(Figures::default(), |mut sum, part| {
            sum += part;
            sum
        })
    }
}
