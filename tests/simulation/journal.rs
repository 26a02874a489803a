//! What a proof needs to know of a simulation, in the order in which it happened.

use std::sync::{Arc, Mutex, MutexGuard};

use o365flow::sources::office365::ledger::BlobEnd;
use pipeline_core::{Clock, Timestamp};

use crate::stage::SimulatedClock;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Drained,
    /// Killed, or told to leave what was under way.
    Cut,
}

#[derive(Debug)]
pub(crate) enum Entry {
    /// The sink has written a record; it may have said otherwise.
    Written {
        record: usize,
        life: usize,
        admitted: bool,
    },
    /// The sink was given a record to be filtered out, and said so.
    Filtered {
        record: usize,
    },
    /// The sink has refused a record for good, and kept it.
    Rejected {
        record: usize,
    },
    /// The sink was given something that no tenant has.
    Unknown {
        id: String,
    },
    /// The ledger remembers a record as delivered.
    Remembered {
        record: usize,
    },
    /// The ledger has written down how a blob ended.
    Finished {
        end: BlobEnd,
    },
    /// The source asked for a window that the API lists no more.
    TooFarBack {
        query: String,
    },
    /// A gap was reported.
    Gap {
        tenant: String,
        content_type: String,
        from: Timestamp,
        to: Timestamp,
    },
    Ended {
        life: usize,
        ending: Ending,
    },
}

#[derive(Debug)]
pub(crate) struct Journal {
    clock: Arc<SimulatedClock>,
    entries: Mutex<Vec<(Timestamp, Entry)>>,
}

impl Journal {
    pub(crate) fn new(clock: Arc<SimulatedClock>) -> Arc<Journal> {
        Arc::new(Journal { clock, entries: Mutex::default() })
    }

    pub(crate) fn add(&self, entry: Entry) {
        self.entries.lock().unwrap().push((Clock::now(&*self.clock), entry));
    }

    pub(crate) fn entries(&self) -> MutexGuard<'_, Vec<(Timestamp, Entry)>> {
        self.entries.lock().unwrap()
    }
}
