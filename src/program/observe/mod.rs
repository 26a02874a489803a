//! Which statements of a program ran, how often, and what they cost.
//!
//! VRL tells nobody which expression it is at. So before a program is compiled a call of a hidden function is put in
//! front of each of its statements, inside of blocks and closures as well; places and messages stay those of the text
//! as it was written, for the calls are put into the syntax tree. A statement inside of a literal array or object
//! counts like any other.
//!
//! Invariant: an observed program does what the unobserved one does. It is slower, and meant for tests and one thread.

mod coverage;
mod mark;
mod observer;
mod profile;
mod statements;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;
use vrl::diagnostic::Span;

pub use coverage::{Coverage, FileCoverage, NotRun};
pub(super) use mark::Mark;
pub use observer::Observer;
pub use profile::{Cost, profile};
pub(super) use statements::marked;

/// What was seen of one program's statements, in the order of the text.
#[derive(Debug)]
pub(super) struct Observations {
    statements: Vec<Observed>,
    /// The statement that runs, and since when.
    current: Mutex<Option<(usize, Instant)>>,
}

#[derive(Debug)]
struct Observed {
    span: Span,
    runs: AtomicU64,
    nanos: AtomicU64,
}

impl Observations {
    fn of(spans: impl IntoIterator<Item = Span>) -> Arc<Observations> {
        let observed =
            |span| Observed { span, runs: AtomicU64::default(), nanos: AtomicU64::default() };
        let statements = spans.into_iter().map(observed).collect();
        Arc::new(Observations { statements, current: Mutex::default() })
    }

    /// Notes that statement `number` begins. The time until the next one begins is its own.
    fn begin(&self, number: usize) {
        self.statements[number].runs.fetch_add(1, Ordering::Relaxed);
        self.hand_over(Some(number));
    }

    /// Notes that a run has ended.
    pub(super) fn end(&self) {
        self.hand_over(None);
    }

    fn hand_over(&self, to: Option<usize>) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some((before, since)) = current.take() {
            let nanos = u64::try_from((now - since).as_nanos()).unwrap_or(u64::MAX);
            self.statements[before].nanos.fetch_add(nanos, Ordering::Relaxed);
        }
        // A second look at the clock, so that what the first one cost is nobody's.
        *current = to.map(|number| (number, Instant::now()));
    }
}

impl Observed {
    fn runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }

    fn time(&self) -> Duration {
        Duration::from_nanos(self.nanos.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests;
