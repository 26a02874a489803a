//! A buffer on disk: acknowledges what comes once it is safe, and gives it to the sink for as long as it takes.
//!
//! One loop joins three things: what comes in, the file, what goes out. The file is used by one call at a time, off the
//! runtime's workers, and each call does all that has come up since the last: so a commit that waits for the disk serves many
//! batches.
//!
//! Invariant: an event is settled as delivered only after the commit that holds it, and removed only after the sink has
//! settled it. A disk that is full or broken is waited for.

use std::{path::Path, sync::Arc, time::Duration};

use pipeline_core::{
    BuildError, Clock, ComponentId, ComponentMetrics, Inlet, Outcome, Outlet, RunError, Shutdown,
};
use tokio::{
    task::{JoinError, JoinHandle},
    time::{Instant, sleep_until},
};
use tracing::{error, info, warn};

use super::{
    intake::{Arrival, Intake},
    metrics::BufferMetrics,
    outflow::Outflow,
    record::Amount,
    store::{BufferError, Store},
    turn::{Done, Packed, Turn},
};
use crate::config::{BufferConfig, WhenFull};

/// The wait before a file that could not be used is tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);

/// A buffer on disk, opened.
#[derive(Debug)]
pub struct DiskBuffer {
    id: ComponentId,
    store: Store,
    when_full: WhenFull,
    metrics: BufferMetrics,
    clock: Arc<dyn Clock>,
}

impl DiskBuffer {
    /// Opens the buffer of the sink `id` at `path`. Reads it as far as is needed to know that it is whole.
    pub async fn open(
        id: &ComponentId,
        path: &Path,
        config: &BufferConfig,
        (sink, clock): (&ComponentMetrics, Arc<dyn Clock>),
    ) -> Result<DiskBuffer, BuildError> {
        let failed = |error: BufferError| {
            BuildError::new(format!("cannot open the buffer of `{id}`"), error)
        };
        let (file, bytes_max, now) = (path.to_owned(), config.bytes_max() as u64, clock.now());
        let opened = tokio::task::spawn_blocking(move || Store::open(&file, bytes_max, now)).await;
        let store = match opened {
            Ok(store) => store.map_err(failed)?,
            Err(panic) => {
                return Err(BuildError::new(format!("cannot open the buffer of `{id}`"), panic));
            }
        };
        let metrics = BufferMetrics::new(sink, None, config.bytes_max());
        let held = store.size();
        metrics.holds(held);
        if held.events > 0 {
            info!(component_id = %id, events = held.events, bytes = held.bytes, "the buffer holds events from before");
        }
        Ok(DiskBuffer { id: Arc::clone(id), store, when_full: config.when_full, metrics, clock })
    }

    /// As [`Store::limit_pages`].
    #[cfg(test)]
    pub(super) fn limit_pages(&self, pages: i64) {
        self.store.limit_pages(pages);
    }

    /// Takes what arrives at `inlet` and gives it to `outlet`. Ends when the edge has ended and the sink has settled
    /// everything; when `shutdown` orders to drain, as soon as the sink has settled what it has.
    pub async fn run(
        self,
        inlet: Inlet,
        outlet: Outlet,
        shutdown: Shutdown,
    ) -> Result<(), RunError> {
        let mut pump = Pump {
            intake: Intake::new(inlet),
            outflow: Outflow::new(outlet, self.metrics.clone()),
            size: self.store.size(),
            has_unread: self.store.has_unread(),
            read_to: self.store.read_to(),
            store: Some(self.store),
            turn: None,
            when_full: self.when_full,
            id: self.id,
            metrics: self.metrics,
            clock: self.clock,
            retry_at: None,
            is_full: false,
            is_draining: false,
        };
        let ended = tokio::select! {
            biased;
            () = shutdown.abandoned() => Ok(()),
            ended = pump.work(&shutdown) => ended,
        };
        if pump.size.events > 0 {
            info!(component_id = %pump.id, events = pump.size.events, "events stay in the buffer for the next start");
        }
        ended
    }
}

/// What a turn gives back.
type Called = (Store, Turn, Result<Done, BufferError>);

/// A turn under way, and those who wait for it.
struct Running {
    call: JoinHandle<Called>,
    arrivals: Vec<Arrival>,
}

struct Pump {
    id: ComponentId,
    intake: Intake,
    outflow: Outflow,
    /// Not here while a turn is under way.
    store: Option<Store>,
    turn: Option<Running>,
    when_full: WhenFull,
    metrics: BufferMetrics,
    clock: Arc<dyn Clock>,
    size: Amount,
    has_unread: bool,
    read_to: u64,
    /// Set while the file cannot be used.
    retry_at: Option<Instant>,
    /// The first batch that waits does not fit.
    is_full: bool,
    is_draining: bool,
}

impl Pump {
    async fn work(&mut self, shutdown: &Shutdown) -> Result<(), RunError> {
        loop {
            self.begin_turn();
            if self.has_ended() {
                return Ok(());
            }
            let retry_at = self.retry_at;
            tokio::select! {
                ended = finish(&mut self.turn), if self.turn.is_some() => {
                    let Some(running) = self.turn.take() else { continue };
                    let (store, turn, result) = ended
                        .map_err(|panic| RunError::new("the buffer's file could not be used", panic))?;
                    self.end_turn(store, turn, running.arrivals, result);
                }
                stepped = self.outflow.step() => stepped?,
                () = self.intake.step() => {}
                () = sleep_until(retry_at.unwrap_or_else(Instant::now)), if retry_at.is_some() => {
                    self.retry_at = None;
                }
                () = shutdown.draining(), if !self.is_draining => {
                    self.is_draining = true;
                    self.outflow.stop();
                    if self.retry_at.is_some() || self.is_full {
                        self.give_up();
                    }
                }
            }
        }
    }

