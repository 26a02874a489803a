//! Lets a sink's requests go: no more at a time than the server bears, no faster than the user allows, and one after the
//! other while it fails.
//!
//! Invariant: requests pass in the order in which they came; a place that is dropped is free again.

use std::{
    num::NonZeroUsize,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use metrics::{Gauge, gauge};
use net::RateLimiter;
use pipeline_core::ComponentMetrics;
use tokio::{sync::Notify, time::Instant};

use super::{
    aimd::{Aimd, RoundNumber},
    budget::Budget,
};
use crate::delivery::{Concurrency, Rate};

/// A server that answered nothing for so long was away. One that only refuses some requests was not, and those must not
/// be tried again with every other one that it takes.
const OUTAGE_MIN: Duration = Duration::from_secs(10);

/// What every request passes before it is sent.
#[derive(Debug)]
pub(super) struct Gate {
    state: Mutex<State>,
    /// Held by the one that is next.
    turnstile: tokio::sync::Mutex<()>,
    /// There may be a place for the one that is next.
    freed: Notify,
    /// The server answers again after a time in which it did not.
    back: Notify,
    rate: Option<RateLimiter>,
    limit_now: Gauge,
}

#[derive(Debug)]
struct State {
    limit: Limit,
    budget: Budget,
    under_way: usize,
    /// When the server last had its word on a whole request.
    answered_at: Instant,
}

#[derive(Debug)]
enum Limit {
    Fixed(NonZeroUsize),
    Adaptive(Aimd),
}

/// A request's place among those under way.
#[must_use]
#[derive(Debug)]
pub(super) struct Place<'a> {
    gate: &'a Gate,
    round: RoundNumber,
    begun: Instant,
}

/// How a request went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passage {
    /// The server had its word on all of it.
    Answered,
    /// It has to be repeated because the server has too much to do.
    Overloaded,
    /// It has to be repeated for another reason.
    Failed,
}

impl Gate {
    pub(super) fn new(
        concurrency: Concurrency,
        rate_limit: Option<Rate>,
        metrics: &ComponentMetrics,
    ) -> Gate {
        let limit = match concurrency {
            Concurrency::Fixed(limit) => Limit::Fixed(limit),
            Concurrency::Adaptive(settings) => Limit::Adaptive(Aimd::new(settings)),
        };
        let gate = Gate {
            state: Mutex::new(State {
                limit,
                budget: Budget::new(),
                under_way: 0,
                answered_at: Instant::now(),
            }),
            turnstile: tokio::sync::Mutex::default(),
            freed: Notify::new(),
            back: Notify::new(),
            rate: rate_limit.map(|rate| RateLimiter::new(rate.requests, rate.period)),
            limit_now: gauge!("adaptive_concurrency_limit", metrics.labels()),
        };
        gate.show(gate.lock().allowed());
        gate
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Batches that may be under way. With a limit that moves one more is made ready, so that it shows whether the
    /// server would take more; with a fixed one of 1 events must keep their order.
    pub(super) fn batches_max(&self) -> usize {
        let state = self.lock();
        match state.limit {
            Limit::Fixed(_) => state.allowed(),
            Limit::Adaptive(_) => state.allowed() + 1,
        }
    }

    /// Waits until a request may go.
    pub(super) async fn enter(&self) -> Place<'_> {
        let _turn = self.turnstile.lock().await;
        if let Some(rate) = &self.rate {
            rate.acquire().await;
        }
        loop {
            if let Some(round) = self.lock().begin() {
                return Place { gate: self, round, begun: Instant::now() };
            }
            self.freed.notified().await;
        }
    }

    /// Resolves when the server answers after an outage: who waits to try again need not wait any longer.
    pub(super) async fn back(&self) {
        self.back.notified().await;
    }

    fn show(&self, limit: usize) {
        #[expect(clippy::cast_precision_loss, reason = "a number of requests")]
        self.limit_now.set(limit as f64);
    }
}

impl Place<'_> {
    /// The request went so.
    pub(super) fn leave(self, passage: Passage) {
        let took = self.begun.elapsed();
        let mut state = self.gate.lock();
        let is_back = state.note(self.round, passage, took);
        let allowed = state.allowed();
        drop(state);
        if is_back {
            self.gate.back.notify_waiters();
        }
        self.gate.show(allowed);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.gate.lock().under_way -= 1;
        self.gate.freed.notify_one();
    }
}

impl State {
    fn limit(&self) -> usize {
        match &self.limit {
            Limit::Fixed(limit) => limit.get(),
            Limit::Adaptive(aimd) => aimd.limit(),
        }
    }

    fn allowed(&self) -> usize {
        self.budget.allowed(self.limit())
    }

