//! Where the records go: a sink that writes them down, or fails, refuses and stalls when the weather says so.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use pipeline_core::{Batch, Clock, Event, Inlet, Outcome};
use vrl::{
    path::{OwnedValuePath, parse_value_path},
    value::Value,
};

use crate::{
    content::{Content, Fate},
    dice::happens,
    journal::{Entry, Journal},
    life::Life,
    sabotage::Sabotage,
    stage::SimulatedClock,
    trace::Trace,
    weather::{Trouble, Weather},
};

/// Batches that are held at one time.
const HELD_MAX: usize = 16;

/// How often a stalled sink looks whether it may go on.
const STALL_LOOK: Duration = Duration::from_secs(20);

pub(crate) struct Sink {
    pub(crate) life: Arc<Life>,
    pub(crate) clock: Arc<SimulatedClock>,
    pub(crate) weather: Arc<Weather>,
    pub(crate) content: Arc<Content>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) trace: Arc<Trace>,
    pub(crate) dice: Mutex<fastrand::Rng>,
    pub(crate) sabotage: Sabotage,
}

impl Sink {
    /// Takes batches until the edge ends, and settles each after a while, in no order.
    pub(crate) async fn run(&self, mut inlet: Inlet) {
        let id_paths = ["Id", "Operation"].map(|field| parse_value_path(field).unwrap());
        let mut held = FuturesUnordered::new();
        let mut is_open = true;
        while is_open || !held.is_empty() {
            tokio::select! {
                biased;
                Some(()) = held.next() => {}
                batch = self.take(&mut inlet), if is_open && held.len() < HELD_MAX => match batch {
                    Some(batch) => held.push(self.settle(batch, &id_paths)),
                    None => is_open = false,
                },
            }
        }
    }

    async fn take(&self, inlet: &mut Inlet) -> Option<Batch> {
        self.wait_out_stall().await;
        let batch = inlet.next().await;
        self.life.busy.notify_waiters();
        batch
    }

    async fn wait_out_stall(&self) {
        while self.is_on(Trouble::SinkStalled) {
            tokio::time::sleep(STALL_LOOK).await;
        }
    }

    fn is_on(&self, trouble: Trouble) -> bool {
        self.weather.is_on(trouble, Clock::now(&*self.clock))
    }

    async fn settle(&self, batch: Batch, id_paths: &[OwnedValuePath; 2]) {
        let most = if self.is_on(Trouble::SinkSlow) { 180_000 } else { 800 };
        let delay = Duration::from_millis(self.dice.lock().unwrap().u64(5..most));
        tokio::time::sleep(delay).await;
        self.wait_out_stall().await;
        self.trace.note(format_args!("sink settles {} events", batch.len()));
        for event in batch {
            let outcome = self.judge(&event, id_paths);
            event.settle(outcome);
        }
    }

    fn judge(&self, event: &Event, id_paths: &[OwnedValuePath; 2]) -> Outcome {
        let [id, copy] = id_paths.each_ref().map(|path| {
            event.at(path).and_then(Value::to_str_lossy).unwrap_or_default().into_owned()
        });
        let record = self.content.by_id(&id).filter(|_| id == copy);
        let Some(record) = record else {
            self.journal.add(Entry::Unknown { id });
            return Outcome::Delivered;
        };
        let mut dice = self.dice.lock().unwrap();
        let is_flaky = self.is_on(Trouble::SinkFlaky);
        if self.is_on(Trouble::SinkDown) || is_flaky && happens(&mut dice, 0.2) {
            return Outcome::Errored;
        }
        match self.content.records[record].fate {
            Fate::Filter => {
                self.journal.add(Entry::Filtered { record });
                Outcome::Filtered
            }
            Fate::Reject => {
                self.journal.add(Entry::Rejected { record });
                Outcome::Rejected
            }
            Fate::Deliver if self.sabotage == Sabotage::Unwritten && record % 50 == 7 => {
                Outcome::Delivered
            }
            Fate::Deliver => {
                if self.sabotage == Sabotage::WrittenTwice && record % 50 == 7 {
                    self.journal.add(Entry::Written {
                        record,
                        life: self.life.number,
                        admitted: true,
                    });
                }
                // The answer of a write can be lost.
                let admitted = !(is_flaky && happens(&mut dice, 0.05));
                self.journal.add(Entry::Written { record, life: self.life.number, admitted });
                if admitted { Outcome::Delivered } else { Outcome::Errored }
            }
        }
    }
}
