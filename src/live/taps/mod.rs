//! Where events can be watched as they pass: one tap a component, with its input and all its ports.
//!
//! A tap belongs to a component's name, so it outlives reloads: who watches a component goes on watching what comes to
//! bear its name.
//!
//! Invariants: where nobody watches, a tap costs one relaxed load for a batch; a watcher who is slow, or whose limit is
//! reached, sees less and is told so, and never makes an event wait; what is watched is a copy that speaks for nobody.

mod choice;
mod samples;
mod tap;
#[cfg(test)]
mod tests;
mod watch;

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use pipeline_core::{ComponentId, Event};

use self::{tap::Spot, watch::Watcher};
pub use self::{
    tap::Tap,
    watch::{Seen, Shown, Side, Watch, WatchError, WatchRequest},
};

/// Watchers at the same time: each costs the pipeline a look at every batch.
const WATCHERS_MAX: usize = 32;

/// The time between two batches of which a transform's samples are taken: short for a person, long for a pipeline.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(200);

/// Memory for the samples of all transforms.
const SAMPLES_BYTES_MAX: usize = 1024 * 1024;

/// The taps of a topology. Clones are the same ones.
#[derive(Clone, Debug, Default)]
pub struct Taps(Arc<Mutex<BTreeMap<ComponentId, Arc<Spot>>>>);

impl Taps {
    /// The tap of the component `id`.
    pub fn of(&self, id: &ComponentId) -> Tap {
        let mut spots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Taps of components that are gone, and that nobody watches any more.
        spots.retain(|_, spot| Arc::strong_count(spot) > 1 || spot.is_watched());
        let spot = spots.entry(Arc::clone(id)).or_insert_with(|| Spot::new(Arc::clone(id)));
        Tap(Arc::clone(spot))
    }

    /// Some of the events that have lately reached a transform, the latest last; none where samples are not kept.
    pub fn samples(&self, id: &str) -> Vec<Event> {
        let spots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        spots.get(id).map(|spot| spot.samples()).unwrap_or_default()
    }

    /// Keeps samples of what reaches the transforms, for as long as it is polled.
    pub async fn sample_for_ever(&self) -> Infallible {
        loop {
            self.ask_for_samples();
            tokio::time::sleep(SAMPLE_INTERVAL).await;
        }
    }

    fn ask_for_samples(&self) {
        let spots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let transforms = || spots.values().filter(|spot| spot.is_transform());
        let bytes_max = SAMPLES_BYTES_MAX / transforms().count().max(1);
        transforms().for_each(|spot| spot.ask_for_samples(bytes_max));
    }

    /// Lets `watcher` see what passes the component that it names, until it is told to leave.
    fn add(&self, watcher: &Arc<Watcher>) -> Result<(), WatchError> {
        let spot = self.of(watcher.component()).0;
        let spots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let watchers: usize = spots.values().map(|spot| spot.watchers()).sum();
        if watchers >= WATCHERS_MAX {
            return Err(WatchError::TooMany { watchers_max: WATCHERS_MAX });
        }
        spot.add(watcher);
        Ok(())
    }

    fn remove(&self, watcher: &Arc<Watcher>) {
        let spots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(spot) = spots.get(watcher.component()) {
            spot.remove(watcher);
        }
    }
}
