//! What happened, in order: as a hash that two runs of a seed must share, and as lines on request.

use std::{
    collections::hash_map::DefaultHasher,
    fmt::{Arguments, Write},
    hash::Hasher,
    sync::{Arc, Mutex},
};

use pipeline_core::Clock;

use crate::stage::{SimulatedClock, start};

#[derive(Debug)]
pub(crate) struct Trace {
    clock: Arc<SimulatedClock>,
    prints: bool,
    notes: Mutex<Notes>,
}

#[derive(Debug, Default)]
struct Notes {
    hasher: DefaultHasher,
    line: String,
    count: u64,
}

impl Trace {
    /// A trace that is printed as it comes, or only hashed.
    pub(crate) fn new(clock: Arc<SimulatedClock>, prints: bool) -> Arc<Trace> {
        Arc::new(Trace { clock, prints, notes: Mutex::default() })
    }

    /// Adds a line, with the time by the API's clock.
    #[expect(clippy::print_stderr, reason = "a trace is for the person who asked for it")]
    pub(crate) fn note(&self, what: Arguments<'_>) {
        let passed = Clock::now(&*self.clock) - start();
        let mut notes = self.notes.lock().unwrap();
        let notes = &mut *notes;
        notes.line.clear();
        let (hours, millis) = (passed.num_hours(), passed.num_milliseconds() % 3_600_000);
        write!(notes.line, "{hours:4}h {millis:7} ms  {what}").unwrap();
        notes.hasher.write(notes.line.as_bytes());
        notes.count += 1;
        if self.prints {
            eprintln!("{}", notes.line);
        }
    }

    /// The hash of all lines so far, and how many there were.
    pub(crate) fn digest(&self) -> (u64, u64) {
        let notes = self.notes.lock().unwrap();
        (notes.hasher.finish(), notes.count)
    }
}
