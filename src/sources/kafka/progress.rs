//! What the thread that reads and the task that delivers know together.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::offsets::{Offsets, Partition, Place};

/// Offsets and bytes on their way, and the news of both.
#[derive(Debug, Default)]
pub(super) struct Progress {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    offsets: Offsets,
    bytes: usize,
    /// What is under way is left to the next start.
    is_abandoned: bool,
}

impl Progress {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at or changes the offsets.
    pub(super) fn offsets<R>(&self, with: impl FnOnce(&mut Offsets) -> R) -> R {
        with(&mut self.state().offsets)
    }

    /// Bytes go on their way.
    pub(super) fn take_bytes(&self, bytes: usize) {
        self.state().bytes += bytes;
    }

    /// Messages of a chunk of this size are done with: `settled` for good, `failed` not delivered.
    pub(super) fn done<'a>(
        &self,
        bytes: usize,
        settled: impl Iterator<Item = &'a Place>,
        failed: impl Iterator<Item = &'a Place>,
    ) {
        let mut state = self.state();
        state.bytes = state.bytes.saturating_sub(bytes);
        settled.for_each(|place| state.offsets.settle(place));
        failed.for_each(|place| state.offsets.fail(place));
        drop(state);
        self.changed.notify_all();
    }

    /// Nobody waits for what is under way any more.
    pub(super) fn abandon(&self) {
        self.state().is_abandoned = true;
        self.changed.notify_all();
    }

    /// Waits until less than `bytes_max` are on their way; whether it is so.
    pub(super) fn wait_for_room(&self, bytes_max: usize, patience: Duration) -> bool {
        let is_full = |state: &mut State| state.bytes >= bytes_max && !state.is_abandoned;
        let waited = self.changed.wait_timeout_while(self.state(), patience, is_full);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.bytes < bytes_max
    }

    /// Waits until nothing of these partitions is under way, or nobody waits for it any more.
    pub(super) fn wait_until_idle(&self, partitions: &[Partition], patience: Duration) {
        let is_busy = |state: &mut State| !state.is_abandoned && !state.offsets.is_idle(partitions);
        drop(self.changed.wait_timeout_while(self.state(), patience, is_busy));
    }
}
