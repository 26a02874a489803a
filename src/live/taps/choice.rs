//! Which events a watcher sees: as many a second as it may, of those for which its condition holds.
//!
//! Invariant: choosing never takes more than a small part of the time of those who bring the events.

use std::time::Duration;

use pipeline_core::Event;
use tokio::time::Instant;

use crate::program::{Condition, Judge};

/// How long a condition may work on one event.
const CONDITION_TIMEOUT: Duration = Duration::from_millis(10);

/// The time within which conditions may work for [`WORK_MAX`].
const WORK_INTERVAL: Duration = Duration::from_secs(1);

/// A twentieth of one core: then the watcher sees nothing until the interval is over.
const WORK_MAX: Duration = Duration::from_millis(50);

/// What became of an event that a watcher could see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chosen {
    /// It is to be shown.
    Yes,
    /// The condition does not hold for it.
    No,
    /// It was not looked at.
    Skipped,
}

#[derive(Debug)]
pub(super) struct Choice {
    rate: f64,
    /// Events that may be shown now.
    allowed: f64,
    allowed_at: Instant,
    judge: Option<Judge>,
    worked: Duration,
    works_since: Instant,
}

impl Choice {
    /// At most `rate` events a second, of those for which `condition` holds.
    pub(super) fn new(rate: f64, condition: Option<&Condition>) -> Choice {
        let now = Instant::now();
        Choice {
            rate,
            allowed: rate.max(1.0),
            allowed_at: now,
            judge: condition.map(|condition| Judge::impatient(condition, CONDITION_TIMEOUT)),
            worked: Duration::ZERO,
            works_since: now,
        }
    }

    /// Makes up for the time since the last batch.
    pub(super) fn refresh(&mut self) {
        let now = Instant::now();
        let earned = now.duration_since(self.allowed_at).as_secs_f64() * self.rate;
        self.allowed = (self.allowed + earned).min(self.rate.max(1.0));
        self.allowed_at = now;
        if now.duration_since(self.works_since) >= WORK_INTERVAL {
            (self.worked, self.works_since) = (Duration::ZERO, now);
        }
    }

    /// Whether nothing more can be shown now.
    pub(super) fn is_spent(&self) -> bool {
        self.allowed < 1.0 || self.worked >= WORK_MAX
    }

    pub(super) fn of(&mut self, event: &Event) -> Chosen {
        if self.is_spent() {
            return Chosen::Skipped;
        }
        if let Some(judge) = &mut self.judge {
            let start = Instant::now();
            let holds = judge.holds_for(event);
            self.worked += start.elapsed();
            if !holds.unwrap_or(false) {
                return Chosen::No;
            }
        }
        self.allowed -= 1.0;
        Chosen::Yes
    }
}
