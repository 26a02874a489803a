//! The registry of scripted components, and a source. What they see goes to the [`Observed`] of the test's thread.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::future::BoxFuture;
use pipeline_core::{
    AckGroup, Batch, BuildError, ComponentId, ComponentKind, Event, Fates, Origin, Outlet, Output,
    Receipt, RunError, Schema, Shutdown, Source, SourceConfig, SourceContext,
};
use serde::Deserialize;
use vrl::value::{ObjectMap, Value};

use super::{
    ledger::{Ledger, LedgerScript},
    rig::Letters,
    steps::{Act, SinkScript},
};
use crate::{
    config::{RegistryEntry, Settings, read_settings},
    topology::Farewell,
    transforms::{dedupe, remap, route},
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
    /// Components that were said to be gone.
    gone: Mutex<Vec<String>>,
    /// What only one may have at a time, and somebody has.
    claims: Mutex<BTreeSet<String>>,
    starts: Mutex<BTreeMap<String, usize>>,
    /// What outlives sources.
    ledgers: Mutex<BTreeMap<String, Arc<Mutex<Ledger>>>>,
    /// Receipts that their source did not wait for.
    pub(super) left: Mutex<Vec<(String, usize, Receipt)>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Observed {
    pub(super) fn ledger_of(&self, source: &str) -> Arc<Mutex<Ledger>> {
        Arc::clone(lock(&self.ledgers).entry(source.to_owned()).or_default())
    }

    /// Notes that somebody has `name` until this is dropped; nothing where another one has it.
    pub(super) fn claim(self: &Arc<Self>, name: &str) -> Option<Claim> {
        let is_free = lock(&self.claims).insert(name.to_owned());
        is_free.then(|| Claim(Arc::clone(self), name.to_owned()))
    }

    /// Notes that a sink runs until this is dropped, and that no other of its name does.
    pub(super) fn one_at_a_time(self: &Arc<Self>, sink: &str) -> Claim {
        let running = self.claim(&format!("sink {sink}"));
        *lock(&self.starts).entry(sink.to_owned()).or_default() += 1;
        running.unwrap_or_else(|| panic!("two sinks `{sink}` run at the same time"))
    }

    /// How often a sink was started.
    pub(super) fn starts(&self, sink: &str) -> usize {
        lock(&self.starts).get(sink).copied().unwrap_or_default()
    }

    /// The components that are gone, in order.
    pub(super) fn gone(&self) -> Vec<String> {
        lock(&self.gone).clone()
    }

    pub(super) fn get(&self, sink: &str, names: impl Iterator<Item = String>) {
        lock(&self.got).entry(sink.to_owned()).or_default().extend(names);
    }

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

/// Something that only one may have.
pub(super) struct Claim(Arc<Observed>, String);

impl Drop for Claim {
    fn drop(&mut self) {
        lock(&self.0.claims).remove(&self.1);
    }
}

impl Farewell for Observed {
    fn gone(&self, id: &ComponentId) {
        lock(&self.gone).push(id.to_string());
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
        name: "ledger",
        kind: ComponentKind::Source,
        schema: |_| schemars::Schema::default(),
        read: |node, faults| {
            read_settings::<LedgerScript>(node, faults).map(|script| {
                Settings::Source(Box::new(Scripted {
                    script,
                    observed: OBSERVED.with_borrow(Arc::clone),
                }))
            })
        },
    },
    RegistryEntry {
        name: "script",
        kind: ComponentKind::Source,
        schema: |_| schemars::Schema::default(),
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
        schema: |_| schemars::Schema::default(),
        read: |node, faults| {
            read_settings::<Act>(node, faults).map(|act| Settings::Transform(Box::new(act)))
        },
    },
    RegistryEntry {
        name: "remap",
        kind: ComponentKind::Transform,
        schema: |_| schemars::Schema::default(),
        read: |node, faults| {
            read_settings::<remap::Config>(node, faults)
                .map(|config| Settings::Transform(Box::new(config)))
        },
    },
    RegistryEntry {
        name: "route",
        kind: ComponentKind::Transform,
        schema: |_| schemars::Schema::default(),
        read: |node, faults| {
            read_settings::<route::Config>(node, faults)
                .map(|config| Settings::Transform(Box::new(config)))
        },
    },
    RegistryEntry {
        name: "dedupe",
        kind: ComponentKind::Transform,
        schema: |_| schemars::Schema::default(),
        read: |node, faults| {
            read_settings::<dedupe::Config>(node, faults)
                .map(|config| Settings::Transform(Box::new(config)))
        },
    },
    RegistryEntry {
        name: "script",
        kind: ComponentKind::Sink,
        schema: |_| schemars::Schema::default(),
        read: |node, faults| {
            read_settings::<SinkScript>(node, faults).map(|script| {
                Settings::Sink(Arc::new(Scripted {
                    script,
                    observed: OBSERVED.with_borrow(Arc::clone),
                }))
            })
        },
    },
];

#[derive(Debug)]
pub(super) struct Scripted<T> {
    pub(super) script: T,
    pub(super) observed: Arc<Observed>,
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
