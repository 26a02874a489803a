//! The two limits on waiting for a response: until its headers are complete, and between two chunks of its body.
//!
//! The clock of the second runs only while somebody waits for data: a reader that pauses, because what comes after it
//! is slow, does not make the response late.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::time::Sleep;

use crate::{Body, BodyError, SendError, SendErrorKind, Transport};

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
        Ok(result) => Ok(result?
            .map(|body| IdleBody { body, idle: timeouts.idle, waiting: None }.boxed_unsync())),
        Err(elapsed) => Err(SendError::new(SendErrorKind::Timeout, host).with_source(elapsed)),
    }
}

/// The host that a message may name.
pub(crate) fn host_of<B>(request: &Request<B>) -> String {
    request.uri().host().unwrap_or_default().to_owned()
}

struct IdleBody {
    body: Body,
    idle: Duration,
    /// Runs from the moment the body had nothing to give.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl HttpBody for IdleBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(ctx) {
            self.waiting = None;
            return Poll::Ready(frame);
        }
        let idle = self.idle;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle)));
        match waiting.as_mut().poll(ctx) {
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
