//! The way into a disk buffer: batches are taken off the edge and packed, several at a time, and wait for the next turn of
//! the file. Their acknowledgements wait with them.

use std::thread::available_parallelism;

use futures_util::{StreamExt, stream::FuturesOrdered};
use pipeline_core::{Batch, Event, EventAck, Inlet, Outcome};
use tokio::task::JoinHandle;
use tracing::error;

use super::{codec, turn::Packed};

/// Packed bytes that may wait for one commit. While the disk is slow, that much is written at once.
const WAITING_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Batches that may wait for one commit, however small.
const WAITING_MAX: usize = 512;

/// A batch that is ready to be stored.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) packed: Packed,
    acks: Vec<EventAck>,
}

impl Arrival {
    fn new(batch: Batch) -> Arrival {
        let events = batch.into_events();
        let content = codec::encode(&events);
        let acks: Vec<EventAck> = events.into_iter().map(Event::into_ack).collect();
        let events = u32::try_from(acks.len()).unwrap_or(u32::MAX);
        Arrival { packed: Packed { content, events }, acks }
    }

    pub(super) fn events(&self) -> usize {
        self.acks.len()
    }

    pub(super) fn settle(self, outcome: Outcome) {
        for ack in self.acks {
            ack.settle(outcome);
        }
    }
}

/// What comes in and is not stored yet.
#[derive(Debug)]
pub(super) struct Intake {
    /// Nothing once the edge has ended.
    inlet: Option<Inlet>,
    packing: FuturesOrdered<JoinHandle<Arrival>>,
    packing_max: usize,
    /// In the order in which they came.
    waiting: Vec<Arrival>,
    waiting_bytes: usize,
}

impl Intake {
    pub(super) fn new(inlet: Inlet) -> Intake {
        Intake {
            inlet: Some(inlet),
            packing: FuturesOrdered::new(),
            packing_max: available_parallelism().map_or(1, usize::from) + 1,
            waiting: Vec::new(),
            waiting_bytes: 0,
        }
    }

    /// Takes in some more, or waits for ever where nothing can be taken. Cancel-safe.
    pub(super) async fn step(&mut self) {
        let has_room = self.waiting_bytes < WAITING_BYTES_MAX
            && self.waiting.len() + self.packing.len() < WAITING_MAX;
        let may_take = has_room && self.packing.len() < self.packing_max;
        tokio::select! {
            Some(packed) = self.packing.next() => match packed {
                Ok(arrival) => {
                    self.waiting_bytes += arrival.packed.content.len();
                    self.waiting.push(arrival);
                }
                // Its events went with the panic, unacknowledged: their source sends them again.
                Err(panic) => error!(error = %panic, "a batch could not be packed for the buffer"),
            },
            batch = next(&mut self.inlet), if may_take && self.inlet.is_some() => match batch {
                Some(batch) => {
                    self.packing.push_back(tokio::task::spawn_blocking(move || Arrival::new(batch)));
                }
                None => self.inlet = None,
            },
            else => std::future::pending().await,
        }
    }

    /// Whether something waits for a turn.
    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether nothing is left, and nothing will come.
    pub(super) fn has_ended(&self) -> bool {
        self.inlet.is_none() && self.packing.is_empty() && self.waiting.is_empty()
    }

    /// All that waits.
    pub(super) fn take(&mut self) -> Vec<Arrival> {
        self.waiting_bytes = 0;
        std::mem::take(&mut self.waiting)
    }

    /// Puts back what could not be stored, in front of what has come since.
    pub(super) fn put_back(&mut self, mut arrivals: Vec<Arrival>) {
        self.waiting_bytes +=
            arrivals.iter().map(|arrival| arrival.packed.content.len()).sum::<usize>();
        arrivals.append(&mut self.waiting);
        self.waiting = arrivals;
    }

    /// Lets go of what waits: it counts as not delivered.
    pub(super) fn give_up(&mut self) {
        drop(self.take());
    }
}

async fn next(inlet: &mut Option<Inlet>) -> Option<Batch> {
    inlet.as_mut()?.next().await
}