    fn has_ended(&self) -> bool {
        let is_settled =
            self.turn.is_none() && self.intake.has_ended() && !self.outflow.has_settled();
        let is_out = if self.is_draining {
            self.outflow.is_drained()
        } else {
            self.outflow.is_idle() && !self.has_unread
        };
        // While the file cannot be used, what is settled can only be removed after the next start.
        (is_settled || self.is_draining && self.retry_at.is_some() && self.intake.has_ended())
            && is_out
    }

    /// Starts a turn if there is something to do.
    fn begin_turn(&mut self) {
        let (again, read_bytes) = (self.outflow.again(), self.outflow.read_bytes());
        let tidies = self.store.as_ref().is_some_and(Store::needs_turn);
        let may_have_room = !self.is_full || self.outflow.has_settled() || tidies;
        let adds = self.intake.has_waiting() && may_have_room;
        let reads = read_bytes > 0 && (self.has_unread || adds);
        let is_due = adds || reads || tidies || self.outflow.has_settled() || !again.is_empty();
        if !is_due || self.retry_at.is_some() {
            return;
        }
        let Some(mut store) = self.store.take() else { return };
        let mut arrivals = if adds { self.intake.take() } else { Vec::new() };
        let add = arrivals.iter_mut().map(|arrival| std::mem::take(&mut arrival.packed)).collect();
        let turn = Turn {
            add,
            may_skip: self.when_full == WhenFull::DropNewest,
            remove: self.outflow.take_settled(),
            first: self.outflow.first(self.read_to),
            again,
            read_bytes,
        };
        let now = self.clock.now();
        let call = tokio::task::spawn_blocking(move || {
            let result = store.take_turn(&turn, now);
            (store, turn, result)
        });
        self.turn = Some(Running { call, arrivals });
    }

    fn end_turn(
        &mut self,
        store: Store,
        turn: Turn,
        mut arrivals: Vec<Arrival>,
        result: Result<Done, BufferError>,
    ) {
        (self.size, self.has_unread, self.read_to) =
            (store.size(), store.has_unread(), store.read_to());
        self.store = Some(store);
        self.metrics.holds(self.size);
        match result {
            Ok(done) => {
                self.settle(turn.add, arrivals, &done.added);
                if done.failure.is_none() {
                    self.outflow.give_again(&turn.again, done.again);
                }
                self.outflow.give(done.read);
                self.report(done.lost);
                if let Some(failure) = done.failure {
                    self.wait_for_disk(&failure);
                }
            }
            Err(failure) => {
                for (arrival, packed) in arrivals.iter_mut().zip(turn.add) {
                    arrival.packed = packed;
                }
                self.intake.put_back(arrivals);
                self.outflow.put_back(turn.remove);
                self.wait_for_disk(&failure);
            }
        }
    }

    fn wait_for_disk(&mut self, failure: &BufferError) {
        self.metrics.error("buffer_failed");
        warn!(component_id = %self.id, error = failure as &dyn std::error::Error, "the buffer waits for the disk");
        self.retry_at = Some(Instant::now() + RETRY_INTERVAL);
        if self.is_draining {
            self.give_up();
        }
    }

    /// Tells the sources what became of their events.
    fn settle(&mut self, add: Vec<Packed>, arrivals: Vec<Arrival>, added: &[bool]) {
        if arrivals.is_empty() {
            // Whether there is room was not asked.
            return;
        }
        let mut full = Vec::new();
        for ((mut arrival, packed), is_added) in arrivals.into_iter().zip(add).zip(added) {
            if *is_added {
                self.metrics.received(arrival.events());
                arrival.settle(Outcome::Delivered);
            } else if self.when_full == WhenFull::DropNewest {
                self.metrics.discarded(arrival.events());
                arrival.settle(Outcome::Filtered);
            } else {
                arrival.packed = packed;
                full.push(arrival);
            }
        }
        let is_full = !full.is_empty();
        if is_full != self.is_full {
            self.is_full = is_full;
            let state = if is_full { "is full: what feeds it waits" } else { "has room again" };
            info!(component_id = %self.id, events = self.size.events, bytes = self.size.bytes, "the buffer {state}");
        }
        self.intake.put_back(full);
        if self.is_draining && is_full {
            self.give_up();
        }
    }

    /// What cannot be stored is not waited for any more: its source sends it again after the next start.
    fn give_up(&mut self) {
        self.intake.give_up();
        if let Some(store) = &mut self.store {
            store.withdraw();
        }
        self.is_full = false;
    }

    fn report(&mut self, lost: Amount) {
        if lost.events > 0 {
            // What it took is free.
            self.is_full = false;
            self.metrics.error("buffer_damaged");
            self.metrics.lost(lost.events);
            error!(component_id = %self.id, events = lost.events, bytes = lost.bytes, "events in the buffer are lost to damage of its file");
        }
    }
}

async fn finish(turn: &mut Option<Running>) -> Result<Called, JoinError> {
    match turn {
        Some(running) => (&mut running.call).await,
        None => std::future::pending().await,
    }
}
