//! Sends what arrives at a sink until all of it is settled, several requests at a time.
//!
//! It knows nothing of any server: a [`Courier`] encodes and sends, and says what is left to do; the driver waits, tries
//! again for as long as it takes, and keeps what can never be delivered. When the order to abandon comes it lets go of
//! everything at once; what is dropped then counts as not delivered.

mod aimd;
mod budget;
mod gate;
mod rejections;

use std::{sync::Arc, time::Duration};

use futures_util::stream::{FuturesUnordered, StreamExt};
use pipeline_core::{
    ComponentMetrics, DeadLetter, DeadLetters, ErrorStage, Event, EventAck, Inlet, Outcome,
    Shutdown, SinkContext,
};
use tracing::error;

pub use self::aimd::AimdSettings;
use self::{
    gate::{Gate, Passage},
    rejections::Rejections,
};
use super::{Backoff, BackoffSettings, BatchSettings, Batcher, Concurrency, Rate, Troubles};

/// How one sink encodes its events and sends them.
pub trait Courier: Send + Sync + 'static {
    /// What is sent at once, with the acknowledgements of its events.
    type Request: Send + 'static;

    /// Makes requests of events. It may compute for long, and is called where that hurts nobody.
    fn encode(&self, events: Vec<Event>) -> Encoded<Self::Request>;

    /// Sends a request once. Settles what the server has; the rest is in the answer.
    fn attempt(
        &self,
        request: Self::Request,
    ) -> impl Future<Output = Attempt<Self::Request>> + Send;
}

/// What a batch of events has become.
#[derive(Debug)]
pub struct Encoded<R> {
    /// To be sent, in this order.
    pub requests: Vec<R>,
    /// What can't be sent at all.
    pub rejected: Vec<Rejected>,
}

/// What became of a request that was sent once.
#[derive(Debug)]
pub struct Attempt<R> {
    /// Events that the server will never take.
    pub rejected: Vec<Rejected>,
    /// What follows.
    pub next: Next<R>,
}

/// What follows an attempt.
#[derive(Debug)]
pub enum Next<R> {
    /// Nothing is left to send.
    Done,
    /// The request was too much at once: send these instead. Each must be smaller than what it came from.
    Split([R; 2]),
    /// Send this after a while: the same request, or what is left of it.
    Retry {
        /// What to send.
        request: R,
        /// Why.
        failure: Failure,
    },
}

/// An event to put into the dead letters.
#[derive(Debug)]
pub struct Rejected {
    /// The event and the reason.
    pub letter: DeadLetter,
    /// Settled once the letter is on disk.
    pub ack: EventAck,
}

/// Why an attempt has to be repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// From a small fixed set, for the metrics.
    pub error_type: &'static str,
    /// For people, with the errors behind it.
    pub message: String,
    /// The wait that the server asks for.
    pub after: Option<Duration>,
    /// Waiting alone won't help: credentials or a setting must change. It is tried at the slowest pace.
    pub needs_user: bool,
    /// The server has too much to do: fewer requests at a time may help.
    pub is_overload: bool,
}

/// How to deliver.
#[derive(Clone, Copy, Debug)]
pub struct DeliverySettings {
    /// How events gather into a batch.
    pub batch: BatchSettings,
    /// Requests under way at the same time. With 1, events keep their order.
    pub concurrency: Concurrency,
    /// Requests that may go in a time.
    pub rate_limit: Option<Rate>,
    /// How long to wait before another attempt.
    pub backoff: BackoffSettings,
}

/// A sink's delivery, ready to run.
#[derive(Debug)]
pub struct Delivery<C> {
    courier: Arc<C>,
    settings: DeliverySettings,
    gate: Gate,
    backoff: Backoff,
    troubles: Troubles,
    rejections: Rejections,
    context: SinkContext,
}

impl<C: Courier> Delivery<C> {
    /// `seed` determines the random part of the waits.
    pub fn new(
        courier: C,
        settings: DeliverySettings,
        context: SinkContext,
        seed: u64,
    ) -> Delivery<C> {
        Delivery {
            courier: Arc::new(courier),
            settings,
            gate: Gate::new(settings.concurrency, settings.rate_limit, &context.metrics),
            backoff: Backoff::new(settings.backoff, seed),
            troubles: Troubles::new(Arc::clone(&context.id), context.metrics.clone()),
            rejections: Rejections::new(Arc::clone(&context.id)),
            context,
        }
    }

