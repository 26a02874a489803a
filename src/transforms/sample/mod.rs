//! The transform `sample`: a share of the events goes on, the rest is dropped on purpose.
//!
//! Invariant: whether an event goes on is decided by what it says, not by a counter or a die: an event that is sent
//! again fares as it did before, in every run.

use std::{num::NonZeroU32, sync::Arc};

use pipeline_core::{
    Batch, Clock, ComponentId, ComponentMetrics, DROPPED_PORT, Event, Output, Outputs, Prepared,
    Problem, Transform, TransformConfig, TransformContext, TransformFactory,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
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

/// A share of the events goes on: always the same ones, by what they say.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How many events there are for each that goes on: 10 is a tenth of them. Give `rate` or `ratio`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<NonZeroU32>,
    /// The share of the events that goes on, as `0.1`. Give `rate` or `ratio`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// The field that decides: all events with the same value in it go on, or none. By default, and for an event without
    /// the field, the whole event decides. Events that are dropped count as delivered.
    #[serde(default, with = "units::field_path_option", skip_serializing_if = "Option::is_none")]
    pub key_field: Option<OwnedValuePath>,
    /// A condition: events for which it holds go on, and are not sampled. Where it fails, the event leaves by the port
    /// `dropped`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclude: Option<String>,
}

impl TransformConfig for Config {
    fn ports(&self) -> Vec<String> {
        vec![DROPPED_PORT.to_owned()]
    }

    fn prepare(&self, context: &TransformContext<'_>) -> Result<Prepared, Vec<Problem>> {
        let (input, mut warnings) = (&context.input, Vec::new());
        let mut problems = Vec::new();
        let share = self.share().map_err(|problem| problems.push(problem)).unwrap_or_default();
        let exclude = self.exclude.as_deref();
        let exclude = exclude.map(|text| condition("exclude", text, context, &mut warnings));
        let exclude = exclude.transpose().map_err(|problem| problems.push(problem));
        let (true, Ok(exclude)) = (problems.is_empty(), exclude) else { return Err(problems) };
        let outputs = vec![Output::main(input.clone()), dropped_output(input)];
        let factory =
            Sample { id: Arc::clone(&context.id), share, key: self.key_field.clone(), exclude };
        Ok(Prepared { outputs, factory: Arc::new(factory), warnings, files: Vec::new() })
    }
}

impl Config {
    fn share(&self) -> Result<Share, Problem> {
        match (self.rate, self.ratio) {
            (Some(rate), None) => Ok(Share::one_in(rate)),
            (None, Some(ratio)) if ratio > 0.0 && ratio <= 1.0 => Ok(Share::part(ratio)),
            (None, Some(ratio)) => {
                let problem = Problem::at("ratio", format!("`{ratio}` is no share of the events"));
                Err(problem.fix("give a number above 0, and at most 1"))
            }
            (given, _) => {
                let (key, what) = match given {
                    Some(_) => ("ratio", "there is both a `rate` and a `ratio`"),
                    None => ("", "it is not said how many events go on"),
                };
                Err(Problem::at(key, what).fix("give either `rate` or `ratio`"))
            }
        }
    }
}

/// Which of all numbers of 64 bits are taken: those below this.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Share(u128);

impl Share {
    fn one_in(rate: NonZeroU32) -> Share {
        Share((1 << 64) / u128::from(rate.get()))
    }

    /// `ratio` is above 0, and at most 1.
    fn part(ratio: f64) -> Share {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is not negative, and at most 2^64"
        )]
        Share((ratio * 2_f64.powi(64)) as u128)
    }

    fn takes(self, number: u64) -> bool {
        u128::from(number) < self.0
    }
}

/// A checked sample, from which workers are made.
struct Sample {
    id: ComponentId,
    share: Share,
    key: Option<OwnedValuePath>,
    exclude: Option<Condition>,
}

impl TransformFactory for Sample {
    fn worker(&self, metrics: &ComponentMetrics, _clock: &Arc<dyn Clock>) -> Box<dyn Transform> {
        Box::new(Worker {
            share: self.share,
            key: self.key.clone(),
            exclude: self.exclude.as_ref().map(Judge::new),
            dropping: Dropping::new(&self.id, metrics),
        })
    }
}

struct Worker {
    share: Share,
    key: Option<OwnedValuePath>,
    exclude: Option<Judge>,
    dropping: Dropping,
}

impl Transform for Worker {
    fn transform(&mut self, batch: Batch, outputs: &mut Outputs) {
        for mut event in batch {
            match self.exclude.as_mut().map_or(Ok(false), |judge| judge.holds(&mut event)) {
                Ok(is_excluded) if is_excluded || self.takes(&event) => outputs.push(MAIN, event),
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
    fn takes(&self, event: &Event) -> bool {
        let key = self.key.as_ref().and_then(|path| event.at(path));
        self.share.takes(Fingerprint::of([key.unwrap_or(event.value())]).number())
    }
}

#[cfg(test)]
mod tests;
