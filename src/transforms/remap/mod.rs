//! The transform `remap`: a VRL program applied to every event.
//!
//! The program is compiled once, against the merged kinds of all that feeds the transform; what its own compiler says
//! of the result is the kind of the default port. What became of an event:
//!
//! | the run ended | the event |
//! |---|---|
//! | with an object at the root | goes on by the default port |
//! | with an array of objects at the root | is split: each object goes on as an event, none at all means filtered out |
//! | in an error, or over its timeout | leaves by the port `dropped` as it came, with the reason in its metadata; with `drop_on_error = false` it goes on as it came |
//! | in an `abort` | was filtered out on purpose; with `drop_on_abort = false` it goes on as it came |
//!
//! The reason stands under `%dropped`: `component_id`, `reason` (`error` or `timeout`) and `message`. Where nothing
//! reads the port, its events become dead letters; that is the topology's doing.
//!
//! The objects that a record is split into need ids of their own: a sink that goes by an id takes the second of the
//! same id for a copy of the first.
//!
//! Invariant: no event is lost here without an `abort`, and none leaves half changed.

mod config;
mod setting;

use std::{sync::Arc, time::Duration};

use pipeline_core::{
    Batch, Clock, ComponentId, ComponentMetrics, Event, Outputs, Transform, TransformFactory,
};
use vrl::value::Value;

pub use config::Config;

use super::dropping::Dropping;
use crate::program::{Failure, FailureKind, Program, Root, Runner};

/// Number of the default port.
const MAIN: usize = 0;

/// Number of the port `dropped`, where there is one.
const DROPPED: usize = 1;

/// A checked remap, from which workers are made.
struct Remap {
    id: ComponentId,
    program: Arc<Program>,
    timeout: Duration,
    policy: Policy,
}

/// Where a failed event goes.
#[derive(Clone, Copy, Debug)]
struct Policy {
    on_error: Fate,
    on_abort: Fate,
}

#[derive(Clone, Copy, Debug)]
enum Fate {
    /// It does not reach the default port.
    Drop,
    /// It goes on as it came.
    Pass,
}

impl TransformFactory for Remap {
    fn worker(&self, metrics: &ComponentMetrics, _clock: &Arc<dyn Clock>) -> Box<dyn Transform> {
        Box::new(Worker {
            runner: Runner::new(Arc::clone(&self.program), self.timeout),
            policy: self.policy,
            dropping: Dropping::new(&self.id, metrics),
            metrics: metrics.clone(),
        })
    }
}

struct Worker {
    runner: Runner,
    policy: Policy,
    dropping: Dropping,
    metrics: ComponentMetrics,
}

impl Transform for Worker {
    fn transform(&mut self, batch: Batch, outputs: &mut Outputs) {
        for mut event in batch {
            match self.runner.run(&mut event) {
                Ok(Root::Object) => outputs.push(MAIN, event),
                Ok(Root::Objects(objects)) => self.split(event, objects, outputs),
                Err(failure) => self.fail(event, failure, outputs),
            }
        }
    }
}

impl Worker {
    fn split(&self, event: Event, objects: Vec<Value>, outputs: &mut Outputs) {
        if objects.is_empty() {
            self.metrics.discarded_intentionally(1);
        }
        for part in event.split(objects) {
            outputs.push(MAIN, part);
        }
    }

    fn fail(&mut self, mut event: Event, failure: Failure, outputs: &mut Outputs) {
        if failure.kind == FailureKind::Abort {
            match self.policy.on_abort {
                Fate::Pass => outputs.push(MAIN, event),
                Fate::Drop => self.dropping.filter(event),
            }
            return;
        }
        self.dropping.count(&failure);
        match self.policy.on_error {
            Fate::Pass => outputs.push(MAIN, event),
            Fate::Drop => {
                self.dropping.note(&mut event, failure);
                outputs.push(DROPPED, event);
            }
        }
    }
}

#[cfg(test)]
mod tests;
