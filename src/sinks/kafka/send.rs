//! Sends the messages of one request and turns their reports into what is left to do.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use pipeline_core::{Clock, ComponentMetrics, ErrorStage, Event, Outcome, SinkContext};
use rdkafka::types::RDKafkaErrorCode;

use super::{
    config::Config,
    encode::{Encoder, Message, ProduceRequest},
    producer::{Producer, Report, Reports},
    verdict::{Sending, Verdict, verdict},
};
use crate::{
    delivery::{Attempt, Courier, Encoded, Failure, Next, Rejected},
    kafka::{self, Complaints, Listener},
};

/// The wait until librdkafka's full queue is tried again; a broker takes about this long for a set of messages.
const QUEUE_FULL_WAIT: Duration = Duration::from_millis(5);

/// The error type of a producer that cannot be started, or that has ended.
const PRODUCER_FAILED: &str = "producer_failed";

/// The producers of a sink, shared by its courier and by the sink, which sees to their end.
#[derive(Default)]
pub(super) struct Producers {
    /// For all but few messages.
    many: Slot,
    /// Makes sets of a single message each.
    single: Slot,
}

type Slot = Mutex<Option<Arc<Producer>>>;

/// Sends requests by librdkafka.
pub(super) struct ProduceSender {
    config: Arc<Config>,
    encoder: Encoder,
    producers: Arc<Producers>,
    clock: Arc<dyn Clock>,
    context: SinkContext,
}

impl Producers {
    fn lock(&self, is_alone: bool) -> MutexGuard<'_, Option<Arc<Producer>>> {
        let slot = if is_alone { &self.single } else { &self.many };
        slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the producers away, for whoever may block while they end.
    pub(super) fn take(&self) -> [Option<Arc<Producer>>; 2] {
        [false, true].map(|is_alone| self.lock(is_alone).take())
    }
}

impl ProduceSender {
    /// Starts nothing.
    pub(super) fn new(
        config: Arc<Config>,
        producers: Arc<Producers>,
        context: SinkContext,
    ) -> ProduceSender {
        let encoder = Encoder::new(&config, Arc::clone(&context.id));
        let clock = Arc::clone(&context.clock);
        ProduceSender { config, encoder, producers, clock, context }
    }

    fn metrics(&self) -> &ComponentMetrics {
        &self.context.metrics
    }

    /// The producer in its place, or a new one where there is none or it has failed for good.
    async fn producer(&self, is_alone: bool) -> Result<Arc<Producer>, Failure> {
        if let Some(producer) = usable(self.producers.lock(is_alone).as_ref()) {
            return Ok(producer);
        }
        let config = Arc::clone(&self.config);
        let (context, producers) = (self.context.clone(), Arc::clone(&self.producers));
        let started = tokio::task::spawn_blocking(move || {
            let mut slot = producers.lock(is_alone);
            // Another request may have come first.
            if let Some(producer) = usable(slot.as_ref()) {
                return Ok(producer);
            }
            let producer = Arc::new(start(&config, &context, is_alone)?);
            *slot = Some(Arc::clone(&producer));
            Ok(producer)
        });
        started.await.unwrap_or_else(|panic| Err(Failure::of(PRODUCER_FAILED, &panic)))
    }

    /// Sends messages and waits for the report on each.
    async fn produce(
        &self,
        request: &ProduceRequest,
        is_alone: bool,
    ) -> Result<Vec<Report>, Failure> {
        let producer = self.producer(is_alone).await?;
        let (reports, mut all) = Reports::new(request.messages.len());
        for (index, message) in request.messages.iter().enumerate() {
            loop {
                match producer.send(request, message, (&reports, index)) {
                    Ok(()) => break,
                    Err(RDKafkaErrorCode::QueueFull) if !producer.is_broken() => {
                        tokio::time::sleep(QUEUE_FULL_WAIT).await;
                    }
                    Err(code) => {
                        reports.put(index, Some(code));
                        break;
                    }
                }
            }
        }
        tokio::select! {
            biased;
            all = &mut all => return all.map_err(|_| unreported()),
            () = producer.broken() => {}
        }
        // Librdkafka keeps what a failed producer has, without end, unless it is told to give it up.
        let purged = tokio::task::spawn_blocking(move || {
            producer.purge();
            producer.fatal_error().map(|(code, _)| code)
        });
        let fatal = purged.await.map_err(|panic| Failure::of(PRODUCER_FAILED, &panic))?;
        let reports = all.await.map_err(|_| unreported())?;
        Ok(with_reason(reports, fatal))
    }

