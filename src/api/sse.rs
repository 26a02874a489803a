//! Server-sent events: messages that are made while they are sent, no faster than their reader takes them.
//!
//! Nothing is queued here for a slow reader: its stream is simply not asked for the next message. How far whoever makes
//! the messages lets it fall behind is theirs to bound.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use net::{Body, Endless, stream_body};
use serde::Serialize;
use tokio::{
    sync::{
        OwnedSemaphorePermit, Semaphore,
        broadcast::{Receiver, error::RecvError},
    },
    time::timeout,
};

use super::refusal::{Reason, Refusal};

/// Streams that can be open: people who watch, each with a page or two, `top` and `tap`.
const STREAMS_MAX: usize = 32;

/// A comment is sent when there was nothing else for so long, so that nothing between takes the connection for dead, and
/// a reader that is gone is noticed.
const PING_INTERVAL: Duration = Duration::from_secs(15);

const PING: Bytes = Bytes::from_static(b": ping\n\n");

/// The streams that are open.
#[derive(Clone, Debug)]
pub(super) struct Streams(Arc<Semaphore>);

impl Default for Streams {
    fn default() -> Streams {
        Streams(Arc::new(Semaphore::new(STREAMS_MAX)))
    }
}

impl Streams {
    /// The right to one more stream.
    pub(super) fn enter(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        Arc::clone(&self.0).try_acquire_owned().map_err(|_| {
            let error = "too many are watching already";
            Refusal::new(StatusCode::TOO_MANY_REQUESTS, Reason::Busy, error)
                .fix(format!("close some: {STREAMS_MAX} can watch at the same time"))
        })
    }
}

/// One message.
pub(super) fn message(event: &str, data: &impl Serialize) -> Bytes {
    let data =
        serde_json::to_string(data).expect("what is served has no maps with keys other than text");
    format!("event: {event}\ndata: {data}\n\n").into()
}

/// The answer that sends `messages` until they end, or their reader has had enough.
pub(super) fn answer(
    permit: OwnedSemaphorePermit,
    messages: impl Stream<Item = Bytes> + Send + 'static,
) -> Response<Body> {
    let pinged = stream::unfold((Box::pin(messages), permit), async |(mut messages, permit)| {
        let message = match timeout(PING_INTERVAL, messages.next()).await {
            Ok(message) => message?,
            Err(_) => PING,
        };
        Some((message, (messages, permit)))
    });
    let mut response = Response::new(stream_body(pinged));
    response.extensions_mut().insert(Endless);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}

/// Messages that were made for all watchers. One that falls behind is told how many it has missed.
pub(super) fn shared(receiver: Receiver<Bytes>) -> impl Stream<Item = Bytes> + Send {
    stream::unfold(receiver, async |mut receiver| {
        let message = match receiver.recv().await {
            Ok(message) => message,
            Err(RecvError::Lagged(messages)) => message("skipped", &Skipped { messages }),
            Err(RecvError::Closed) => return None,
        };
        Some((message, receiver))
    })
}

/// What a slow reader is told.
#[derive(Serialize)]
struct Skipped {
    messages: u64,
}
