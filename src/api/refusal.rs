//! What a caller is told whose request is not answered, and how it is counted.
//!
//! Every refusal has a reason from a fixed set, for the metric, and says what to do. None repeats what the caller has sent.

use http::{Response, StatusCode};
use metrics::{Unit, counter, describe_counter};
use net::{Body, ConnectionRefusal};
use serde::Serialize;

use super::answer;

/// Says what is counted.
pub(super) fn describe() {
    describe_counter!(
        "api_requests_total",
        Unit::Count,
        "Requests that the API has answered, by the status of the answer."
    );
    describe_counter!(
        "api_refused_requests_total",
        Unit::Count,
        "Requests that were refused, by the reason."
    );
}

/// Why requests are refused; the label `reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// It does not speak HTTP, or not as it should.
    Malformed,
    /// Head or body are too large.
    TooLarge,
    /// It took too long, or did not take the answer.
    TooSlow,
    /// There was no TLS handshake.
    Handshake,
    /// It came by a name that is not the server's.
    Host,
    /// Another site's page has sent it.
    Origin,
    /// It shows no token, or a wrong one.
    Token,
    /// There were too many wrong tokens from there.
    Attempts,
    /// Nothing is there.
    Path,
    /// What is there is not asked that way.
    Method,
    /// Its body is not JSON.
    ContentType,
    /// The configuration does not allow it.
    Forbidden,
    /// Too many watch.
    Busy,
    /// What it says makes no sense here.
    Invalid,
}

impl Reason {
    fn as_str(self) -> &'static str {
        match self {
            Reason::Malformed => "malformed",
            Reason::TooLarge => "too_large",
            Reason::TooSlow => "too_slow",
            Reason::Handshake => "handshake",
            Reason::Host => "host",
            Reason::Origin => "origin",
            Reason::Token => "token",
            Reason::Attempts => "attempts",
            Reason::Path => "path",
            Reason::Method => "method",
            Reason::ContentType => "content_type",
            Reason::Forbidden => "forbidden",
            Reason::Busy => "busy",
            Reason::Invalid => "invalid",
        }
    }

    pub(super) fn count(self) {
        counter!("api_refused_requests_total", "reason" => self.as_str()).increment(1);
    }
}

impl From<ConnectionRefusal> for Reason {
    fn from(refusal: ConnectionRefusal) -> Reason {
        match refusal {
            ConnectionRefusal::Malformed => Reason::Malformed,
            ConnectionRefusal::HeadTooLarge => Reason::TooLarge,
            ConnectionRefusal::TooSlow => Reason::TooSlow,
            ConnectionRefusal::Handshake => Reason::Handshake,
        }
    }
}

/// A request that is not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) reason: Reason,
    /// What is wrong.
    pub(super) error: String,
    /// What to do about it.
    pub(super) fix: Option<String>,
}

/// The body of a refusal.
#[derive(Serialize)]
struct Told<'a> {
    error: &'a str,
    fix: Option<&'a str>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, reason: Reason, error: impl Into<String>) -> Refusal {
        Refusal { status, reason, error: error.into(), fix: None }
    }

    /// What was asked makes no sense here.
    pub(super) fn invalid(error: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, Reason::Invalid, error)
    }

    /// What was asked for is not there.
    pub(super) fn not_found(error: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::NOT_FOUND, Reason::Path, error)
    }

    /// Adds what to do about it.
    pub(super) fn fix(mut self, fix: impl Into<String>) -> Refusal {
        self.fix = Some(fix.into());
        self
    }

    /// Counts it, and says it.
    pub(super) fn into_response(self) -> Response<Body> {
        self.reason.count();
        answer::json(self.status, &Told { error: &self.error, fix: self.fix.as_deref() })
    }
}
