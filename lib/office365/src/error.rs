//! What an operation of the API can end with, and what that means for the caller.
//!
//! No message holds a request: no header, no query, no form. What a peer sent is shown as a short excerpt, in which the
//! client replaces its own secrets in case the peer echoed them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use net::{BodyError, SendError, SendErrorKind};

use crate::answer::Answer;
use crate::sign_in::SignInError;

/// What was attempted. Every request carries it as an extension, so that a transport can count by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    SignIn,
    ListSubscriptions,
    StartSubscription,
    StopSubscription,
    ListContent,
    NextPage,
    FetchBlob,
}

impl Operation {
    /// The name in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Operation::SignIn => "sign_in",
            Operation::ListSubscriptions => "list_subscriptions",
            Operation::StartSubscription => "start_subscription",
            Operation::StopSubscription => "stop_subscription",
            Operation::ListContent => "list_content",
            Operation::NextPage => "next_page",
            Operation::FetchBlob => "fetch_blob",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Operation::SignIn => "sign in",
            Operation::ListSubscriptions => "list subscriptions",
            Operation::StartSubscription => "start a subscription",
            Operation::StopSubscription => "stop a subscription",
            Operation::ListContent => "list content",
            Operation::NextPage => "list the next page of content",
            Operation::FetchBlob => "fetch a blob",
        })
    }
}

/// What the caller should do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// Passing trouble: try again, after the given time if there is one, else with backoff.
    Retry { after: Option<Duration> },
    /// Too many requests: as [`ErrorClass::Retry`], for everything of this tenant.
    Throttled { after: Option<Duration> },
    /// No subscription for the content type: start it.
    Unsubscribed,
    /// An administrator disabled the subscription: start it once, then tell the user.
    Disabled,
    /// Start found the subscription enabled, which is what was wanted.
    AlreadyEnabled,
    /// The times of the listing are refused: compute them anew, and check the clock.
    WindowRefused,
    /// The link to the next page is refused: list the window again from its start.
    BadPage,
    /// The blob is gone for good.
    Lost,
    /// The token lacks the permission for this content type: the user must grant it; other types may work.
    MissingPermission,
    /// The user must change something; trying again soon will not help.
    Misconfigured,
    /// A fresh token was refused without a reason: wrong audience or tenant.
    Unauthorized,
    /// A link leads away from the tenant's own host; nothing was sent.
    ForeignHost,
    /// The request is wrong in a way that only this program can be blamed for.
    OurBug,
}

/// Why something failed, and what to do, in plain words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hint {
    pub cause: &'static str,
    pub fix: &'static str,
}

/// An operation that failed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    #[error("cannot {operation}: no access token")]
    SignIn {
        operation: Operation,
        #[source]
        source: Arc<SignInError>,
    },
    #[error("cannot {operation}")]
    Send {
        operation: Operation,
        #[source]
        source: SendError,
    },
    #[error("cannot {operation}: {answer}")]
    Refused { operation: Operation, answer: Answer },
    #[error("cannot {operation}: the reply cannot be read")]
    Body {
        operation: Operation,
        #[source]
        source: BodyError,
    },
    #[error("cannot {operation}: the reply took more than {} s", limit.as_secs())]
    Slow { operation: Operation, limit: Duration },
    #[error("cannot {operation}: {reason}; the reply starts with `{start}`")]
    Malformed { operation: Operation, reason: &'static str, start: String },
    #[error(
        "cannot {operation}: the link leads to `{host}`, not to the tenant's API host; nothing was sent"
    )]
    ForeignHost { operation: Operation, host: String },
}

impl ApiError {
    pub fn class(&self) -> ErrorClass {
        match self {
            ApiError::SignIn { source, .. } => source.class(),
            ApiError::Send { .. }
            | ApiError::Body { .. }
            | ApiError::Slow { .. }
            | ApiError::Malformed { .. } => ErrorClass::Retry { after: None },
            ApiError::Refused { operation, answer } => answer.class(*operation),
            ApiError::ForeignHost { .. } => ErrorClass::ForeignHost,
        }
    }

    /// Cause and fix, where more is known than the message says.
    pub fn hint(&self) -> Option<Hint> {
        match self {
            ApiError::SignIn { source, .. } => source.hint(),
            ApiError::Refused { answer, .. } => answer.hint(),
            ApiError::ForeignHost { .. } => Some(Hint {
                cause: "the API, or something between it and here, gave a link to another host",
                fix: "check the cloud setting and resource_url, and any proxy that rewrites replies",
            }),
            ApiError::Malformed { .. } => Some(Hint {
                cause: "something that is not the API answered, often a proxy's page",
                fix: "check the proxy and resource_url",
            }),
            ApiError::Send { source, .. } => send_hint(source),
            ApiError::Body { .. } | ApiError::Slow { .. } => None,
        }
    }

    pub fn operation(&self) -> Operation {
        match self {
            ApiError::SignIn { operation, .. }
            | ApiError::Send { operation, .. }
            | ApiError::Refused { operation, .. }
            | ApiError::Body { operation, .. }
            | ApiError::Slow { operation, .. }
            | ApiError::Malformed { operation, .. }
            | ApiError::ForeignHost { operation, .. } => *operation,
        }
    }

    /// The code of the API, as `AF20022`, if the answer had one.
    pub fn code(&self) -> Option<&str> {
        match self {
            ApiError::Refused { answer, .. } => answer.code.as_deref(),
            ApiError::SignIn { .. }
            | ApiError::Send { .. }
            | ApiError::Body { .. }
            | ApiError::Slow { .. }
            | ApiError::Malformed { .. }
            | ApiError::ForeignHost { .. } => None,
        }
    }
}

/// Cause and fix, where the way to the server is what is wrong.
pub(crate) fn send_hint(error: &SendError) -> Option<Hint> {
    let (cause, fix) = match error.kind() {
        SendErrorKind::Proxy => (
            "the proxy cannot be reached, or does not let this program through to the host",
            "check the table `proxy` or the environment's proxy variables, and allow the host in the proxy",
        ),
        SendErrorKind::ProxyCredentials => (
            "the proxy wants a name and a password, or others",
            "set `username` and `password` in the table `proxy`",
        ),
        SendErrorKind::Tls => (
            "the server's certificate is not trusted, often because a proxy inspects traffic",
            "set `tls.ca_file` to the proxy's certificate authority, and check the clock of this machine",
        ),
        SendErrorKind::Timeout
        | SendErrorKind::Connect
        | SendErrorKind::Closed
        | SendErrorKind::Protocol
        | SendErrorKind::InvalidRequest => return None,
    };
    Some(Hint { cause, fix })
}
