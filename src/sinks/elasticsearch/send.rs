//! Sends one `_bulk` request and turns the answer into what is left to do.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use flate2::{Compression as Level, write::GzEncoder};
use http::{
    HeaderValue, Request, Response, StatusCode, Uri,
    header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER},
};
use net::{Body, BodyError, SendError, Transport, read_body, read_body_prefix};
use pipeline_core::{BuildError, Clock, ComponentMetrics, Event, LetterKind, Outcome, SinkContext};
use tracing::debug;

use super::{
    config::{Compression, Config},
    encode::{BulkRequest, Encoder, Item},
    endpoint::Endpoint,
    reply::{self, Refusal, ReplyError, Sorted, Step},
};
use crate::delivery::{Attempt, Courier, Encoded, Failure, Next};

/// What the answer is asked to hold: all that is read, so that it stays small.
const FILTER_PATH: &str = "took,errors,items.*.status,items.*.error.type,items.*.error.reason";

/// Bytes of an answer beside its items.
const REPLY_HEAD_BYTES_MAX: usize = 64 * 1024;

/// Bytes of an answer for each event: a status alone takes 30; a reason can quote a part of the document.
const REPLY_ITEM_BYTES_MAX: usize = 8 * 1024;

/// Bytes that are read of an answer to a request that failed as a whole.
const REFUSAL_BYTES_MAX: usize = 16 * 1024;

/// Sends bulk requests to one of the endpoints.
pub(super) struct BulkSender {
    encoder: Encoder,
    transport: Arc<dyn Transport>,
    /// The addresses of `_bulk`; never empty.
    uris: Vec<Uri>,
    /// Counts up when an endpoint does not answer; the remainder says which one is used.
    endpoint: AtomicUsize,
    authorization: Option<HeaderValue>,
    /// None: not compressed.
    gzip: Option<Level>,
    clock: Arc<dyn Clock>,
    metrics: ComponentMetrics,
}

