//! What follows a failure: when to try again, and when to give up.
//!
//! Invariant: a blob is given up only on the API's own word, or on another failure of the API, after the blob's expiry. What
//! fails on this side (a sink, the disk) is tried again for ever.

use std::time::Duration;

use office365::ErrorClass;
use pipeline_core::Timestamp;

use super::delta;

/// The wait after a first failure, of a blob, a listing or a sign-in; it doubles with each further one.
const BACKOFF_MIN: Duration = Duration::from_secs(1);

/// The longest wait before a blob is tried again.
pub(in super::super) const BLOB_BACKOFF_MAX: Duration = Duration::from_mins(30);

/// The wait while throttled when the API names no time.
const THROTTLED_PAUSE: Duration = Duration::from_secs(30);

/// The wait before a sign-in is tried again that only the user can put right.
const MISCONFIGURED_PAUSE: Duration = Duration::from_mins(5);

/// Failed attempts before the API is believed that an expired blob is gone. Before its expiry it never is: storage behind
/// a listing can lag, for longer than anybody would wait, and asking again costs next to nothing.
const LOST_ANSWERS: u32 = 3;

/// Why an attempt at a blob did not end with the blob delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum AttemptFault {
    /// The API refused, or could not be reached.
    Api(ErrorClass),
    /// There is no access token, for this reason: nothing of this tenant can be fetched.
    SignIn(ErrorClass),
    /// The body broke off, or is not an array of records.
    Body,
    /// Not every record was delivered.
    Undelivered,
    /// It was stopped; nothing is wrong with the blob.
    Interrupted,
}

/// What becomes of a blob after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum BlobStep {
    /// It waits on its own clock.
    Retry {
        at: Timestamp,
    },
    /// It waits without a mark against it, and the tenant fetches nothing for that long.
    PauseTenant {
        pause: Duration,
    },
    /// It goes back as it was.
    Release,
    Lost,
}

/// Decides about a blob that failed `attempts` times, this time included. `is_expired` by the API's own clock.
pub(in super::super) fn after_attempt(
    fault: AttemptFault,
    attempts: u32,
    is_expired: bool,
    now: Timestamp,
    random: &mut fastrand::Rng,
) -> BlobStep {
    let wait = backoff(attempts, BLOB_BACKOFF_MAX, random);
    let retry = |after: Option<Duration>| BlobStep::Retry {
        at: now + delta(after.map_or(wait, |after| after.max(wait))),
    };
    match fault {
        AttemptFault::Interrupted => BlobStep::Release,
        AttemptFault::Api(ErrorClass::Throttled { after }) => {
            BlobStep::PauseTenant { pause: after.unwrap_or(THROTTLED_PAUSE) }
        }
        AttemptFault::SignIn(ErrorClass::Retry { after } | ErrorClass::Throttled { after })
            if !is_expired =>
        {
            BlobStep::PauseTenant { pause: after.unwrap_or(THROTTLED_PAUSE) }
        }
        AttemptFault::Api(ErrorClass::Unauthorized) if !is_expired => {
            BlobStep::PauseTenant { pause: THROTTLED_PAUSE }
        }
        AttemptFault::SignIn(_) if !is_expired => {
            BlobStep::PauseTenant { pause: MISCONFIGURED_PAUSE }
        }
        AttemptFault::Api(ErrorClass::Lost) if is_expired && attempts >= LOST_ANSWERS => {
            BlobStep::Lost
        }
        AttemptFault::Undelivered | AttemptFault::Api(ErrorClass::Lost) => retry(None),
        _ if is_expired => BlobStep::Lost,
        AttemptFault::Api(ErrorClass::Retry { after }) => retry(after),
        AttemptFault::Api(
            ErrorClass::Unsubscribed
            | ErrorClass::Disabled
            | ErrorClass::AlreadyEnabled
            | ErrorClass::WindowRefused
            | ErrorClass::BadPage
            | ErrorClass::MissingPermission
            | ErrorClass::Misconfigured
            | ErrorClass::Unauthorized
            | ErrorClass::ForeignHost
            | ErrorClass::OurBug,
        )
        | AttemptFault::SignIn(_)
        | AttemptFault::Body => retry(None),
    }
}

/// Whether the API said that there were too many requests.
pub(in super::super) fn is_throttled(class: ErrorClass) -> bool {
    matches!(class, ErrorClass::Throttled { .. })
}

/// What follows when a feed could not be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum ListingStep {
    /// Plan the window anew from the ledger and the time, and list it again at once.
    Again,
    /// See to the subscription first, then list again.
    Subscribe,
    /// The tenant pauses; then poll again.
    Pause(Duration),
    /// Poll again, soon at first, not before the given time.
    Soon(Option<Duration>),
    /// Nothing will change soon: tell the user, and poll again as usual.
    Later,
}

/// Decides from the class of the error.
pub(in super::super) fn after_listing_error(class: ErrorClass) -> ListingStep {
    match class {
        ErrorClass::Retry { after } => ListingStep::Soon(after),
        ErrorClass::Throttled { after } => ListingStep::Pause(after.unwrap_or(THROTTLED_PAUSE)),
        ErrorClass::Unsubscribed | ErrorClass::Disabled => ListingStep::Subscribe,
        ErrorClass::WindowRefused | ErrorClass::BadPage => ListingStep::Again,
        ErrorClass::AlreadyEnabled
        | ErrorClass::Lost
        | ErrorClass::MissingPermission
        | ErrorClass::Misconfigured
        | ErrorClass::Unauthorized
        | ErrorClass::ForeignHost
        | ErrorClass::OurBug => ListingStep::Later,
    }
}

