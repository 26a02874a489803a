//! One clock for the fake tenants and the source.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use fake_tenant::TokioClock;
use pipeline_core::{Clock, Timestamp};

/// Runs with tokio's time, paused or not.
#[derive(Debug)]
pub(crate) struct SimulatedClock(TokioClock);

impl SimulatedClock {
    pub(crate) fn new(now: Timestamp) -> Arc<SimulatedClock> {
        Arc::new(SimulatedClock(TokioClock::new(now)))
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        fake_tenant::Clock::now(&self.0)
    }
}

impl fake_tenant::Clock for SimulatedClock {
    fn now(&self) -> DateTime<Utc> {
        fake_tenant::Clock::now(&self.0)
    }
}