    /// Delivers until `input` has ended and every event is settled, or `shutdown` abandons.
    pub async fn run(self, input: Inlet, shutdown: Shutdown) {
        tokio::select! {
            biased;
            () = shutdown.abandoned() => {}
            () = self.deliver_all(input) => {}
        }
        // A sink that is removed while it fails must not be seen failing for ever.
        self.metrics().failing(false);
    }

    async fn deliver_all(&self, input: Inlet) {
        let mut batcher = Batcher::new(input, self.settings.batch);
        let mut under_way = FuturesUnordered::new();
        loop {
            tokio::select! {
                Some(()) = under_way.next() => {}
                batch = batcher.next(), if under_way.len() < self.gate.batches_max() => {
                    let Some(events) = batch else { break };
                    under_way.push(self.deliver(events));
                }
            }
        }
        while under_way.next().await.is_some() {}
    }

    /// Delivers one batch, however long it takes.
    async fn deliver(&self, events: Vec<Event>) {
        let courier = Arc::clone(&self.courier);
        let encoded = tokio::task::spawn_blocking(move || courier.encode(events)).await;
        let encoded = match encoded {
            Ok(encoded) => encoded,
            Err(error) => {
                // The events went with the panic, unacknowledged: their source sends them again.
                error!(component_id = %self.context.id, %error, "a batch could not be encoded");
                self.metrics().error("encoding_failed", ErrorStage::Processing);
                return;
            }
        };
        self.reject(encoded.rejected).await;
        let mut waiting = encoded.requests;
        waiting.reverse();
        while let Some(request) = waiting.pop() {
            if let Some([first, second]) = self.send(request).await {
                waiting.extend([second, first]);
            }
        }
    }

    /// Sends one request until nothing of it is left, or gives what it must be split into.
    async fn send(&self, mut request: C::Request) -> Option<[C::Request; 2]> {
        let mut failures = 0;
        loop {
            let place = self.gate.enter().await;
            let attempt = self.courier.attempt(request).await;
            place.leave(Passage::of(&attempt.next));
            self.reject(attempt.rejected).await;
            let split = match attempt.next {
                Next::Done => None,
                Next::Split(parts) => Some(parts),
                Next::Retry { request: left, failure } => {
                    request = left;
                    failures += 1;
                    self.pause(&failure, failures).await;
                    continue;
                }
            };
            if failures > 0 {
                self.troubles.passed();
            }
            return split;
        }
    }

    async fn pause(&self, failure: &Failure, failures: u32) {
        self.metrics().error(failure.error_type, ErrorStage::Sending);
        let after = failure.needs_user.then(|| self.backoff.longest()).max(failure.after);
        let wait = self.backoff.wait(failures, after);
        self.troubles.failed(failure, failures, wait);
        if after.is_some() {
            tokio::time::sleep(wait).await;
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = self.gate.back() => {}
        }
    }

    /// Puts events into the dead letters, however long that takes, and only then settles them.
    async fn reject(&self, rejected: Vec<Rejected>) {
        let (letters, acks): (Vec<_>, Vec<_>) =
            rejected.into_iter().map(|Rejected { letter, ack }| (letter, ack)).unzip();
        if letters.is_empty() {
            return;
        }
        self.rejections.add(&letters);
        let mut failures = 0;
        while let Err(error) = self.dead_letters().put(letters.clone()).await {
            failures += 1;
            self.pause(&Failure::of("dead_letter_failed", &error), failures).await;
        }
        if failures > 0 {
            self.troubles.passed();
        }
        self.metrics().discarded_unintentionally(acks.len());
        for ack in acks {
            ack.settle(Outcome::Rejected);
        }
    }

    fn metrics(&self) -> &ComponentMetrics {
        &self.context.metrics
    }

    fn dead_letters(&self) -> &dyn DeadLetters {
        self.context.dead_letters.as_ref()
    }
}

impl Passage {
    fn of<R>(next: &Next<R>) -> Passage {
        match next {
            Next::Done | Next::Split(_) => Passage::Answered,
            Next::Retry { failure, .. } if failure.is_overload => Passage::Overloaded,
            Next::Retry { .. } => Passage::Failed,
        }
    }
}

impl Failure {
    /// A failure that can pass by itself.
    pub fn of(error_type: &'static str, error: &dyn std::error::Error) -> Failure {
        Failure {
            error_type,
            message: chain(error),
            after: None,
            needs_user: false,
            is_overload: false,
        }
    }
}

/// An error with those behind it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
