//! Transforms and sinks that do what their options say.

use std::{path::PathBuf, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use pipeline_core::{
    Batch, BuildError, Clock, ComponentId, ComponentMetrics, Event, Inlet, Outcome, Output,
    Outputs, Prepared, Problem, RunError, Schema, Shutdown, Sink, SinkConfig, SinkContext,
    Transform, TransformConfig, TransformContext, TransformFactory,
};
use serde::Deserialize;
use vrl::{path::OwnedValuePath, value::Value};

use super::script::{Claim, Observed, Scripted};

/// The number that an event's source has given it.
fn number(event: &Event) -> u64 {
    let number = event.value().get(&OwnedValuePath::single_field("n")).and_then(Value::as_integer);
    number.and_then(|number| u64::try_from(number).ok()).expect("every event has a number")
}

fn name(event: &Event) -> String {
    let of = event.value().get(&OwnedValuePath::single_field("of")).expect("it has a source");
    format!("{}{}", of.to_string_lossy(), number(event))
}

/// What a transform does with the events it is told to act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Action {
    Filter,
    Drop,
    Split,
    /// Forgets the event.
    Forget,
    /// Panics before it has touched any event of the batch.
    Panic,
}

/// A transform that acts on the events whose number leaves `rest` when divided by `every`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Act {
    every: u64,
    rest: u64,
    action: Action,
}

impl TransformConfig for Act {
    fn ports(&self) -> Vec<String> {
        vec!["dropped".to_owned()]
    }

    fn prepare(&self, _: &TransformContext<'_>) -> Result<Prepared, Vec<Problem>> {
        Ok(Prepared {
            outputs: vec![Output::main(Schema::any()), Output::named("dropped", Schema::any())],
            factory: Arc::new(*self),
            warnings: Vec::new(),
            files: Vec::new(),
        })
    }
}

impl TransformFactory for Act {
    fn worker(&self, _: &ComponentMetrics, _: &Arc<dyn Clock>) -> Box<dyn Transform> {
        Box::new(*self)
    }
}

impl Transform for Act {
    fn transform(&mut self, batch: Batch, outputs: &mut Outputs) {
        let chosen = |event: &Event| number(event) % self.every == self.rest;
        if self.action == Action::Panic && batch.events().iter().any(chosen) {
            // Without the hook that prints it.
            std::panic::resume_unwind(Box::new("the script says so"));
        }
        for event in batch {
            if !chosen(&event) {
                outputs.push(0, event);
                continue;
            }
            match self.action {
                Action::Filter => event.settle(Outcome::Filtered),
                Action::Drop => outputs.push(1, event),
                Action::Split => {
                    let value = event.value().clone();
                    for part in event.split(vec![value.clone(), value]) {
                        outputs.push(0, part);
                    }
                }
                Action::Forget => drop(event),
                Action::Panic => unreachable!("a batch without such an event is passed on"),
            }
        }
    }
}

/// How a sink ends before its edge does.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Ending {
    Fails,
    Panics,
    Leaves,
    /// Holds a batch until it is told to leave it.
    Sticks,
    /// Holds a batch whatever it is told.
    Hangs,
}

/// A sink that judges events by their numbers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SinkScript {
    /// Time spent on each batch.
    #[serde(default)]
    millis: u64,
    /// Outcomes by what the number leaves when divided by their count; `delivered` for all where there are none.
    #[serde(default)]
    verdicts: Vec<Word>,
    ending: Option<Ending>,
    /// The batch at which it ends, from 0.
    #[serde(default)]
    ends_at: usize,
    /// Says nothing; to make it another sink.
    #[serde(default)]
    #[expect(dead_code, reason = "only what stands in the configuration matters")]
    tag: String,
    /// Whether it cannot be opened.
    #[serde(default)]
    broken: bool,
    /// What no other sink may have at the same time.
    claim: Option<String>,
}

/// What a sink says of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Word {
    Delivered,
    Rejected,
    Errored,
    /// Errored when it comes for the first time, delivered after.
    ErroredOnce,
    Silence,
}

impl Word {
    pub(super) fn outcome(self) -> Outcome {
        match self {
            Word::Delivered => Outcome::Delivered,
            Word::Rejected => Outcome::Rejected,
            Word::Errored | Word::ErroredOnce | Word::Silence => Outcome::Errored,
        }
    }
}

struct ScriptedSink {
    _claim: Option<Claim>,
    id: ComponentId,
    script: SinkScript,
    observed: Arc<Observed>,
    metrics: ComponentMetrics,
}

impl SinkConfig for Scripted<SinkScript> {
    fn claims(&self) -> Vec<PathBuf> {
        self.script.claim.iter().map(PathBuf::from).collect()
    }

    fn build(&self, context: SinkContext) -> BoxFuture<'_, Result<Box<dyn Sink>, BuildError>> {
        let claim = self.script.claim.as_ref().map(|claim| self.observed.claim(claim));
        let is_broken = self.script.broken || claim.as_ref().is_some_and(Option::is_none);
        let sink: Box<dyn Sink> = Box::new(ScriptedSink {
            _claim: claim.flatten(),
            id: context.id,
            script: self.script.clone(),
            observed: Arc::clone(&self.observed),
            metrics: context.metrics,
        });
        Box::pin(async move {
            if is_broken {
                let source = std::io::Error::from(std::io::ErrorKind::NotFound);
                return Err(BuildError::new("the sink is broken", source));
            }
            Ok(sink)
        })
    }
}

impl Sink for ScriptedSink {
    fn run(
        self: Box<Self>,
        mut inlet: Inlet,
        shutdown: Shutdown,
    ) -> BoxFuture<'static, Result<(), RunError>> {
        Box::pin(async move {
            let mut number = 0;
            let _running = self.observed.one_at_a_time(&self.id);
            while let Some(batch) = inlet.next().await {
                match self.script.ending.filter(|_| number == self.script.ends_at) {
                    Some(Ending::Fails) => return Err(RunError::plain("the script says so")),
                    Some(Ending::Panics) => {
                        std::panic::resume_unwind(Box::new("the script says so"))
                    }
                    Some(Ending::Leaves) => return Ok(()),
                    Some(Ending::Sticks) => {
                        shutdown.abandoned().await;
                        return Ok(());
                    }
                    Some(Ending::Hangs) => std::future::pending().await,
                    None => {}
                }
                number += 1;
                tokio::select! {
                    biased;
                    () = shutdown.abandoned() => return Ok(()),
                    () = tokio::time::sleep(Duration::from_millis(self.script.millis)) => {}
                }
                self.take(batch);
            }
            Ok(())
        })
    }
}

impl ScriptedSink {
    fn take(&self, batch: Batch) {
        self.metrics.sent(batch.len(), batch.byte_size());
        self.observed.get(&self.id, batch.events().iter().map(name));
        for event in batch {
            let verdicts = &self.script.verdicts;
            let count = u64::try_from(verdicts.len()).expect("a small number").max(1);
            let at = usize::try_from(number(&event) % count).expect("a small number");
            match verdicts.get(at).copied().unwrap_or(Word::Delivered) {
                Word::Silence => drop(event),
                Word::ErroredOnce => {
                    let (own, got) = (name(&event), self.observed.got(&self.id));
                    let times = got.iter().filter(|name| **name == own).count();
                    let is_first = times == 1;
                    event.settle(if is_first { Outcome::Errored } else { Outcome::Delivered });
                }
                word => event.settle(word.outcome()),
            }
        }
    }
}
