//! Sends one `_bulk` request and turns the answer into what is left to do.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, StatusCode, Uri,
    header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER},
};
use net::{Body, Transport, read_body, read_body_prefix};
use pipeline_core::{Clock, ComponentMetrics, Event, LetterKind, Outcome, SinkContext};

use super::{
    cause::Refusal,
    compress::Compressor,
    config::Config,
    encode::{BulkRequest, Encoder, Item},
    endpoint::Endpoint,
    error::{BulkError, chain},
    metrics::Conflicts,
    pool::Pool,
    reply::{self, Again, ItemReply, Sorted, Step, Terms},
};
use crate::delivery::{Attempt, Courier, Encoded, Next};

/// What the answer is asked to hold: all that is read, so that it stays small.
const FILTER_PATH: &str = "took,errors,items.*.status,items.*.error.type,items.*.error.reason";

/// Bytes of an answer beside its items.
const REPLY_HEAD_BYTES_MAX: usize = 64 * 1024;

/// Bytes of an answer for each event: a status alone takes 30; a reason can quote a part of the document.
const REPLY_ITEM_BYTES_MAX: usize = 8 * 1024;

/// Bytes that are read of an answer to a request that failed as a whole.
const REFUSAL_BYTES_MAX: usize = 16 * 1024;

/// The way to the servers.
pub(super) struct Route {
    pub transport: Arc<dyn Transport>,
    pub pool: Arc<Pool>,
    pub authorization: Option<HeaderValue>,
}

/// Sends bulk requests to the endpoints of a pool.
pub(super) struct BulkSender {
    encoder: Encoder,
    route: Route,
    terms: Terms,
    /// The pipeline of all events; empty where there is none.
    pipeline: String,
    compressor: Compressor,
    /// A request was answered item by item, so that what is refused later is to blame for it, and no setting is.
    is_understood: AtomicBool,
    clock: Arc<dyn Clock>,
    metrics: ComponentMetrics,
    conflicts: Conflicts,
}

impl BulkSender {
    /// `config` was found to have no problems.
    pub(super) fn new(
        config: &Config,
        encoder: Encoder,
        route: Route,
        context: &SinkContext,
    ) -> BulkSender {
        let line = &encoder.action_line;
        let terms = Terms {
            action: line.action,
            is_versioned: line.version.is_some(),
            names_index: line.destination.has_fields(),
            names_pipeline: config.pipeline.has_fields(),
        };
        BulkSender {
            encoder,
            route,
            terms,
            pipeline: config.pipeline.fixed().unwrap_or_default().to_owned(),
            compressor: Compressor::of(config),
            is_understood: AtomicBool::new(false),
            clock: Arc::clone(&context.clock),
            metrics: context.metrics.clone(),
            conflicts: Conflicts::new(&context.id),
        }
    }

    /// Asks one endpoint after the other until one answers. Each is asked once.
    async fn exchange(&self, request: &BulkRequest) -> Result<Vec<ItemReply>, BulkError> {
        let body = self.compressor.compress(request.body.clone()).await;
        let body = body.map_err(BulkError::Compress)?;
        let mut tried = Vec::new();
        let mut failed = None;
        while let Some(endpoint) = self.route.pool.pick(&tried) {
            let answer = self.ask(&endpoint, body.clone(), request.items.len()).await;
            match &answer {
                Err(error) if error.is_the_endpoints() => {
                    self.route.pool.failed(&endpoint, &chain(error), error.is_timeout());
                }
                Ok(_) => {
                    self.route.pool.worked(&endpoint);
                    let place = ("endpoint", &*self.route.pool.label_of(&endpoint));
                    self.metrics.sent_bytes(endpoint.scheme(), Some(place), request.body.len());
                }
                Err(_) => self.route.pool.worked(&endpoint),
            }
            match answer {
                // It may not even have been reached; another endpoint can be asked at once.
                Err(error @ BulkError::Send(_)) => failed = Some(error),
                answer => return answer,
            }
            tried.push(endpoint);
        }
        Err(failed.expect("an endpoint is always picked for a request that has tried none"))
    }

