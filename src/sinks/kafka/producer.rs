//! Librdkafka's producer: takes messages, reports on each, is replaced when it has failed for good.
//!
//! Invariant: a message that was taken is reported on exactly once, or its [`Reports`] never resolve because their
//! producer is gone.

use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::{
    ClientConfig, ClientContext,
    config::RDKafkaLogLevel,
    error::KafkaError,
    message::DeliveryResult,
    producer::{BaseRecord, Producer as _, ProducerContext, PurgeConfig, ThreadedProducer},
    types::RDKafkaErrorCode,
};
use tokio::sync::oneshot;

use super::encode::{Message, ProduceRequest};
use crate::kafka::Listener;

/// What became of one message: nothing where it was delivered.
pub(super) type Report = Option<RDKafkaErrorCode>;

/// A producer with its polling thread.
pub(super) struct Producer {
    native: ThreadedProducer<Reporter>,
    listener: Arc<Listener>,
}

/// Hears what librdkafka says of its messages and of itself.
struct Reporter(Arc<Listener>);

/// Collects the reports on the messages of one request.
#[derive(Debug)]
pub(super) struct Reports(Mutex<Collected>);

#[derive(Debug)]
struct Collected {
    reports: Vec<Report>,
    missing: usize,
    done: Option<oneshot::Sender<Vec<Report>>>,
}

/// The place of one message among the reports; librdkafka carries it along.
#[derive(Debug)]
pub(super) struct Ticket {
    reports: Arc<Reports>,
    index: usize,
}

impl Reports {
    /// Collects as many reports, and resolves when all are there.
    pub(super) fn new(messages: usize) -> (Arc<Reports>, oneshot::Receiver<Vec<Report>>) {
        let (done, all) = oneshot::channel();
        let collected =
            Collected { reports: vec![None; messages], missing: messages, done: Some(done) };
        (Arc::new(Reports(Mutex::new(collected))), all)
    }

    pub(super) fn put(&self, index: usize, report: Report) {
        let mut collected = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        collected.reports[index] = report;
        collected.missing -= 1;
        if collected.missing == 0
            && let Some(done) = collected.done.take()
        {
            // Whoever waited may have been told to give up.
            drop(done.send(std::mem::take(&mut collected.reports)));
        }
    }
}

impl ClientContext for Reporter {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.0.log(level, facility, message);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.0.stats_raw(statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.error(error, reason);
    }
}

impl ProducerContext for Reporter {
    type DeliveryOpaque = Box<Ticket>;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: Box<Ticket>) {
        let report = match result {
            Ok(_) => {
                self.0.complaints().passed();
                None
            }
            Err((error, _)) => Some(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail)),
        };
        ticket.reports.put(ticket.index, report);
    }
}

impl Producer {
    /// Starts librdkafka's threads. Blocks for some milliseconds.
    pub(super) fn start(
        config: &ClientConfig,
        listener: Arc<Listener>,
    ) -> Result<Producer, KafkaError> {
        let native = config.create_with_context(Reporter(Arc::clone(&listener)))?;
        Ok(Producer { native, listener })
    }

    /// Resolves when the producer has failed for good.
    pub(super) async fn broken(&self) {
        self.listener.broken().cancelled().await;
    }

    /// Whether the producer has failed for good.
    pub(super) fn is_broken(&self) -> bool {
        self.listener.broken().is_cancelled()
    }

    /// Why the producer has failed for good.
    pub(super) fn fatal_error(&self) -> Option<(RDKafkaErrorCode, String)> {
        self.native.client().fatal_error()
    }

    /// Hands a message over, whose report goes to `reports`. [`RDKafkaErrorCode::QueueFull`] passes.
    pub(super) fn send(
        &self,
        request: &ProduceRequest,
        message: &Message,
        (reports, index): (&Arc<Reports>, usize),
    ) -> Result<(), RDKafkaErrorCode> {
        let (key, payload) = request.content(message);
        let ticket = Box::new(Ticket { reports: Arc::clone(reports), index });
        let mut record = BaseRecord::with_opaque_to(&message.topic, ticket).payload(payload);
        if let Some(key) = key {
            record = record.key(key);
        }
        if let Some(headers) = message.headers() {
            record = record.headers(headers);
        }
        self.native
            .send(record)
            .map_err(|(error, _)| error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail))
    }

    /// Gives up what it was handed; each message is reported on. Blocks for a moment.
    pub(super) fn purge(&self) {
        self.native.purge(PurgeConfig::default().queue().inflight());
    }
}
