//! How much memory a process takes over time.

use std::fmt;

use crate::rig::resident_kilobytes;

/// What the program may take with its default settings.
const PEAK_KILOBYTES_MAX: u64 = 120_000;

/// By how much the later half of a run may be above the earlier one: what is in flight differs from moment to moment.
const GROWTH_KILOBYTES_MAX: u64 = 10_000;

/// Memory that the source takes to know a record again, in bytes. It grows by design, and at most doubles at once.
const KNOWN_RECORD_BYTES: usize = 16;

/// Resident memory, look by look, in kilobytes.
pub(crate) struct Memory {
    looks: Vec<u64>,
    peak: u64,
}

impl Memory {
    pub(crate) fn new() -> Memory {
        Memory { looks: Vec::new(), peak: 0 }
    }

    /// Looks at a process that runs, or has just ended.
    pub(crate) fn look(&mut self, pid: u32) {
        if let Some((now, peak)) = resident_kilobytes(pid) {
            self.looks.push(now);
            self.peak = self.peak.max(peak);
        }
    }

    /// The highest of the earlier half, and of the later.
    fn halves(&self) -> (u64, u64) {
        let (earlier, later) = self.looks.split_at(self.looks.len() / 2);
        let highest = |looks: &[u64]| looks.iter().copied().max().unwrap_or_default();
        (highest(earlier), highest(later))
    }

    /// Fails if it was too much, or grew by more than what `events` records are known by.
    pub(crate) fn check(&self, events: usize) {
        let known = u64::try_from(events * KNOWN_RECORD_BYTES / 1000).expect("it is small");
        let (earlier, later) = self.halves();
        assert!(self.peak < PEAK_KILOBYTES_MAX, "too much memory: {self}");
        assert!(later <= earlier + GROWTH_KILOBYTES_MAX + known, "memory grows: {self}");
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (earlier, later) = self.halves();
        write!(
            formatter,
            "at most {} kB resident, {earlier} kB in the earlier half and {later} kB in the later",
            self.peak
        )
    }
}