/// How long a feed waits before its next poll, after so many failed ones in a row.
pub(in super::super) fn next_poll(
    step: Option<ListingStep>,
    failures: u32,
    interval: Duration,
    random: &mut fastrand::Rng,
) -> Duration {
    match step {
        Some(ListingStep::Soon(after)) => {
            let wait = backoff(failures, interval, random);
            after.map_or(wait, |after| after.max(wait))
        }
        Some(ListingStep::Pause(pause)) => pause.max(backoff(failures, interval, random)),
        // Feeds that started together drift apart.
        None | Some(ListingStep::Again | ListingStep::Subscribe | ListingStep::Later) => {
            interval.mul_f64(0.95 + 0.1 * random.f64())
        }
    }
}

/// A wait that doubles with each failure up to `most`, half of it left to chance.
pub(in super::super) fn backoff(
    failures: u32,
    most: Duration,
    random: &mut fastrand::Rng,
) -> Duration {
    let doublings = failures.saturating_sub(1).min(20);
    let full = BACKOFF_MIN.saturating_mul(1 << doublings).min(most);
    full.mul_f64(0.5 + 0.5 * random.f64())
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn now() -> Timestamp {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn step(fault: AttemptFault, attempts: u32, expires_in: i64) -> BlobStep {
        after_attempt(fault, attempts, expires_in <= 0, now(), &mut fastrand::Rng::with_seed(7))
    }

    fn api(class: ErrorClass) -> AttemptFault {
        AttemptFault::Api(class)
    }

    const RETRY: ErrorClass = ErrorClass::Retry { after: None };

    #[test]
    fn a_blob_is_lost_only_after_its_expiry_and_only_by_the_apis_doing() {
        for (fault, attempts, expires_in, lost) in [
            (api(RETRY), 1000, 1, false),
            (api(RETRY), 1, 0, true),
            (api(ErrorClass::Lost), 1, 100, false),
            (api(ErrorClass::Lost), 300, 100, false),
            (api(ErrorClass::Lost), 3, -5, true),
            (api(ErrorClass::Lost), 1, -5, false),
            (api(ErrorClass::Misconfigured), 50, 100, false),
            (api(ErrorClass::ForeignHost), 1, -5, true),
            (api(ErrorClass::Throttled { after: None }), 9, -5, false),
            (AttemptFault::SignIn(RETRY), 9, 100, false),
            (AttemptFault::SignIn(RETRY), 9, -5, true),
            (AttemptFault::Body, 100, 100, false),
            (AttemptFault::Body, 1, -1, true),
            (AttemptFault::Undelivered, 100, -1_000_000, false),
            (AttemptFault::Interrupted, 100, -1_000_000, false),
        ] {
            let step = step(fault, attempts, expires_in);
            assert_eq!(step == BlobStep::Lost, lost, "{fault:?} {attempts} {expires_in}: {step:?}");
        }
    }

    #[test]
    fn trouble_of_the_tenant_leaves_no_mark_on_the_blob() {
        for (fault, least) in [
            (api(ErrorClass::Throttled { after: Some(Duration::from_secs(90)) }), 90),
            (api(ErrorClass::Throttled { after: None }), 30),
            (AttemptFault::SignIn(RETRY), 30),
            (AttemptFault::SignIn(ErrorClass::Misconfigured), 300),
            (api(ErrorClass::Unauthorized), 30),
        ] {
            let BlobStep::PauseTenant { pause } = step(fault, 1, 100) else { panic!("{fault:?}") };
            assert!(pause >= Duration::from_secs(least), "{fault:?}");
        }
        assert_eq!(step(AttemptFault::Interrupted, 5, 100), BlobStep::Release);
    }

    #[test]
    fn a_blobs_clock_doubles_up_to_half_an_hour_and_heeds_retry_after() {
        let wait = |fault, attempts| match step(fault, attempts, i64::from(u32::MAX)) {
            BlobStep::Retry { at } => (at - now()).to_std().unwrap(),
            other => panic!("{other:?}"),
        };
        for (attempts, full) in [(1, 1), (2, 2), (5, 16), (11, 1024), (12, 1800), (u32::MAX, 1800)]
        {
            let wait = wait(api(RETRY), attempts);
            let full = Duration::from_secs(full);
            assert!(full / 2 <= wait && wait <= full, "{attempts}: {wait:?}");
        }
        let after = Some(Duration::from_mins(10));
        assert_eq!(wait(api(ErrorClass::Retry { after }), 1), Duration::from_mins(10));
    }

    #[test]
    fn feeds_poll_soon_after_passing_trouble_and_as_usual_after_the_rest() {
        let interval = Duration::from_mins(5);
        let random = &mut fastrand::Rng::with_seed(3);
        let mut wait = |class, failures| {
            next_poll(Some(after_listing_error(class)), failures, interval, random).as_secs_f64()
        };
        assert!(wait(RETRY, 1) <= 1.0);
        assert!((150.0..=300.0).contains(&wait(RETRY, 30)));
        assert!(wait(ErrorClass::Retry { after: Some(Duration::from_secs(77)) }, 1) >= 77.0);
        assert!(wait(ErrorClass::Throttled { after: None }, 1) >= 30.0);
        for class in [ErrorClass::Misconfigured, ErrorClass::MissingPermission, ErrorClass::OurBug]
        {
            assert!((285.0..=315.0).contains(&wait(class, 1)), "{class:?}");
        }
        assert_eq!(after_listing_error(ErrorClass::Unsubscribed), ListingStep::Subscribe);
        assert_eq!(after_listing_error(ErrorClass::BadPage), ListingStep::Again);
        assert!(next_poll(None, 0, interval, random) >= Duration::from_secs(285));
    }
}
