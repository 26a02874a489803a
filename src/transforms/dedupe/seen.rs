//! Which events came before, and what became of them.
//!
//! Invariants: an event that was not delivered is forgotten before whoever waits for its acknowledgement learns of it.
//! No acknowledgement is settled while a lock is held: whoever learns of it may take the lock again.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hashlink::LruCache;
use pipeline_core::{ComponentMetrics, Event, EventAck, Outcome};
use tokio::time::Instant;

use crate::transforms::fingerprint::Fingerprint;

/// The events that are remembered.
pub(super) struct Seen {
    max_age: Option<Duration>,
    /// Where both are taken, this lock is taken before that of a [`First`].
    entries: Mutex<LruCache<Fingerprint, Entry>>,
}

/// An event that came first.
struct Entry {
    first: Arc<Mutex<First>>,
    since: Instant,
}

/// What is known of an event that came first.
enum First {
    /// It is on its way; so long the acknowledgements of its copies wait.
    OnItsWay(Vec<EventAck>),
    /// It need not come again.
    Done,
    /// It was not delivered.
    Failed,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Seen {
    /// Remembers at most `events_max` events, none for longer than `max_age`.
    pub(super) fn new(events_max: NonZeroUsize, max_age: Option<Duration>) -> Seen {
        Seen { max_age, entries: Mutex::new(LruCache::new(events_max.get())) }
    }

    /// Gives the event back if it goes on. Otherwise it is a copy, and shares the fate of the first.
    pub(super) fn pass(
        seen: &Arc<Seen>,
        fingerprint: Fingerprint,
        mut event: Event,
        now: Instant,
        metrics: &ComponentMetrics,
    ) -> Option<Event> {
        let mut entries = lock(&seen.entries);
        let known = entries.get(&fingerprint).filter(|entry| seen.is_fresh(entry, now));
        let known = known.map(|entry| Arc::clone(&entry.first));
        let is_done = match known.as_deref().map(lock).as_deref_mut() {
            Some(First::OnItsWay(copies)) => {
                copies.push(event.into_ack());
                return None;
            }
            Some(First::Done) => true,
            Some(First::Failed) | None => false,
        };
        if is_done {
            drop(entries);
            metrics.discarded_intentionally(1);
            event.settle(Outcome::Filtered);
            return None;
        }
        let first = Arc::new(Mutex::new(First::OnItsWay(Vec::new())));
        entries.insert(fingerprint, Entry { first: Arc::clone(&first), since: now });
        drop(entries);
        let (seen, metrics) = (Arc::clone(seen), metrics.clone());
        event.observe(move |outcome| seen.learn(fingerprint, &first, outcome, &metrics));
        Some(event)
    }

    fn is_fresh(&self, entry: &Entry, now: Instant) -> bool {
        self.max_age.is_none_or(|max_age| now.duration_since(entry.since) < max_age)
    }

    /// Notes what became of the event that came `first`, and lets its copies share it.
    fn learn(
        &self,
        fingerprint: Fingerprint,
        first: &Arc<Mutex<First>>,
        outcome: Outcome,
        metrics: &ComponentMetrics,
    ) {
        let is_done = match outcome {
            Outcome::Filtered | Outcome::Delivered | Outcome::Rejected => true,
            Outcome::Errored => false,
        };
        let after = if is_done { First::Done } else { First::Failed };
        let before = std::mem::replace(&mut *lock(first), after);
        if !is_done {
            let mut entries = lock(&self.entries);
            if entries.peek(&fingerprint).is_some_and(|entry| Arc::ptr_eq(&entry.first, first)) {
                entries.remove(&fingerprint);
            }
        }
        let First::OnItsWay(copies) = before else { return };
        if is_done {
            metrics.discarded_intentionally(copies.len());
        }
        for copy in copies {
            copy.settle(if is_done { Outcome::Filtered } else { Outcome::Errored });
        }
    }
}