/// A request that was not answered item by item.
#[derive(Debug, thiserror::Error)]
enum BulkError {
    #[error("cannot compress a request")]
    Compress(#[source] io::Error),
    #[error("`_bulk` got no answer")]
    Send(#[source] SendError),
    #[error("the answer to `_bulk` could not be read")]
    Body(#[source] BodyError),
    #[error(transparent)]
    Reply(ReplyError),
    #[error("`_bulk` answered {status}: {}", refusal.reason)]
    Status { status: StatusCode, refusal: Refusal, after: Option<Duration> },
    #[error("{events} events are refused for now, the first with {reason}")]
    Items { events: usize, reason: String, is_overload: bool },
}

impl BulkError {
    fn step(&self) -> Step {
        match self {
            // A proxy that does not like the request as such (plain HTTP, a header) says nothing of the events.
            BulkError::Status { status: StatusCode::BAD_REQUEST, refusal, .. }
                if !refusal.is_the_servers =>
            {
                Step::RetryWhenFixed
            }
            BulkError::Status { status, .. } => reply::step(status.as_u16()),
            // Half as many events have half as long an answer.
            BulkError::Body(BodyError::TooLarge { .. }) => Step::Split,
            BulkError::Compress(_)
            | BulkError::Send(_)
            | BulkError::Body(_)
            | BulkError::Reply(_)
            | BulkError::Items { .. } => Step::Retry,
        }
    }

    /// Whether the server has too much to do.
    fn is_overload(&self) -> bool {
        match self {
            BulkError::Send(error) => error.is_timeout(),
            BulkError::Status { status, .. } => matches!(status.as_u16(), 429 | 503 | 504),
            BulkError::Items { is_overload, .. } => *is_overload,
            BulkError::Compress(_) | BulkError::Body(_) | BulkError::Reply(_) => false,
        }
    }

    fn failure(&self) -> Failure {
        let error_type = match self {
            BulkError::Send(error) if error.is_timeout() => "timeout",
            BulkError::Compress(_) | BulkError::Send(_) | BulkError::Body(_) => "request_failed",
            BulkError::Reply(_) => "invalid_response",
            BulkError::Items { .. } => "items_refused",
            BulkError::Status { status, .. } => match status.as_u16() {
                401 | 403 => "unauthorized",
                429 => "too_many_requests",
                500..=599 => "server_error",
                _ => "request_refused",
            },
        };
        let after = if let BulkError::Status { after, .. } = self { *after } else { None };
        let needs_user = self.step() == Step::RetryWhenFixed;
        Failure {
            after,
            needs_user,
            is_overload: self.is_overload(),
            ..Failure::of(error_type, self)
        }
    }
}

impl BulkSender {
    /// `config` was found to have no problems.
    pub(super) fn new(
        config: &Config,
        encoder: Encoder,
        transport: Arc<dyn Transport>,
        context: &SinkContext,
    ) -> Result<BulkSender, BuildError> {
        let uris: Result<Vec<Uri>, _> =
            config.endpoints.iter().map(|endpoint| bulk_uri(endpoint, &config.pipeline)).collect();
        let uris =
            uris.map_err(|error| BuildError::new("an endpoint has no usable address", error))?;
        if uris.is_empty() {
            return Err(BuildError::plain("no endpoint is given"));
        }
        let authorization = config
            .auth
            .header()
            .map_err(|error| BuildError::new("the credentials do not fit into a header", error))?;
        Ok(BulkSender {
            encoder,
            transport,
            uris,
            endpoint: AtomicUsize::new(0),
            authorization,
            gzip: match config.compression {
                Compression::Gzip => Some(Level::new(config.compression_level.into())),
                Compression::None => None,
            },
            clock: Arc::clone(&context.clock),
            metrics: context.metrics.clone(),
        })
    }

    async fn exchange(&self, request: &BulkRequest) -> Result<Vec<reply::ItemReply>, BulkError> {
        let endpoint = self.endpoint.load(Ordering::Relaxed);
        let uri = self.uris[endpoint % self.uris.len()].clone();
        let body = self.compressed(request.body.clone()).await.map_err(BulkError::Compress)?;
        let response = match self.transport.send(self.http_request(uri, body)).await {
            Ok(response) => response,
            Err(error) => {
                self.leave(endpoint);
                return Err(BulkError::Send(error));
            }
        };
        if response.status() != StatusCode::OK {
            return Err(self.refused(response).await);
        }
        let events = request.items.len();
        let bytes_max = REPLY_HEAD_BYTES_MAX + events * REPLY_ITEM_BYTES_MAX;
        let body = read_body(response.into_body(), bytes_max).await.map_err(BulkError::Body)?;
        reply::parse(&body, events)
            // For the message, which shows a part of the answer.
            .or_else(|_| reply::parse(self.redacted(&body).as_bytes(), events))
            .map_err(BulkError::Reply)
    }

    /// Turns to the next endpoint, unless another request has done so already.
    fn leave(&self, endpoint: usize) {
        let next = endpoint.wrapping_add(1);
        let order = Ordering::Relaxed;
        if self.endpoint.compare_exchange(endpoint, next, order, order).is_ok() {
            debug!(uri = %self.uris[next % self.uris.len()], "turning to the next endpoint");
        }
    }

    async fn compressed(&self, body: Bytes) -> io::Result<Bytes> {
        let Some(level) = self.gzip else { return Ok(body) };
        let compressed = tokio::task::spawn_blocking(move || {
            let mut gzip = GzEncoder::new(Vec::with_capacity(body.len() / 4), level);
            gzip.write_all(&body).and_then(|()| gzip.finish())
        });
        Ok(compressed.await??.into())
    }

    fn http_request(&self, uri: Uri, body: Bytes) -> Request<Bytes> {
        let mut request = Request::new(body);
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
        if self.gzip.is_some() {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        request
    }

    async fn refused(&self, response: Response<Body>) -> BulkError {
        let status = response.status();
        let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let after = after.and_then(|value| reply::retry_after(value, self.clock.now()));
        let body = read_body_prefix(response.into_body(), REFUSAL_BYTES_MAX).await;
        BulkError::Status {
            status,
            refusal: reply::refusal(self.redacted(&body).as_bytes()),
            after,
        }
    }

    /// An answer without our own credentials, which a proxy may send back for people to see.
    fn redacted(&self, answer: &[u8]) -> String {
        let text = String::from_utf8_lossy(answer);
        let header = self.authorization.as_ref().and_then(|value| value.to_str().ok());
        match header.and_then(|header| header.split_once(' ')) {
            Some((_strategy, secret)) if !secret.is_empty() => text.replace(secret, "[redacted]"),
            _ => text.into_owned(),
        }
    }

    /// Settles what the server has taken, and says what is left.
    fn settle(&self, sorted: Sorted) -> Attempt<BulkRequest> {
        let bytes = sorted.delivered.iter().map(|item| item.document_bytes).sum();
        self.metrics.sent(sorted.delivered.len(), bytes);
        for item in sorted.delivered {
            item.ack.settle(Outcome::Delivered);
        }
        let now = self.clock.now();
        let reject = |(item, lines, why): (Item, Bytes, (LetterKind, String))| {
            item.reject(&lines, why, &self.encoder.component_id, now)
        };
        let next = match sorted.again {
            None => Next::Done,
            Some((request, reason)) => {
                let (events, is_overload) = (request.items.len(), sorted.is_overload);
                let error = BulkError::Items { events, reason, is_overload };
                Next::Retry { request, failure: error.failure() }
            }
        };
        Attempt { rejected: sorted.rejected.into_iter().map(reject).collect(), next }
    }

    /// What follows a request that was not answered item by item.
    fn after_error(&self, request: BulkRequest, error: &BulkError) -> Attempt<BulkRequest> {
        let again = |request| Next::Retry { request, failure: error.failure() };
        let next = match error.step() {
            Step::Retry | Step::RetryWhenFixed => again(request),
            Step::Split => match request.halves() {
                Ok(halves) => Next::Split(halves),
                // One event whose answer is too long is not refused: it may be stored.
                Err(single) if matches!(error, BulkError::Body(_)) => again(single),
                Err(single) => return self.reject_single(single, error),
            },
        };
        Attempt { rejected: Vec::new(), next }
    }

    fn reject_single(&self, request: BulkRequest, error: &BulkError) -> Attempt<BulkRequest> {
        let BulkRequest { body, items } = request;
        let (now, id) = (self.clock.now(), &self.encoder.component_id);
        let is_too_large =
            matches!(error, BulkError::Status { status, .. } if status.as_u16() == 413);
        let kind = if is_too_large { LetterKind::TooLarge } else { LetterKind::Refused };
        let reject = |item: Item| item.reject(&body, (kind, error.to_string()), id, now);
        Attempt { rejected: items.into_iter().map(reject).collect(), next: Next::Done }
    }
}

impl Courier for BulkSender {
    type Request = BulkRequest;

    fn encode(&self, events: Vec<Event>) -> Encoded<BulkRequest> {
        self.encoder.encode(events, self.clock.now())
    }

    async fn attempt(&self, request: BulkRequest) -> Attempt<BulkRequest> {
        match self.exchange(&request).await {
            Ok(replies) => self.settle(reply::sort(request, &replies, self.encoder.action)),
            Err(error) => self.after_error(request, &error),
        }
    }
}

/// The address of `_bulk` below an endpoint.
fn bulk_uri(endpoint: &Endpoint, pipeline: &str) -> Result<Uri, http::uri::InvalidUri> {
    let mut url = endpoint.url().clone();
    let path = format!("{}/_bulk", url.path().trim_end_matches('/'));
    url.set_path(&path);
    url.query_pairs_mut().append_pair("filter_path", FILTER_PATH);
    if !pipeline.is_empty() {
        url.query_pairs_mut().append_pair("pipeline", pipeline);
    }
    url.as_str().parse()
}
