//! What follows: from a reply, an error or a tick, from what the ledger knows, and from `now`.
//!
//! Pure: no clock, no socket, no file; randomness is an argument. `feed`, `tenant` and `blob` perform what is decided
//! here.

mod retries;
mod subscriptions;
mod windows;

use std::time::Duration;

use chrono::TimeDelta;

pub(super) use retries::{
    AttemptFault, BLOB_BACKOFF_MAX, BlobStep, ListingStep, after_attempt, after_listing_error,
    backoff, is_throttled, next_poll,
};
pub(super) use subscriptions::{SubscriptionStep, subscription_step};
pub(super) use windows::{
    ListingRules, Progress, Unlisted, WindowLength, api_now, first_start, is_relisting_due,
    is_skewed, listable_since, listed_until, listing_end, next_relisted_window, next_window,
};

/// How far back the API lists content.
pub(super) const LISTABLE: Duration = Duration::from_hours(7 * 24);

/// The span that `duration` is, or the longest that can be added to a time of this age.
pub(super) fn delta(duration: Duration) -> TimeDelta {
    const LONGEST: TimeDelta = TimeDelta::days(366 * 100);
    TimeDelta::from_std(duration).unwrap_or(LONGEST).min(LONGEST)
}
