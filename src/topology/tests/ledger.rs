//! A source that sends again what was not delivered, and whose state outlives it: what it has sent, and what it still owes.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use pipeline_core::{
    AckGroup, Batch, BuildError, ComponentId, Event, Origin, Outcome, Outlet, Output, RunError,
    Schema, Shutdown, Source, SourceConfig, SourceContext,
};
use serde::Deserialize;
use tokio::time::sleep;
use vrl::value::{ObjectMap, Value};

use super::script::{Observed, Scripted};

/// How many batches may be under way.
const BATCHES_MAX: usize = 8;

/// A source that sends a batch every so often for as long as it runs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LedgerScript {
    every_millis: u64,
    events: usize,
    /// Says nothing; to make it another source.
    #[serde(default)]
    #[expect(dead_code, reason = "only what stands in the configuration matters")]
    tag: String,
    /// Whether it cannot be opened.
    #[serde(default)]
    broken: bool,
}

/// What outlives a source.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    is_open: bool,
    pub(super) next: usize,
    /// To be sent again.
    pub(super) owed: VecDeque<usize>,
    /// Accounted for.
    pub(super) done: BTreeSet<usize>,
    /// Events that were sent more than once.
    pub(super) sent_again: BTreeSet<usize>,
    /// How often it was opened.
    pub(super) openings: usize,
}

/// The ledger of a source. Only one may have it open.
#[derive(Debug)]
struct OpenLedger(Arc<Mutex<Ledger>>);

impl OpenLedger {
    fn open(ledger: Arc<Mutex<Ledger>>) -> Result<OpenLedger, BuildError> {
        {
            let mut own = lock(&ledger);
            if own.is_open {
                let source = std::io::Error::from(std::io::ErrorKind::WouldBlock);
                return Err(BuildError::new("another source has the ledger", source));
            }
            own.is_open = true;
            own.openings += 1;
        }
        Ok(OpenLedger(ledger))
    }

    fn lock(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.0)
    }
}

impl Drop for OpenLedger {
    fn drop(&mut self) {
        self.lock().is_open = false;
    }
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Observed {
    /// Looks at the ledger of a source.
    pub(super) fn ledger<T>(&self, source: &str, look: impl FnOnce(&Ledger) -> T) -> T {
        look(&lock(&self.ledger_of(source)))
    }
}

struct LedgerSource {
    id: ComponentId,
    script: LedgerScript,
    ledger: OpenLedger,
}

impl SourceConfig for Scripted<LedgerScript> {
    fn outputs(&self) -> Vec<Output> {
        vec![Output::main(Schema::any())]
    }

    fn build(&self, context: SourceContext) -> BoxFuture<'_, Result<Box<dyn Source>, BuildError>> {
        Box::pin(async move {
            // A file takes its time.
            sleep(Duration::from_millis(1)).await;
            if self.script.broken {
                let source = std::io::Error::from(std::io::ErrorKind::NotFound);
                return Err(BuildError::new("the source is broken", source));
            }
            let ledger = OpenLedger::open(self.observed.ledger_of(&context.id))?;
            let source: Box<dyn Source> =
                Box::new(LedgerSource { id: context.id, script: self.script.clone(), ledger });
            Ok(source)
        })
    }
}

impl Source for LedgerSource {
    fn run(
        self: Box<Self>,
        outlet: Outlet,
        shutdown: Shutdown,
    ) -> BoxFuture<'static, Result<(), RunError>> {
        Box::pin(async move {
            tokio::select! {
                biased;
                () = shutdown.abandoned() => Ok(()),
                ended = self.work(&outlet, &shutdown) => ended,
            }
        })
    }
}

impl LedgerSource {
    async fn work(&self, outlet: &Outlet, shutdown: &Shutdown) -> Result<(), RunError> {
        let mut under_way = FuturesUnordered::new();
        // What an abandoned one before had under way is owed, as after a start.
        let unsent: Vec<usize> = {
            let ledger = self.ledger.lock();
            let owed: BTreeSet<usize> = ledger.owed.iter().copied().collect();
            let is_left = |n: &usize| !ledger.done.contains(n) && !owed.contains(n);
            (0..ledger.next).filter(is_left).collect()
        };
        {
            let mut ledger = self.ledger.lock();
            ledger.sent_again.extend(unsent.iter().copied());
            ledger.owed.extend(unsent);
        }
        loop {
            tokio::select! {
                biased;
                () = shutdown.draining() => break,
                Some((numbers, fates)) = under_way.next() => self.note(numbers, &fates),
                () = sleep(Duration::from_millis(self.script.every_millis)), if under_way.len() < BATCHES_MAX => {
                    let (numbers, batch, receipt) = self.batch();
                    under_way.push(async move { (numbers, receipt.await) });
                    let mut sending = std::pin::pin!(outlet.send(batch));
                    loop {
                        tokio::select! {
                            biased;
                            sent = &mut sending => {
                                sent.map_err(|closed| RunError::new("cannot send", closed))?;
                                break;
                            }
                            Some((numbers, fates)) = under_way.next() => self.note(numbers, &fates),
                        }
                    }
                }
            }
        }
        while let Some((numbers, fates)) = under_way.next().await {
            self.note(numbers, &fates);
        }
        Ok(())
    }

    fn note(&self, numbers: Vec<usize>, fates: &pipeline_core::Fates) {
        let mut ledger = self.ledger.lock();
        for (at, number) in numbers.into_iter().enumerate() {
            let outcome = fates.outcomes().get(at).copied().unwrap_or(Outcome::Errored);
            if outcome == Outcome::Errored {
                ledger.owed.push_back(number);
                ledger.sent_again.insert(number);
            } else {
                ledger.done.insert(number);
            }
        }
    }

    fn batch(&self) -> (Vec<usize>, Batch, pipeline_core::Receipt) {
        let mut ledger = self.ledger.lock();
        let mut numbers: Vec<usize> = Vec::new();
        while numbers.len() < self.script.events {
            let number = ledger.owed.pop_front().unwrap_or_else(|| {
                ledger.next += 1;
                ledger.next - 1
            });
            numbers.push(number);
        }
        let origin = Origin::new(&*self.id, Value::Object(ObjectMap::new()));
        let (group, receipt) = AckGroup::new(numbers.len());
        let event = |(at, number): (usize, &usize)| {
            let fields = [
                ("n".into(), Value::from(i64::try_from(*number).expect("a small number"))),
                ("of".into(), Value::from(&*self.id)),
            ];
            Event::new(Value::Object(fields.into()), 10, Arc::clone(&origin), group.ack(at))
        };
        let events: Vec<Event> = numbers.iter().enumerate().map(event).collect();
        (numbers, Batch::from(events), receipt)
    }
}
