//! Why a poll of a feed fails, and what follows from it.

use office365::{ApiError, Hint, Window};
use pipeline_core::Timestamp;

use super::{
    blob::chain,
    plan::{self, ListingStep},
    replay::Span,
};

/// Why a poll did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum PollError {
    #[error("the API refused the request")]
    Api(#[from] ApiError),
    #[error(
        "the subscription was asked to start and is not enabled yet; it is asked again after {until}"
    )]
    Unsubscribed { until: Timestamp },
    #[error("the listing of {window} does not end")]
    Endless { window: Window },
    #[error("what was created from {} to {} is asked for, and the API lists it no more", span.since(), span.until())]
    Unlistable { span: Span },
    #[error("a fault of this program: the poll panicked")]
    Panicked,
}

impl PollError {
    pub(super) fn step(&self) -> ListingStep {
        match self {
            PollError::Api(error) => plan::after_listing_error(error.class()),
            PollError::Unsubscribed { .. } | PollError::Unlistable { .. } => ListingStep::Later,
            PollError::Endless { .. } | PollError::Panicked => ListingStep::Soon(None),
        }
    }

    /// The label of the error's metric.
    pub(super) fn metric_type(&self) -> &'static str {
        match self {
            PollError::Api(ApiError::ForeignHost { .. }) => "foreign_host",
            PollError::Api(_)
            | PollError::Unsubscribed { .. }
            | PollError::Endless { .. }
            | PollError::Unlistable { .. }
            | PollError::Panicked => "listing_failed",
        }
    }

    pub(super) fn hint(&self) -> Option<Hint> {
        match self {
            PollError::Api(error) => error.hint(),
            PollError::Unsubscribed { .. }
            | PollError::Endless { .. }
            | PollError::Unlistable { .. }
            | PollError::Panicked => None,
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            PollError::Api(error) => chain(error),
            other => chain(other),
        }
    }
}
