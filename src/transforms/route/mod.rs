//! The transforms `route` and `exclusive_route`: events leave by the ports whose conditions hold.
//!
//! With `route`, an event leaves by every port that takes it; its copies share its acknowledgement. With
//! `exclusive_route`, the first port in order takes it. What no port takes leaves by `_unmatched`.
//!
//! Invariant: an event of which a condition cannot tell leaves by the port `dropped`, besides those that take it; with
//! `exclusive_route` by `dropped` alone, since it is not known whose it is.

mod config;

use std::sync::Arc;

use pipeline_core::{
    Batch, Clock, ComponentId, ComponentMetrics, Event, Outputs, Transform, TransformFactory,
};

pub use config::{Config, ExclusiveConfig};

use super::dropping::Dropping;
use crate::program::{Condition, Failure, Judge};

/// How many ports may take an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takers {
    All,
    First,
}

/// Checked routes, from which workers are made. The ports: one for each condition, `_unmatched` if there is one, and
/// `dropped`.
struct Routes {
    id: ComponentId,
    conditions: Vec<Condition>,
    takers: Takers,
    has_unmatched: bool,
}

impl TransformFactory for Routes {
    fn worker(&self, metrics: &ComponentMetrics, _clock: &Arc<dyn Clock>) -> Box<dyn Transform> {
        let unmatched = self.conditions.len();
        Box::new(Worker {
            judges: self.conditions.iter().map(Judge::new).collect(),
            takers: self.takers,
            unmatched: self.has_unmatched.then_some(unmatched),
            dropped: unmatched + usize::from(self.has_unmatched),
            dropping: Dropping::new(&self.id, metrics),
        })
    }
}

struct Worker {
    judges: Vec<Judge>,
    takers: Takers,
    /// Number of the port `_unmatched`.
    unmatched: Option<usize>,
    /// Number of the port `dropped`.
    dropped: usize,
    dropping: Dropping,
}

/// Which ports an event leaves by.
#[derive(Default)]
struct Verdict {
    ports: Vec<usize>,
    /// The first failure of a condition.
    failure: Option<Failure>,
}

impl Transform for Worker {
    fn transform(&mut self, batch: Batch, outputs: &mut Outputs) {
        for mut event in batch {
            let verdict = self.judge(&mut event);
            self.send(event, verdict, outputs);
        }
    }
}

impl Worker {
    fn judge(&mut self, event: &mut Event) -> Verdict {
        let mut verdict = Verdict::default();
        for (port, judge) in self.judges.iter_mut().enumerate() {
            match judge.holds(event) {
                Ok(true) => verdict.ports.push(port),
                Ok(false) => continue,
                Err(failure) => {
                    self.dropping.count(&failure);
                    verdict.failure.get_or_insert(failure);
                }
            }
            if self.takers == Takers::First {
                break;
            }
        }
        verdict
    }

    fn send(&self, mut event: Event, verdict: Verdict, outputs: &mut Outputs) {
        let Verdict { mut ports, failure } = verdict;
        let Some(failure) = failure else {
            match ports.pop().or(self.unmatched) {
                Some(last) => copy(event, &ports, last, outputs),
                None => self.dropping.filter(event),
            }
            return;
        };
        for port in ports {
            outputs.push(port, event.clone());
        }
        self.dropping.note(&mut event, failure);
        outputs.push(self.dropped, event);
    }
}

/// Lets a copy of the event out by each of `ports`, and the event itself by `last`.
fn copy(event: Event, ports: &[usize], last: usize, outputs: &mut Outputs) {
    for &port in ports {
        outputs.push(port, event.clone());
    }
    outputs.push(last, event);
}

#[cfg(test)]
mod tests;
