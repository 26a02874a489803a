//! Sends a shipment window by window and settles what was acknowledged.

use std::{num::NonZeroU32, panic::resume_unwind, sync::Arc};

use lumberjack::{ClientError, Undelivered, window_of};
use net::SendErrorKind;
use pipeline_core::{Clock, ComponentMetrics, ErrorStage, Event, Outcome, SinkContext};
use tokio::task::spawn_blocking;

use super::{
    encode::{Encoder, Shipment},
    pool::{Lease, Pool, Way, WayError},
};
use crate::delivery::{Attempt, Courier, Encoded, Failure, Next};

/// Sends shipments to the receivers.
pub(super) struct WindowSender {
    encoder: Encoder,
    pool: Pool,
    /// 0: not compressed.
    level: u32,
    clock: Arc<dyn Clock>,
    metrics: ComponentMetrics,
}

/// A window that did not arrive as a whole.
#[derive(Debug, thiserror::Error)]
enum WindowError {
    #[error("no way to a receiver")]
    Way(#[from] WayError),
    #[error("`{host}` did not take a window")]
    Undelivered { host: String, source: ClientError },
}

impl WindowError {
    fn failure(&self) -> Failure {
        let kind = match self {
            WindowError::Way(WayError::Connect(error)) => Some(error.kind()),
            WindowError::Way(WayError::Failed(_)) | WindowError::Undelivered { .. } => None,
        };
        let error_type = match self {
            WindowError::Way(_) if kind == Some(SendErrorKind::Timeout) => "timeout",
            WindowError::Way(_) => "request_failed",
            WindowError::Undelivered { source, .. } => match source {
                ClientError::Timeout { .. } => "timeout",
                ClientError::Broken(_) | ClientError::Closed | ClientError::Interrupted => {
                    "request_failed"
                }
                ClientError::Nonsense(_)
                | ClientError::AckBeyond { .. }
                | ClientError::AckBackwards { .. }
                | ClientError::AckUnasked { .. } => "invalid_response",
            },
        };
        let needs_user = kind == Some(SendErrorKind::Tls);
        let is_overload =
            matches!(self, WindowError::Undelivered { source: ClientError::Timeout { .. }, .. });
        Failure { needs_user, is_overload, ..Failure::of(error_type, self) }
    }
}

impl WindowSender {
    /// Sends by `pool`, with compression of `level`.
    pub(super) fn new(
        encoder: Encoder,
        pool: Pool,
        level: u32,
        context: &SinkContext,
    ) -> WindowSender {
        let (clock, metrics) = (Arc::clone(&context.clock), context.metrics.clone());
        WindowSender { encoder, pool, level, clock, metrics }
    }

    /// Sends the next window of a shipment to the host of `lease`, and settles what was acknowledged.
    async fn send_window(
        &self,
        lease: &Lease<'_>,
        mut shipment: Shipment,
    ) -> (Shipment, Result<(), WindowError>) {
        loop {
            let way = match lease.way().await {
                Ok(way) => way,
                Err(error) => return (shipment, Err(error.into())),
            };
            let events = shipment.next_window(lease.window());
            let (sent, result) = self.deliver(&way, shipment, events).await;
            shipment = sent;
            let Err(Undelivered { acked, error }) = result else {
                self.settle(&mut shipment, events, lease);
                shipment.grow();
                lease.succeeded(events);
                return (shipment, Ok(()));
            };
            let acked = usize::try_from(acked).unwrap_or(usize::MAX).min(events);
            self.settle(&mut shipment, acked, lease);
            let is_gone = matches!(error, ClientError::Closed | ClientError::Broken(_));
            if way.was_idle && is_gone && acked == 0 {
                // The receiver had ended the connection, as it may between windows.
                continue;
            }
            shipment.shrink(events);
            let host = lease.address().to_string();
            return (shipment, Err(WindowError::Undelivered { host, source: error }));
        }
    }

    async fn deliver(
        &self,
        way: &Way,
        mut shipment: Shipment,
        events: usize,
    ) -> (Shipment, Result<(), Undelivered>) {
        let number = u32::try_from(events).ok().and_then(NonZeroU32::new);
        let number = number.expect("a window has one to a million events");
        let first = shipment.first();
        let window = first..first + events;
        if self.level == 0 {
            let head = window_of(number.get());
            let frames = shipment.frames.numbered(window);
            let result = way.client.deliver(number, &[&head, frames]).await;
            return (shipment, result);
        }
        let level = self.level;
        let compressed = spawn_blocking(move || {
            let bytes = shipment.frames.compressed(window, level);
            (shipment, bytes)
        });
        let (shipment, bytes) =
            compressed.await.unwrap_or_else(|error| resume_unwind(error.into_panic()));
        let result = way.client.deliver(number, &[&bytes]).await;
        (shipment, result)
    }

    /// Settles so many events at the front of what is left.
    fn settle(&self, shipment: &mut Shipment, events: usize, lease: &Lease<'_>) {
        if events == 0 {
            return;
        }
        let first = shipment.first();
        let bytes = shipment.frames.bytes_of(first..first + events);
        self.metrics.sent(events, bytes);
        let host = lease.address().to_string();
        self.metrics.sent_bytes("tcp", Some(("endpoint", &host)), bytes);
        for ack in shipment.acks.drain(..events) {
            ack.settle(Outcome::Delivered);
        }
    }
}

impl Courier for WindowSender {
    type Request = Shipment;

    fn encode(&self, events: Vec<Event>) -> Encoded<Shipment> {
        self.encoder.encode(events, self.clock.now())
    }

    async fn attempt(&self, mut shipment: Shipment) -> Attempt<Shipment> {
        let mut failure = None;
        while !shipment.acks.is_empty() {
            let Some(lease) = self.pool.lease(failure.is_none()).await else { break };
            let (left, result) = self.send_window(&lease, shipment).await;
            shipment = left;
            if let Err(error) = result {
                let told = error.failure();
                lease.failed(&told.message);
                if let Some(Failure { error_type, .. }) = failure.replace(told) {
                    // The driver counts the last one.
                    self.metrics.error(error_type, ErrorStage::Sending);
                }
            } else {
                failure = None;
            }
        }
        let next = match failure {
            Some(failure) => Next::Retry { request: shipment, failure },
            None => Next::Done,
        };
        Attempt { rejected: Vec::new(), next }
    }
}