    async fn ask(
        &self,
        endpoint: &Endpoint,
        body: Bytes,
        events: usize,
    ) -> Result<Vec<ItemReply>, BulkError> {
        let uri = endpoint.bulk_uri(FILTER_PATH, &self.pipeline).map_err(BulkError::Address)?;
        let response = self
            .route
            .transport
            .send(self.http_request(uri, body))
            .await
            .map_err(BulkError::Send)?;
        if response.status() != StatusCode::OK {
            return Err(self.refused(response).await);
        }
        let bytes_max = REPLY_HEAD_BYTES_MAX + events * REPLY_ITEM_BYTES_MAX;
        let body = read_body(response.into_body(), bytes_max).await.map_err(BulkError::Body)?;
        let replies = reply::parse(&body, events)
            // For the message, which shows a part of the answer.
            .or_else(|_| reply::parse(self.redacted(&body).as_bytes(), events))
            .map_err(BulkError::Reply)?;
        self.is_understood.store(true, Ordering::Relaxed);
        Ok(replies)
    }

    fn http_request(&self, uri: Uri, body: Bytes) -> Request<Bytes> {
        let mut request = Request::new(body);
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
        if let Some(encoding) = self.compressor.encoding() {
            headers.insert(CONTENT_ENCODING, encoding);
        }
        if let Some(authorization) = &self.route.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        request
    }

    async fn refused(&self, response: Response<Body>) -> BulkError {
        let status = response.status();
        let is_understood = self.is_understood.load(Ordering::Relaxed);
        let is_zstd = matches!(self.compressor, Compressor::Zstd(_));
        if is_zstd && !is_understood && matches!(status.as_u16(), 400 | 406 | 415) {
            return BulkError::Zstd { status };
        }
        let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let after = after.and_then(|value| reply::retry_after(value, self.clock.now()));
        let body = read_body_prefix(response.into_body(), REFUSAL_BYTES_MAX).await;
        let refusal = Refusal::read(self.redacted(&body).as_bytes());
        if status == StatusCode::BAD_REQUEST && !is_understood {
            return BulkError::First { status, refusal };
        }
        BulkError::Status { status, refusal, after }
    }

    /// An answer without our own credentials, which a proxy may send back for people to see.
    fn redacted(&self, answer: &[u8]) -> String {
        let text = String::from_utf8_lossy(answer);
        let header = self.route.authorization.as_ref().and_then(|value| value.to_str().ok());
        match header.and_then(|header| header.split_once(' ')) {
            Some((_strategy, secret)) if !secret.is_empty() => text.replace(secret, "[redacted]"),
            _ => text.into_owned(),
        }
    }

    /// Settles what the server has taken, and says what is left.
    fn settle(&self, sorted: Sorted) -> Attempt<BulkRequest> {
        let bytes = sorted.delivered.iter().map(|item| item.document_bytes).sum();
        self.metrics.sent(sorted.delivered.len(), bytes);
        self.conflicts.repeated.increment(sorted.repeated);
        self.conflicts.superseded.increment(sorted.superseded);
        for item in sorted.delivered {
            item.ack.settle(Outcome::Delivered);
        }
        let now = self.clock.now();
        let reject = |(item, lines, why): (Item, Bytes, (LetterKind, String))| {
            item.reject(&lines, why, &self.encoder.component_id, now)
        };
        let next = match sorted.again {
            None => Next::Done,
            Some(Again { request, first, needs_user, is_overload }) => {
                let events = request.items.len();
                let error = BulkError::Items { events, first, needs_user, is_overload };
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
        let reject = |item: Item| {
            let reason = error.reason(item.document_bytes);
            item.reject(&body, (kind, reason), id, now)
        };
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
            Ok(replies) => self.settle(reply::sort(request, &replies, self.terms)),
            Err(error) => self.after_error(request, &error),
        }
    }
}
