//! What can go wrong with an answer. A fault spoils one answer only; which one is decided by [`crate::chance`].

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use crate::book::Operation;
use crate::settings::ThrottleStatus;
use crate::tenant::ContentType;

/// One thing that goes wrong with one answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// This status and body instead of the answer.
    Answer { status: u16, body: Bytes },
    /// An error of the API, such as `AF50000`, instead of the answer.
    AfError { status: u16, code: String },
    /// An `AF429` answer.
    Throttle,
    /// An `AF429` answer of this form, whatever the settings say.
    ThrottleAs { status: ThrottleStatus, retry_after: Option<Duration> },
    /// The sound answer after a wait.
    Hang(Duration),
    /// The connection breaks after so many bytes of the body.
    ResetAfter(u64),
    /// The body ends cleanly after so many bytes.
    TruncateAfter(u64),
    /// The body comes in pieces of this size with a wait before each.
    Slow { chunk_bytes: usize, delay: Duration },
    /// An HTML page, as from a proxy, with status 200.
    NotJson,
    /// A JSON array that holds no object.
    NonObjects,
    /// The sound blob with a bad record in front.
    BadRecord(BadRecord),
    /// A `Content-Length` that is off by so many bytes.
    LyingContentLength(i64),
    /// The listing's `contentUri` and `NextPageUri` lead to another host, such as `http://203.0.113.9`.
    ForeignHost(String),
    /// The page lacks some of its rows, chosen by this seed; the next answer has them.
    MissingRows(u64),
    /// The page has some of its rows twice.
    RepeatedRows,
    /// The page claims to be the last one of its listing.
    NoNextPage,
    /// The link to the next page leads to the page itself.
    NextPageLoop,
}

/// What kind of fault met a call, for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    ServerError,
    Throttle,
    Unauthorized,
    Reset,
    Truncate,
    NotJson,
    Hang,
    Slow,
    Gone,
    ForeignHost,
    MissingRows,
    RepeatedRows,
    NoNextPage,
    NextPageLoop,
    TokenError,
    /// Any other.
    Scripted,
}

impl FaultKind {
    pub const ALL: [FaultKind; 16] = [
        FaultKind::ServerError,
        FaultKind::Throttle,
        FaultKind::Unauthorized,
        FaultKind::Reset,
        FaultKind::Truncate,
        FaultKind::NotJson,
        FaultKind::Hang,
        FaultKind::Slow,
        FaultKind::Gone,
        FaultKind::ForeignHost,
        FaultKind::MissingRows,
        FaultKind::RepeatedRows,
        FaultKind::NoNextPage,
        FaultKind::NextPageLoop,
        FaultKind::TokenError,
        FaultKind::Scripted,
    ];

    /// What it is called in counts and options.
    pub fn name(self) -> &'static str {
        match self {
            FaultKind::ServerError => "server_error",
            FaultKind::Throttle => "throttle",
            FaultKind::Unauthorized => "unauthorized",
            FaultKind::Reset => "reset",
            FaultKind::Truncate => "truncate",
            FaultKind::NotJson => "not_json",
            FaultKind::Hang => "hang",
            FaultKind::Slow => "slow",
            FaultKind::Gone => "gone",
            FaultKind::ForeignHost => "foreign_host",
            FaultKind::MissingRows => "missing_rows",
            FaultKind::RepeatedRows => "repeated_rows",
            FaultKind::NoNextPage => "no_next_page",
            FaultKind::NextPageLoop => "next_page_loop",
            FaultKind::TokenError => "token_error",
            FaultKind::Scripted => "scripted",
        }
    }
}

impl Fault {
    /// Whether the answer is the fault's own, and so says nothing about the request.
    pub(crate) fn replaces_answer(&self) -> bool {
        match self {
            Fault::Answer { .. }
            | Fault::AfError { .. }
            | Fault::Throttle
            | Fault::ThrottleAs { .. } => true,
            Fault::Hang(_)
            | Fault::ResetAfter(_)
            | Fault::TruncateAfter(_)
            | Fault::Slow { .. }
            | Fault::NotJson
            | Fault::NonObjects
            | Fault::BadRecord(_)
            | Fault::LyingContentLength(_)
            | Fault::ForeignHost(_)
            | Fault::MissingRows(_)
            | Fault::RepeatedRows
            | Fault::NoNextPage
            | Fault::NextPageLoop => false,
        }
    }
}

/// A record no client should trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRecord {
    NoId,
    NoCreationTime,
    InvalidUtf8,
    NotAnObject,
    /// A record of so many bytes with an id of its own.
    Huge(usize),
}

/// Which calls a queued fault meets; what is not given matches everything.
#[derive(Clone, Debug, Default)]
pub struct FaultTarget {
    pub operation: Option<Operation>,
    pub tenant_id: Option<String>,
    pub content_type: Option<ContentType>,
}

impl FaultTarget {
    pub fn operation(operation: Operation) -> Self {
        FaultTarget { operation: Some(operation), ..FaultTarget::default() }
    }

    #[must_use]
    pub fn of_tenant(mut self, tenant_id: &str) -> Self {
        self.tenant_id = Some(tenant_id.to_owned());
        self
    }

    #[must_use]
    pub fn of_content_type(mut self, content_type: ContentType) -> Self {
        self.content_type = Some(content_type);
        self
    }

    pub(crate) fn matches(&self, call: &Call<'_>) -> bool {
        self.operation.is_none_or(|operation| operation == call.operation)
            && self.tenant_id.as_deref().is_none_or(|tenant| tenant == call.tenant_id)
            && self.content_type.is_none_or(|wanted| call.content_type == Some(wanted))
    }
}

/// The call that a fault may meet.
pub(crate) struct Call<'a> {
    pub(crate) operation: Operation,
    pub(crate) tenant_id: &'a str,
    pub(crate) content_type: Option<ContentType>,
}
