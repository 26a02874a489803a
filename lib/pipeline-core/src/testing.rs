//! Stand-ins for what the topology gives a component, for tests of components.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use vrl::value::Value;

use crate::{
    AckGroup, Batch, Clock, ComponentKind, ComponentMetrics, DeadLetter, DeadLetterError,
    DeadLetters, Event, Origin, Receipt, Timestamp,
};

/// A clock that stands still until it is set.
#[derive(Debug)]
pub struct ManualClock(Mutex<Timestamp>);

impl ManualClock {
    /// A clock that shows `now`.
    pub fn new(now: Timestamp) -> Arc<ManualClock> {
        Arc::new(ManualClock(Mutex::new(now)))
    }

    /// Sets the time, forwards or backwards.
    pub fn set(&self, now: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Dead letters kept in memory.
#[derive(Debug, Default)]
pub struct DeadLettersInMemory(Mutex<Vec<DeadLetter>>);

impl DeadLettersInMemory {
    /// What was put there so far.
    pub fn letters(&self) -> Vec<DeadLetter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl DeadLetters for DeadLettersInMemory {
    fn put(&self, letters: Vec<DeadLetter>) -> BoxFuture<'_, Result<(), DeadLetterError>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(letters);
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Counters of a component `id` that nobody reads.
pub fn metrics(kind: ComponentKind, id: &str) -> ComponentMetrics {
    ComponentMetrics::new(kind, "test", &id.into())
}

/// A batch of the given JSON objects, and the receipt for it.
///
/// # Panics
/// When one of `records` is not JSON.
pub fn batch(records: &[&str]) -> (Batch, Receipt) {
    let origin = Origin::new("test", Value::Object(vrl::value::ObjectMap::new()));
    let (group, receipt) = AckGroup::new(records.len());
    let event = |(index, record): (usize, &&str)| {
        let value = serde_json::from_str(record).expect("a record is JSON");
        Event::new(value, record.len(), Arc::clone(&origin), group.ack(index))
    };
    let events: Vec<Event> = records.iter().enumerate().map(event).collect();
    (Batch::from(events), receipt)
}
