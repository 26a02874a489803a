//! Why a `_bulk` request was not answered item by item, or not in full, and what follows.

use std::{error::Error, io, time::Duration};

use http::StatusCode;
use net::{BodyError, SendError};

use super::{
    cause::Refusal,
    reply::{self, ReplyError, Step},
};
use crate::delivery::Failure;

/// A request that left something to do. Shown for a log: without the server's reason, which can quote a document.
#[derive(Debug, thiserror::Error)]
pub(super) enum BulkError {
    #[error("cannot compress a request")]
    Compress(#[source] io::Error),
    #[error("the endpoint has no usable address")]
    Address(#[source] http::uri::InvalidUri),
    #[error("`_bulk` got no answer")]
    Send(#[source] SendError),
    #[error("the answer to `_bulk` could not be read")]
    Body(#[source] BodyError),
    #[error(transparent)]
    Reply(ReplyError),
    #[error("`_bulk` answered {status}: {refusal}")]
    Status { status: StatusCode, refusal: Refusal, after: Option<Duration> },
    #[error(
        "`_bulk` answered {status} to the first request, in zstd: set compression = \"gzip\" if the server does not know \
         zstd, as Elasticsearch does not"
    )]
    Zstd { status: StatusCode },
    #[error(
        "`_bulk` answered {status} to the first request, so that events are not to blame: {refusal}"
    )]
    First { status: StatusCode, refusal: Refusal },
    #[error("{events} events are refused for now, the first with {first}")]
    Items { events: usize, first: String, needs_user: bool, is_overload: bool },
}

impl BulkError {
    /// What follows for the request.
    pub(super) fn step(&self) -> Step {
        match self {
            BulkError::Status { status, refusal, .. } => match (*status, refusal) {
                // A proxy that does not like the request as such (plain HTTP, a header) says nothing of the events.
                (StatusCode::BAD_REQUEST, Refusal::Stranger(_) | Refusal::Silent) => {
                    Step::RetryWhenFixed
                }
                (StatusCode::BAD_REQUEST, Refusal::Server(cause)) if cause.obstacle().is_some() => {
                    Step::RetryWhenFixed
                }
                (status, _) => reply::step(status.as_u16()),
            },
            BulkError::Zstd { .. }
            | BulkError::First { .. }
            | BulkError::Items { needs_user: true, .. } => Step::RetryWhenFixed,
            // Half as many events have half as long an answer.
            BulkError::Body(BodyError::TooLarge { .. }) => Step::Split,
            BulkError::Compress(_)
            | BulkError::Address(_)
            | BulkError::Send(_)
            | BulkError::Body(_)
            | BulkError::Reply(_)
            | BulkError::Items { .. } => Step::Retry,
        }
    }

    /// Whether the endpoint is to blame, so that another may do better.
    pub(super) fn is_the_endpoints(&self) -> bool {
        match self {
            BulkError::Send(_) | BulkError::Reply(_) => true,
            BulkError::Body(error) => !matches!(error, BodyError::TooLarge { .. }),
            BulkError::Status { status, .. } => matches!(status.as_u16(), 502..=504),
            BulkError::Compress(_)
            | BulkError::Address(_)
            | BulkError::Zstd { .. }
            | BulkError::First { .. }
            | BulkError::Items { .. } => false,
        }
    }

    /// Whether the endpoint took its time until none was left.
    pub(super) fn is_timeout(&self) -> bool {
        matches!(self, BulkError::Send(error) if error.is_timeout())
    }

    /// Whether the server has too much to do.
    fn is_overload(&self) -> bool {
        match self {
            BulkError::Send(error) => error.is_timeout(),
            BulkError::Status { status, .. } => matches!(status.as_u16(), 429 | 503 | 504),
            BulkError::Items { is_overload, .. } => *is_overload,
            BulkError::Compress(_)
            | BulkError::Address(_)
            | BulkError::Body(_)
            | BulkError::Reply(_)
            | BulkError::Zstd { .. }
            | BulkError::First { .. } => false,
        }
    }

    /// For the driver, which waits and tries again.
    pub(super) fn failure(&self) -> Failure {
        let error_type = match self {
            BulkError::Send(error) if error.is_timeout() => "timeout",
            BulkError::Compress(_)
            | BulkError::Address(_)
            | BulkError::Send(_)
            | BulkError::Body(_) => "request_failed",
            BulkError::Reply(_) => "invalid_response",
            BulkError::Items { .. } => "items_refused",
            BulkError::Zstd { .. } | BulkError::First { .. } => "request_refused",
            BulkError::Status { status, .. } => match status.as_u16() {
                401 | 403 => "unauthorized",
                429 => "too_many_requests",
                500..=599 => "server_error",
                _ => "request_refused",
            },
        };
        let after = if let BulkError::Status { after, .. } = self { *after } else { None };
        let needs_user = self.step() == Step::RetryWhenFixed;
        let is_overload = self.is_overload();
        Failure { after, needs_user, is_overload, ..Failure::of(error_type, self) }
    }

    /// The whole reason for which a single event of `bytes` is given up, for its dead letter.
    pub(super) fn reason(&self, bytes: usize) -> String {
        match self {
            BulkError::Status { status: StatusCode::PAYLOAD_TOO_LARGE, refusal, .. } => format!(
                "`_bulk` answered 413 Payload Too Large: {}; the event takes {bytes} bytes, more than the server, \
                 or a proxy in front of it, takes at once (Elasticsearch: `http.max_content_length`)",
                refusal.reason()
            ),
            BulkError::Status { status, refusal, .. } => {
                format!("`_bulk` answered {status}: {}", refusal.reason())
            }
            other => other.to_string(),
        }
    }
}

/// An error with those behind it, in one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut behind = error.source();
    while let Some(error) = behind {
        text = format!("{text}: {error}");
        behind = error.source();
    }
    text
}