    /// Takes a place, if there is one, and gives the round of the limit.
    fn begin(&mut self) -> Option<RoundNumber> {
        if self.under_way >= self.allowed() {
            return None;
        }
        self.under_way += 1;
        Some(match &mut self.limit {
            Limit::Fixed(_) => RoundNumber::default(),
            Limit::Adaptive(aimd) => aimd.begun(self.under_way),
        })
    }

    /// Learns from how a request went; whether that is the first answer after an outage.
    fn note(&mut self, round: RoundNumber, passage: Passage, took: Duration) -> bool {
        if let Limit::Adaptive(aimd) = &mut self.limit {
            match passage {
                Passage::Answered => aimd.answered(round, took),
                Passage::Overloaded => aimd.refused(round),
                Passage::Failed => {}
            }
        }
        match passage {
            Passage::Answered => {
                let was_away = self.answered_at.elapsed() >= OUTAGE_MIN;
                let is_back = was_away && self.allowed() < self.limit();
                self.answered_at = Instant::now();
                self.budget.succeeded(self.limit());
                is_back
            }
            Passage::Overloaded | Passage::Failed => {
                self.budget.failed();
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, future::join_all};
    use pipeline_core::{ComponentKind, testing};

    use super::*;

    fn gate(limit: usize, rate: Option<&str>) -> Gate {
        let limit = NonZeroUsize::new(limit).expect("it is not zero");
        let rate = rate.map(|text| text.parse().expect("a rate"));
        Gate::new(limit.into(), rate, &testing::metrics(ComponentKind::Sink, "test"))
    }

    /// Lets everything fail until nothing is left of the budget.
    async fn exhaust(gate: &Gate) {
        for _ in 0..100 {
            gate.enter().await.leave(Passage::Failed);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_the_limit_are_under_way_and_all_get_their_turn_in_order() {
        let gate = gate(3, None);
        let (under_way, order) = (Mutex::new(0), Mutex::new(Vec::new()));
        join_all((0..20).map(async |number| {
            let place = gate.enter().await;
            order.lock().expect("no test panicked").push(number);
            *under_way.lock().expect("no test panicked") += 1;
            assert!(*under_way.lock().expect("no test panicked") <= 3);
            tokio::time::sleep(Duration::from_secs(1)).await;
            *under_way.lock().expect("no test panicked") -= 1;
            place.leave(Passage::Answered);
        }))
        .await;
        assert_eq!(*order.lock().expect("no test panicked"), (0..20).collect::<Vec<_>>());
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_place_and_a_dropped_wait_hold_nobody_up() {
        let gate = gate(1, None);
        let first = gate.enter().await;
        let mut given_up = Box::pin(gate.enter());
        assert!((&mut given_up).now_or_never().is_none());
        let mut waiting = Box::pin(gate.enter());
        assert!((&mut waiting).now_or_never().is_none());
        drop(given_up);
        drop(first);
        assert!(waiting.now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_failing_server_gets_one_request_at_a_time() {
        let gate = gate(4, None);
        exhaust(&gate).await;
        assert_eq!(gate.batches_max(), 1);
        let probe = gate.enter().await;
        assert!(gate.enter().now_or_never().is_none());
        probe.leave(Passage::Answered);
        let places = [gate.enter().await, gate.enter().await];
        assert!(gate.enter().now_or_never().is_none(), "two at a time come after one");
        drop(places);
    }

    #[tokio::test(start_paused = true)]
    async fn requests_are_no_quicker_than_the_rate() {
        let gate = gate(100, Some("5/s"));
        let start = Instant::now();
        for _ in 0..51 {
            gate.enter().await.leave(Passage::Answered);
        }
        let took = start.elapsed();
        assert!((Duration::from_secs(9)..Duration::from_secs(11)).contains(&took), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_that_moves_follows_the_answers() {
        let settings = crate::delivery::AdaptiveConfig::default();
        let concurrency = Concurrency::Adaptive(super::super::AimdSettings {
            initial: settings.initial_concurrency,
            max: settings.max_concurrency_limit,
            decrease_ratio: settings.decrease_ratio,
        });
        let metrics = testing::metrics(ComponentKind::Sink, "test");
        let gate = Gate::new(concurrency, None, &metrics);
        let before = gate.lock().allowed();
        for _ in 0..20 {
            let allowed = gate.lock().allowed();
            join_all((0..allowed).map(async |_| {
                let place = gate.enter().await;
                tokio::time::sleep(Duration::from_millis(50)).await;
                place.leave(Passage::Answered);
            }))
            .await;
        }
        let calm = gate.lock().allowed();
        assert!(calm > before, "{calm}");
        gate.enter().await.leave(Passage::Overloaded);
        assert!(gate.lock().allowed() < calm);
    }
}
