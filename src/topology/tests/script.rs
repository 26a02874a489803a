//! Components that do what their options say. What they see goes to the [`Observed`] of the test's thread.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use pipeline_core::{
    AckGroup, Batch, BuildError, Clock, ComponentId, ComponentKind, ComponentMetrics, Event, Fates,
    Inlet, Origin, Outcome, Outlet, Output, Outputs, Prepared, Problem, Receipt, RunError, Schema,
    Shutdown, Sink, SinkConfig, SinkContext, Source, SourceConfig, SourceContext, Transform,
    TransformConfig, TransformContext, TransformFactory,
};
use serde::Deserialize;
use vrl::{
    path::OwnedValuePath,
    value::{ObjectMap, Value},
};

use super::rig::Letters;
use crate::{
    config::{RegistryEntry, Settings, read_settings},
    transforms::remap,
};

/// What became of one batch of a source, and how many dead letters there were when that was known.
#[derive(Clone, Debug)]
pub(super) struct Settled {
    pub(super) fates: Fates,
    pub(super) letters: usize,
}

/// What the scripted components have seen.
#[derive(Debug, Default)]
pub(super) struct Observed {
    pub(super) letters: Letters,
    /// Batches that the topology has taken from all sources.
    pub(super) batches_taken: AtomicUsize,
    /// Names of the events that each sink has got, in order.
    got: Mutex<BTreeMap<String, Vec<String>>>,
    settled: Mutex<BTreeMap<(String, usize), Settled>>,
    /// Receipts that their source did not wait for.
    pub(super) left: Mutex<Vec<(String, usize, Receipt)>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Observed {
    pub(super) fn got(&self, sink: &str) -> Vec<String> {
        lock(&self.got).get(sink).cloned().unwrap_or_default()
    }

    /// What became of a source's batches, by their numbers.
    pub(super) fn settled(&self, source: &str) -> Vec<Settled> {
        let settled = lock(&self.settled);
        settled.iter().filter(|((id, _), _)| id == source).map(|(_, found)| found.clone()).collect()
    }

    pub(super) fn settle(&self, source: &str, number: usize, fates: Fates) {
        let letters = self.letters.kept();
        let earlier =
            lock(&self.settled).insert((source.to_owned(), number), Settled { fates, letters });
        assert!(earlier.is_none(), "batch {number} of {source} was settled twice");
    }

    pub(super) fn take_left(&self) -> Vec<(String, usize, Receipt)> {
        std::mem::take(&mut lock(&self.left))
    }
}

thread_local! {
    static OBSERVED: RefCell<Arc<Observed>> = RefCell::default();
}

/// Makes an [`Observed`] for the components that this thread reads from now on.
pub(super) fn observe(letters_failing: usize) -> Arc<Observed> {
    let observed = Observed { letters: Letters::failing(letters_failing), ..Observed::default() };
    let observed = Arc::new(observed);
    OBSERVED.set(Arc::clone(&observed));
    observed
}

pub(super) const REGISTRY: &[RegistryEntry] = &[
    RegistryEntry {
        name: "script",
        kind: ComponentKind::Source,
        read: |node, faults| {
            read_settings::<SourceScript>(node, faults).map(|script| {
                Settings::Source(Box::new(Scripted {
                    script,
                    observed: OBSERVED.with_borrow(Arc::clone),
                }))
            })
        },
    },
    RegistryEntry {
        name: "act",
        kind: ComponentKind::Transform,
        read: |node, faults| {
            read_settings::<Act>(node, faults).map(|act| Settings::Transform(Box::new(act)))
        },
    },
    RegistryEntry {
        name: "remap",
        kind: ComponentKind::Transform,
        read: |node, faults| {
            read_settings::<remap::Config>(node, faults)
                .map(|config| Settings::Transform(Box::new(config)))
        },
    },
    RegistryEntry {
        name: "script",
        kind: ComponentKind::Sink,
        read: |node, faults| {
            read_settings::<SinkScript>(node, faults).map(|script| {
                Settings::Sink(Box::new(Scripted {
                    script,
                    observed: OBSERVED.with_borrow(Arc::clone),
                }))
            })
        },
    },
];

#[derive(Debug)]
struct Scripted<T> {
    script: T,
    observed: Arc<Observed>,
}

/// A source that sends events numbered from 0, and never sends one again.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceScript {
    batches: usize,
    /// Events in a batch.
    events: usize,
    /// Whether it waits for the order to drain when all is delivered.
    #[serde(default)]
    stays: bool,
}