    /// Sends messages once; what is left of them is in `left`.
    async fn send(&self, request: ProduceRequest, is_alone: bool, left: &mut Left) {
        if request.messages.is_empty() {
            return;
        }
        match self.produce(&request, is_alone).await {
            Ok(reports) => self.sort(request, reports, left),
            Err(failure) => {
                left.retry.extend(request.messages);
                left.blame(failure);
            }
        }
    }

    /// Settles what was delivered; sorts the rest into `attempt`.
    fn sort(&self, mut request: ProduceRequest, reports: Vec<Report>, left: &mut Left) {
        let is_topic_fixed = self.config.topic.fixed().is_some();
        let (mut delivered, mut bytes) = (0, 0);
        let now = self.clock.now();
        let messages = std::mem::take(&mut request.messages);
        for (mut message, report) in messages.into_iter().zip(reports) {
            let Some(code) = report else {
                delivered += 1;
                bytes += message.bytes();
                message.ack.settle(Outcome::Delivered);
                continue;
            };
            let sending =
                Sending { topic: &message.topic, is_topic_fixed, is_alone: message.is_alone };
            match verdict(code, sending) {
                Verdict::Alone => {
                    message.is_alone = true;
                    left.alone.push(message);
                }
                Verdict::Reject(kind, reason) => {
                    let id = &self.context.id;
                    left.rejected.push(request.reject(message, (kind, reason), id, now));
                }
                Verdict::Retry(failure) => {
                    left.retry.push(message);
                    left.blame(failure);
                }
            }
        }
        self.metrics().sent(delivered, bytes);
        if delivered > 0 {
            let place = ("endpoint", &*self.config.bootstrap_servers);
            self.metrics().sent_bytes("kafka", Some(place), bytes);
        }
    }
}

/// What is left of a request.
#[derive(Default)]
struct Left {
    alone: Vec<Message>,
    retry: Vec<Message>,
    rejected: Vec<Rejected>,
    failure: Option<Failure>,
}

impl Left {
    /// Keeps the failure that says most: one that needs somebody, or else the first.
    fn blame(&mut self, failure: Failure) {
        if self.failure.as_ref().is_none_or(|known| failure.needs_user && !known.needs_user) {
            self.failure = Some(failure);
        }
    }
}

impl Courier for ProduceSender {
    type Request = ProduceRequest;

    fn encode(&self, events: Vec<Event>) -> Encoded<ProduceRequest> {
        self.encoder.encode(events, self.clock.now())
    }

    async fn attempt(&self, mut request: ProduceRequest) -> Attempt<ProduceRequest> {
        let messages = std::mem::take(&mut request.messages);
        let (alone, many) = messages.into_iter().partition(|message| message.is_alone);
        let mut left = Left { alone, ..Left::default() };
        self.send(request.with(many), false, &mut left).await;
        let alone = std::mem::take(&mut left.alone);
        self.send(request.with(alone), true, &mut left).await;
        let next = match left.failure {
            None => Next::Done,
            Some(failure) => Next::Retry { request: request.with(left.retry), failure },
        };
        Attempt { rejected: left.rejected, next }
    }
}

/// The producer in a slot, if it still works.
fn usable(slot: Option<&Arc<Producer>>) -> Option<Arc<Producer>> {
    slot.filter(|producer| !producer.is_broken()).cloned()
}

/// Puts the reason for which a producer failed in the place of what followed from it.
fn with_reason(mut reports: Vec<Report>, fatal: Option<RDKafkaErrorCode>) -> Vec<Report> {
    use RDKafkaErrorCode as Code;
    let Some(reason) = fatal else { return reports };
    for report in reports.iter_mut().flatten() {
        if matches!(report, Code::PurgeQueue | Code::PurgeInflight | Code::Fatal) {
            *report = reason;
        }
    }
    reports
}

/// Starts a producer; `is_alone` for messages that were refused in company.
fn start(config: &Config, context: &SinkContext, is_alone: bool) -> Result<Producer, Failure> {
    let mut client = config
        .client()
        .map_err(|error| Failure { needs_user: true, ..Failure::of(PRODUCER_FAILED, &error) })?;
    if is_alone {
        client.set("batch.num.messages", "1");
        client.set("statistics.interval.ms", "0");
    }
    let complaints =
        Complaints::new(Arc::clone(&context.id), context.metrics.clone(), ErrorStage::Sending);
    let listener = Arc::new(Listener::new(complaints, &context.metrics));
    Producer::start(&client, listener).map_err(|error| Failure {
        needs_user: true,
        ..producer_failed(kafka::without_values(&error))
    })
}

/// The producer went without a word on what it had.
fn unreported() -> Failure {
    producer_failed("the producer ended without a report".to_owned())
}

fn producer_failed(message: String) -> Failure {
    Failure {
        error_type: PRODUCER_FAILED,
        message,
        after: None,
        needs_user: false,
        is_overload: false,
    }
}
