//! The source `kafka`: messages of topics as events, read as a member of a consumer group.
//!
//! Invariants: an offset is committed once all messages in front of it were delivered, filtered, or are dead letters on
//! disk. What was not delivered is read again. A partition that goes to another consumer waits briefly for what is under
//! way of it; what is not settled by then is read again there.

mod config;
mod message;
mod offsets;
mod progress;
mod reader;

use std::{sync::Arc, time::Duration};

pub use config::{Config, OffsetReset, Schema};
use futures_util::{
    FutureExt,
    future::BoxFuture,
    stream::{FuturesUnordered, StreamExt},
};
use pipeline_core::{
    AckGroup, Batch, DeadLetter, ErrorStage, Event, LetterKind, Origin, Outcome, Outlet, Receipt,
    Record, RunError, Shutdown, Source, SourceContext,
};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::error;

use self::{
    message::{Content, Incoming},
    offsets::Place,
    progress::Progress,
    reader::{Group, Reader},
};
use crate::kafka::{self, Complaints, Listener};

/// Chunks that were read and not sent on yet. Few on purpose: what is read is on its way.
const CHUNKS_MAX: usize = 16;

/// The wait before dead letters are written again that could not be.
const LETTERS_WAIT: Duration = Duration::from_secs(5);

/// The source, built.
struct KafkaSource {
    config: Arc<Config>,
    context: SourceContext,
}

impl KafkaSource {
    fn new(config: Arc<Config>, context: SourceContext) -> KafkaSource {
        KafkaSource { config, context }
    }

    async fn read(self, outlet: Outlet, shutdown: Shutdown) -> Result<(), RunError> {
        let progress = Arc::<Progress>::default();
        let (chunks, incoming) = mpsc::channel(CHUNKS_MAX);
        let (config, context) = (Arc::clone(&self.config), self.context.clone());
        let (shared, draining) = (Arc::clone(&progress), shutdown.drain_token());
        let _ending = Ending { progress: Arc::clone(&progress), draining: draining.clone() };
        let thread = tokio::task::spawn_blocking(move || {
            let mode = context.mode;
            let consumer = subscribe(&config, &context, Arc::clone(&shared))?;
            let (schema, bytes_max) = (config.schema, config.max_in_flight_bytes);
            Reader { consumer, progress: shared, schema, bytes_max, chunks, draining, mode }.run();
            Ok(())
        });
        let delivery = Delivery { context: &self.context, progress: &progress };
        tokio::select! {
            biased;
            () = shutdown.abandoned() => {}
            () = delivery.run(incoming, outlet) => {}
        }
        progress.abandon();
        thread.await.map_err(|panic| RunError::new("the consumer has failed", panic))?
    }
}

/// Ends the thread that reads, also where the source is dropped while it runs.
struct Ending {
    progress: Arc<Progress>,
    draining: CancellationToken,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.draining.cancel();
        self.progress.abandon();
    }
}

impl Source for KafkaSource {
    fn run(
        self: Box<Self>,
        outlet: Outlet,
        shutdown: Shutdown,
    ) -> BoxFuture<'static, Result<(), RunError>> {
        self.read(outlet, shutdown).boxed()
    }
}

/// Joins the group.
fn subscribe(
    config: &Config,
    context: &SourceContext,
    progress: Arc<Progress>,
) -> Result<BaseConsumer<Group>, RunError> {
    let client =
        config.client().map_err(|error| RunError::new("cannot set up the consumer", error))?;
    let complaints =
        Complaints::new(Arc::clone(&context.id), context.metrics.clone(), ErrorStage::Receiving);
    let listener = Listener::new(complaints, &context.metrics);
    let unusable = |error| RunError::plain(kafka::without_values(&error));
    let consumer: BaseConsumer<Group> =
        client.create_with_context(Group { listener, progress }).map_err(unusable)?;
    let topics: Vec<&str> = config.topics.iter().map(String::as_str).collect();
    consumer.subscribe(&topics).map_err(unusable)?;
    Ok(consumer)
}

/// Sends chunks on and notes what became of them.
struct Delivery<'a> {
    context: &'a SourceContext,
    progress: &'a Progress,
}