struct ScriptedSource {
    id: ComponentId,
    script: SourceScript,
    observed: Arc<Observed>,
}

impl SourceConfig for Scripted<SourceScript> {
    fn outputs(&self) -> Vec<Output> {
        vec![Output::main(Schema::any())]
    }

    fn build(&self, context: SourceContext) -> BoxFuture<'_, Result<Box<dyn Source>, BuildError>> {
        let source: Box<dyn Source> = Box::new(ScriptedSource {
            id: context.id,
            script: self.script.clone(),
            observed: Arc::clone(&self.observed),
        });
        Box::pin(async { Ok(source) })
    }
}

impl Source for ScriptedSource {
    fn run(
        self: Box<Self>,
        outlet: Outlet,
        shutdown: Shutdown,
    ) -> BoxFuture<'static, Result<(), RunError>> {
        Box::pin(async move {
            let mut receipts = Vec::new();
            let mut result = Ok(());
            for number in 0..self.script.batches {
                let (batch, receipt) = self.batch(number);
                receipts.push((number, receipt));
                tokio::select! {
                    sent = outlet.send(batch) => if let Err(closed) = sent {
                        result = Err(RunError::new("cannot send", closed));
                        break;
                    },
                    () = shutdown.draining() => break,
                }
                self.observed.batches_taken.fetch_add(1, Ordering::SeqCst);
            }
            let mut receipts = receipts.into_iter();
            while let Some((number, mut receipt)) = receipts.next() {
                tokio::select! {
                    fates = &mut receipt => self.observed.settle(&self.id, number, fates),
                    () = shutdown.abandoned() => {
                        let left = receipts.by_ref().chain([(number, receipt)]);
                        lock(&self.observed.left).extend(left.map(|(number, receipt)| (self.id.to_string(), number, receipt)));
                    }
                }
            }
            if self.script.stays && result.is_ok() {
                shutdown.draining().await;
            }
            result
        })
    }
}

impl ScriptedSource {
    fn batch(&self, number: usize) -> (Batch, Receipt) {
        let origin = Origin::new(&*self.id, Value::Object(ObjectMap::new()));
        let (group, receipt) = AckGroup::new(self.script.events);
        let event = |index| {
            let name = number * self.script.events + index;
            let fields = [
                ("n".into(), Value::from(i64::try_from(name).expect("a small number"))),
                ("of".into(), Value::from(&*self.id)),
            ];
            Event::new(Value::Object(fields.into()), 10, Arc::clone(&origin), group.ack(index))
        };
        let events: Vec<Event> = (0..self.script.events).map(event).collect();
        (Batch::from(events), receipt)
    }
}

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
struct Act {
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
struct SinkScript {
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
}

/// What a sink says of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Word {
    Delivered,
    Rejected,
    Errored,
    Silence,
}

impl Word {
    pub(super) fn outcome(self) -> Outcome {
        match self {
            Word::Delivered => Outcome::Delivered,
            Word::Rejected => Outcome::Rejected,
            Word::Errored | Word::Silence => Outcome::Errored,
        }
    }
}

struct ScriptedSink {
    id: ComponentId,
    script: SinkScript,
    observed: Arc<Observed>,
    metrics: ComponentMetrics,
}

impl SinkConfig for Scripted<SinkScript> {
    fn build(&self, context: SinkContext) -> BoxFuture<'_, Result<Box<dyn Sink>, BuildError>> {
        let sink: Box<dyn Sink> = Box::new(ScriptedSink {
            id: context.id,
            script: self.script.clone(),
            observed: Arc::clone(&self.observed),
            metrics: context.metrics,
        });
        Box::pin(async { Ok(sink) })
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
                tokio::time::sleep(Duration::from_millis(self.script.millis)).await;
                self.take(batch);
            }
            Ok(())
        })
    }
}

impl ScriptedSink {
    fn take(&self, batch: Batch) {
        self.metrics.sent(batch.len(), batch.byte_size());
        let names = batch.events().iter().map(name);
        lock(&self.observed.got).entry(self.id.to_string()).or_default().extend(names);
        for event in batch {
            let verdicts = &self.script.verdicts;
            let count = u64::try_from(verdicts.len()).expect("a small number").max(1);
            let at = usize::try_from(number(&event) % count).expect("a small number");
            match verdicts.get(at).copied().unwrap_or(Word::Delivered) {
                Word::Silence => drop(event),
                word => event.settle(word.outcome()),
            }
        }
    }
}
