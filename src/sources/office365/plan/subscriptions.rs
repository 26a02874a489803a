//! Whether a subscription must be started, and whether that may be asked now.

use chrono::TimeDelta;
use office365::{ContentType, Subscription};
use pipeline_core::Timestamp;

/// Microsoft's rule: after a start request wait this long before another.
const START_PAUSE: TimeDelta = TimeDelta::minutes(15);

/// What to do about a feed's subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum SubscriptionStep {
    /// It is enabled.
    Ready,
    Start,
    /// It is not enabled, and was asked to start a short while ago.
    WaitUntil(Timestamp),
}

/// Decides from the tenant's list of subscriptions. A row without a status is taken as enabled, which the next listing
/// proves or not; `refused` says that one has just proved the opposite.
pub(in super::super) fn subscription_step(
    content_type: ContentType,
    listed: &[Subscription],
    refused: bool,
    start_attempted: Option<Timestamp>,
    now: Timestamp,
) -> SubscriptionStep {
    let row = listed.iter().find(|row| row.content_type == content_type);
    let is_enabled = row.is_some_and(|row| row.is_enabled.unwrap_or(!refused));
    if is_enabled {
        return SubscriptionStep::Ready;
    }
    match start_attempted {
        // A time far in the future is the mark of a clock that was wrong.
        Some(at) if (now - at).abs() < START_PAUSE => SubscriptionStep::WaitUntil(at + START_PAUSE),
        Some(_) | None => SubscriptionStep::Start,
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    const ASKED: ContentType = ContentType::Exchange;

    fn minute(minutes: i64) -> Timestamp {
        DateTime::from_timestamp(minutes * 60, 0).unwrap()
    }

    fn check(
        status: &[Option<bool>],
        refused: bool,
        attempted: Option<i64>,
        expected: SubscriptionStep,
    ) {
        let other = Subscription {
            content_type: ContentType::General,
            is_enabled: Some(true),
            webhook: None,
        };
        let row = status.iter().map(|&is_enabled| Subscription {
            content_type: ASKED,
            is_enabled,
            webhook: None,
        });
        let listed: Vec<_> = [other].into_iter().chain(row).collect();
        let step = subscription_step(ASKED, &listed, refused, attempted.map(minute), minute(100));
        assert_eq!(step, expected, "{status:?} {refused} {attempted:?}");
    }

    #[test]
    fn what_is_not_enabled_is_started_at_most_every_15_minutes() {
        use SubscriptionStep::{Ready, Start, WaitUntil};
        for (status, refused, attempted, expected) in [
            (&[Some(true)][..], false, None, Ready),
            (&[None], false, None, Ready),
            (&[None], true, None, Start),
            (&[Some(false)], false, None, Start),
            (&[], false, None, Start),
            (&[], false, Some(85), Start),
            (&[], false, Some(86), WaitUntil(minute(101))),
            (&[Some(false)], false, Some(100), WaitUntil(minute(115))),
            (&[], false, Some(105), WaitUntil(minute(120))),
            (&[], false, Some(200), Start),
            (&[Some(true)][..], false, Some(99), Ready),
        ] {
            check(status, refused, attempted, expected);
        }
    }
}
