//! The transform `throttle`: so many events in a span of time go on, what comes above that is dropped on purpose.
//!
//! Each key has an allowance of `threshold` events that is whole at first, and grows by `threshold` in each `window`
//! (the generic cell rate algorithm: what is kept of a key is the time at which its allowance is whole again). An event
//! that could not be delivered and is sent again counts again.
//!
//! Invariant: what is kept is bounded. Of a key that is forgotten for another, more events may go on, never fewer.

use std::{
    num::{NonZeroU32, NonZeroUsize},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hashlink::LruCache;
use pipeline_core::{
    Batch, Clock, ComponentId, ComponentMetrics, DROPPED_PORT, Event, Output, Outputs, Prepared,
    Problem, Transform, TransformConfig, TransformContext, TransformFactory,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use vrl::path::OwnedValuePath;

use super::{
    dropping::{Dropping, condition, dropped_output},
    fingerprint::Fingerprint,
};
use crate::{
    config::units,
    program::{Condition, Judge},
};

/// Number of the default port.
const MAIN: usize = 0;

/// Number of the port `dropped`.
const DROPPED: usize = 1;

/// Keys that are remembered: 10 MB of them. The one that was not seen for longest is forgotten first.
const KEYS_MAX: NonZeroUsize = NonZeroUsize::new(100_000).expect("it is not zero");

/// So many events in a span of time go on; what comes above that is dropped on purpose, which counts as delivered.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How many events go on in each `window`. So many may come at once; the allowance then grows again evenly.
    pub threshold: NonZeroU32,
    /// The span of time for `threshold`.
    #[serde(default = "one_second", with = "units::duration")]
    pub window: Duration,
    /// The field whose every value has an allowance of its own; events without it share one. By default all events do.
    #[serde(default, with = "units::field_path_option", skip_serializing_if = "Option::is_none")]
    pub key_field: Option<OwnedValuePath>,
    /// A condition: events for which it holds go on, and do not count. Where it fails, the event leaves by the port
    /// `dropped`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclude: Option<String>,
}

fn one_second() -> Duration {
    Duration::from_secs(1)
}

impl TransformConfig for Config {
    fn ports(&self) -> Vec<String> {
        vec![DROPPED_PORT.to_owned()]
    }

    fn depends_on_settings_alone(&self) -> bool {
        self.exclude.is_none()
    }

    fn prepare(&self, context: &TransformContext<'_>) -> Result<Prepared, Vec<Problem>> {
        let (input, mut warnings) = (&context.input, Vec::new());
        let mut problems = Vec::new();
        if self.window.is_zero() {
            let problem = Problem::at("window", "a window of no time lets nothing through");
            problems.push(problem.fix("give a span such as \"1s\""));
        }
        let exclude = self.exclude.as_deref();
        let exclude = exclude.map(|text| condition("exclude", text, context, &mut warnings));
        let exclude = exclude.transpose().map_err(|problem| problems.push(problem));
        let (true, Ok(exclude)) = (problems.is_empty(), exclude) else { return Err(problems) };
        let outputs = vec![Output::main(input.clone()), dropped_output(input)];
        let factory = Throttle {
            id: Arc::clone(&context.id),
            allowances: Arc::new(Allowances::new(self.threshold, self.window)),
            key: self.key_field.clone(),
            exclude,
        };
        Ok(Prepared { outputs, factory: Arc::new(factory), warnings, files: Vec::new() })
    }
}

/// What is left to each key. Shared by all workers.
struct Allowances {
    /// The time in which an allowance grows by one event.
    interval: Duration,
    /// The time in which it becomes whole.
    whole: Duration,
    /// When the allowance of each key is whole again.
    whole_at: Mutex<LruCache<Option<Fingerprint>, Instant>>,
}

impl Allowances {
    fn new(threshold: NonZeroU32, window: Duration) -> Allowances {
        let interval = window / threshold.get();
        let whole = interval * threshold.get();
        let whole_at = Mutex::new(LruCache::new(KEYS_MAX.get()));
        Allowances { interval, whole, whole_at }
    }

    /// Takes one event from the allowance of `key`, if there is one left.
    fn take(&self, key: Option<Fingerprint>, now: Instant) -> bool {
        let mut whole_at = self.whole_at.lock().unwrap_or_else(PoisonError::into_inner);
        let before = whole_at.get(&key).map_or(now, |at| now.max(*at));
        let after = before + self.interval;
        let is_left = after <= now + self.whole;
        if is_left {
            whole_at.insert(key, after);
        }
        is_left
    }
}

/// A checked throttle, from which workers are made.
struct Throttle {
    id: ComponentId,
    allowances: Arc<Allowances>,
    key: Option<OwnedValuePath>,
    exclude: Option<Condition>,
}

impl TransformFactory for Throttle {
    fn worker(&self, metrics: &ComponentMetrics, _clock: &Arc<dyn Clock>) -> Box<dyn Transform> {
        Box::new(Worker {
            allowances: Arc::clone(&self.allowances),
            key: self.key.clone(),
            exclude: self.exclude.as_ref().map(Judge::new),
            dropping: Dropping::new(&self.id, metrics),
        })
    }
}

struct Worker {
    allowances: Arc<Allowances>,
    key: Option<OwnedValuePath>,
    exclude: Option<Judge>,
    dropping: Dropping,
}

impl Transform for Worker {
    fn transform(&mut self, batch: Batch, outputs: &mut Outputs) {
        let now = Instant::now();
        for mut event in batch {
            match self.exclude.as_mut().map_or(Ok(false), |judge| judge.holds(&mut event)) {
                Ok(is_excluded) if is_excluded || self.may_pass(&event, now) => {
                    outputs.push(MAIN, event);
                }
                Ok(_) => self.dropping.filter(event),
                Err(failure) => {
                    self.dropping.count(&failure);
                    self.dropping.note(&mut event, failure);
                    outputs.push(DROPPED, event);
                }
            }
        }
    }
}

impl Worker {
    fn may_pass(&self, event: &Event, now: Instant) -> bool {
        let key = self.key.as_ref().and_then(|path| event.at(path));
        self.allowances.take(key.map(|value| Fingerprint::of([value])), now)
    }
}

#[cfg(test)]
mod tests;
