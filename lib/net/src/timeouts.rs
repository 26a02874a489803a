//! The limits on waiting for a response: until its headers are complete, between two chunks of its body, and for the
//! body as a whole, by how much of it has come.
//!
//! The clocks of a body run only while somebody waits for data: a reader that pauses, because what comes after it is
//! slow, does not make the response late.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::time::{Instant, Sleep};

use crate::{Body, BodyError, SendError, SendErrorKind, Transport};

/// Waits between chunks, at their longest, that a body may take before it must keep the pace of [`BYTES_PER_SEC_MIN`].
const IDLE_WAITS_MAX: u32 = 10;

/// What a body must bring on average for each second that it is waited for. No link that anybody works with is as slow,
/// and a body of any size has the time that it needs; one that drips ends.
const BYTES_PER_SEC_MIN: u32 = 1024;

/// How long a response may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From the request to the end of the response headers, connecting included.
    pub headers: Duration,
    /// Between two chunks of the body.
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts { headers: Duration::from_secs(30), idle: Duration::from_secs(30) }
    }
}

/// Sends `request` through any transport with limits on the wait.
pub async fn send_within(
    transport: &dyn Transport,
    request: Request<Bytes>,
    timeouts: Timeouts,
) -> Result<Response<Body>, SendError> {
    let host = host_of(&request);
    limit(transport.send(request), host, timeouts).await
}

/// The limits themselves, around any exchange.
pub(crate) async fn limit(
    exchange: impl Future<Output = Result<Response<Body>, SendError>>,
    host: String,
    timeouts: Timeouts,
) -> Result<Response<Body>, SendError> {
    match tokio::time::timeout(timeouts.headers, exchange).await {
        Ok(result) => Ok(result?.map(|body| {
            let (idle, waited) = (timeouts.idle, Duration::ZERO);
            LimitedBody { body, idle, waiting: None, waited, bytes: 0 }.boxed_unsync()
        })),
        Err(elapsed) => Err(SendError::new(SendErrorKind::Timeout, host).with_source(elapsed)),
    }
}

/// The host that a message may name.
pub(crate) fn host_of<B>(request: &Request<B>) -> String {
    request.uri().host().unwrap_or_default().to_owned()
}

struct LimitedBody {
    body: Body,
    idle: Duration,
    /// Runs from the moment the body had nothing to give.
    waiting: Option<Waiting>,
    /// All waits so far.
    waited: Duration,
    bytes: u64,
}

struct Waiting {
    since: Instant,
    limit: Pin<Box<Sleep>>,
}

impl LimitedBody {
    /// Notes that a chunk came, and says whether the body as a whole is too slow.
    fn note(&mut self, bytes: usize) -> Result<(), BodyError> {
        self.bytes += bytes as u64;
        let Some(waiting) = self.waiting.take() else { return Ok(()) };
        self.waited += waiting.since.elapsed();
        let earned = Duration::from_secs(self.bytes / u64::from(BYTES_PER_SEC_MIN));
        if self.waited > self.idle.saturating_mul(IDLE_WAITS_MAX).saturating_add(earned) {
            return Err(BodyError::Drips { bytes: self.bytes, waited: self.waited });
        }
        Ok(())
    }
}

impl HttpBody for LimitedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(ctx) {
            let Some(Ok(frame)) = frame else { return Poll::Ready(frame) };
            let noted = self.note(frame.data_ref().map_or(0, Bytes::len));
            return Poll::Ready(Some(noted.map(|()| frame)));
        }
        let idle = self.idle;
        let waiting = self.waiting.get_or_insert_with(|| Waiting {
            since: Instant::now(),
            limit: Box::pin(tokio::time::sleep(idle)),
        });
        match waiting.limit.as_mut().poll(ctx) {
            Poll::Ready(()) => Poll::Ready(Some(Err(BodyError::Idle { idle }))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