impl Delivery<'_> {
    /// Until no chunk comes any more and all are settled.
    async fn run(&self, mut chunks: mpsc::Receiver<Vec<Incoming>>, outlet: Outlet) {
        let (waiting, under_way) = mpsc::channel(CHUNKS_MAX);
        let send_all = async move {
            while let Some(chunk) = chunks.recv().await {
                let one = self.send(chunk, &outlet).await;
                // Whoever waits for fates ends after this.
                drop(waiting.send(one).await);
            }
        };
        tokio::join!(send_all, self.settle_all(under_way));
    }

    /// Waits for all fates at the same time, so that none is noted late because a sink is slow.
    async fn settle_all(&self, mut sent: mpsc::Receiver<UnderWay>) {
        let mut under_way = FuturesUnordered::new();
        let mut is_open = true;
        while is_open || !under_way.is_empty() {
            tokio::select! {
                Some(()) = under_way.next() => {}
                one = sent.recv(), if is_open => match one {
                    Some(one) => under_way.push(one.settle(self.progress)),
                    None => is_open = false,
                }
            }
        }
    }

    /// Sends the events of a chunk on.
    async fn send(&self, chunk: Vec<Incoming>, outlet: &Outlet) -> UnderWay {
        let bytes: usize = chunk.iter().map(|incoming| incoming.bytes).sum();
        self.context.metrics.received(chunk.len(), bytes);
        self.context.metrics.received_bytes("kafka", bytes);
        let Sorted { events, places, letters, settled } = self.sort(chunk);
        if !letters.is_empty() {
            self.keep(letters).await;
        }
        let (group, receipt) = AckGroup::new(events.len());
        let events: Vec<Event> = events
            .into_iter()
            .enumerate()
            .map(|(index, (record, origin))| Event::of(record, origin, group.ack(index)))
            .collect();
        drop(group);
        if outlet.send(Batch::from(events)).await.is_err() {
            // A reader that is gone has dropped the events: they count as not delivered.
            self.context.metrics.error("topology_closed", ErrorStage::Sending);
        }
        UnderWay { receipt, bytes, places, settled }
    }

    fn sort(&self, chunk: Vec<Incoming>) -> Sorted {
        let mut sorted = Sorted::default();
        for Incoming { place, content, .. } in chunk {
            match content {
                Content::Event(record, origin) => {
                    sorted.events.push((record, origin));
                    sorted.places.push(place);
                }
                Content::Nothing => {
                    self.context.metrics.discarded_intentionally(1);
                    sorted.settled.push(place);
                }
                Content::Bad(reason, origin, payload) => {
                    sorted.letters.push(DeadLetter {
                        component_id: Arc::clone(&self.context.id),
                        kind: LetterKind::Unreadable,
                        reason,
                        time: self.context.clock.now(),
                        origin,
                        metadata: None,
                        payload,
                    });
                    sorted.settled.push(place);
                }
            }
        }
        sorted
    }

    /// Writes dead letters, however long that takes.
    async fn keep(&self, letters: Vec<DeadLetter>) {
        let metrics = &self.context.metrics;
        while let Err(error) = self.context.dead_letters.put(letters.clone()).await {
            metrics.error("dead_letter_failed", ErrorStage::Processing);
            error!(component_id = %self.context.id, %error, "dead letters cannot be written; it is tried again");
            tokio::time::sleep(LETTERS_WAIT).await;
        }
        metrics.error("bad_record", ErrorStage::Processing);
        metrics.discarded_unintentionally(letters.len());
    }
}

/// A chunk by what becomes of its messages.
#[derive(Default)]
struct Sorted {
    events: Vec<(Record, Arc<Origin>)>,
    /// Where the events lie.
    places: Vec<Place>,
    letters: Vec<DeadLetter>,
    /// Of these nothing goes on.
    settled: Vec<Place>,
}

/// A chunk that was sent on.
struct UnderWay {
    receipt: Receipt,
    bytes: usize,
    /// Where its events lie.
    places: Vec<Place>,
    settled: Vec<Place>,
}

impl UnderWay {
    /// Waits for its fate, and notes it.
    async fn settle(self, progress: &Progress) {
        let fates = self.receipt.await;
        let outcome = |index| fates.outcomes().get(index).copied().unwrap_or(Outcome::Errored);
        let (failed, delivered): (Vec<_>, Vec<_>) = self
            .places
            .iter()
            .enumerate()
            .partition(|(index, _)| outcome(*index) == Outcome::Errored);
        let settled = delivered.into_iter().map(|(_, place)| place).chain(&self.settled);
        progress.done(self.bytes, settled, failed.into_iter().map(|(_, place)| place));
    }
}
