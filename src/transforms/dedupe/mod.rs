//! The transform `dedupe`: of events that are the same in some fields, the first goes on.
//!
//! Invariants: an event is dropped as a copy only once the one it is a copy of was delivered, filtered, or kept as a
//! dead letter. While that one is on its way, the copy's acknowledgement waits for its fate, and shares it; when it could not
//! be delivered, it is forgotten before its source learns of that, so that it is no copy of itself when it comes again.
//! Events are compared by fingerprints that differ where they do. What is remembered is bounded.
//!
//! What is remembered is lost with the process: what comes again after a restart goes on again.

mod config;
mod seen;

use std::sync::Arc;

use pipeline_core::{Batch, Clock, ComponentMetrics, Event, Outputs, Transform, TransformFactory};
use tokio::time::Instant;
use vrl::{path::OwnedValuePath, value::Value};

pub use config::{Cache, Config, Fields};

use self::seen::Seen;
use super::fingerprint::Fingerprint;

/// Number of the only port.
const MAIN: usize = 0;

/// A checked dedupe, from which workers are made.
struct Dedupe {
    compared: Arc<Compared>,
    /// Shared by all workers.
    seen: Arc<Seen>,
}

/// What of two events is compared.
#[derive(Debug)]
enum Compared {
    /// These fields.
    Only(Vec<OwnedValuePath>),
    /// All but these.
    AllBut(Vec<OwnedValuePath>),
}

impl Compared {
    /// What the event is compared by. Nothing where it lacks a field, for that says nothing of whose copy it is.
    fn fingerprint(&self, event: &Event) -> Option<Fingerprint> {
        match self {
            Compared::Only(paths) => {
                let field = |path| event.at(path).filter(|value| !value.is_null());
                let values: Option<Vec<&Value>> = paths.iter().map(field).collect();
                values.map(Fingerprint::of)
            }
            Compared::AllBut(paths) => {
                let mut value = event.value().clone();
                for path in paths {
                    value.remove(path, false);
                }
                Some(Fingerprint::of([&value]))
            }
        }
    }
}

impl TransformFactory for Dedupe {
    fn worker(&self, metrics: &ComponentMetrics, _clock: &Arc<dyn Clock>) -> Box<dyn Transform> {
        Box::new(Worker {
            compared: Arc::clone(&self.compared),
            seen: Arc::clone(&self.seen),
            metrics: metrics.clone(),
        })
    }
}

struct Worker {
    compared: Arc<Compared>,
    seen: Arc<Seen>,
    metrics: ComponentMetrics,
}

impl Transform for Worker {
    fn transform(&mut self, batch: Batch, outputs: &mut Outputs) {
        let now = Instant::now();
        for event in batch {
            let event = match self.compared.fingerprint(&event) {
                Some(fingerprint) => Seen::pass(&self.seen, fingerprint, event, now, &self.metrics),
                None => Some(event),
            };
            if let Some(event) = event {
                outputs.push(MAIN, event);
            }
        }
    }
}

#[cfg(test)]
mod tests;
