//! Which span of creation times a feed lists next.
//!
//! Invariants: a window is at most 24 h long, starts where the API still lists, and ends before `settle_time`; windows
//! of one poll leave no gap between them; what can be listed no more is named, never stepped over in silence.

use std::time::Duration;

use chrono::{SubsecRound, TimeDelta};
use office365::Window;
use pipeline_core::Timestamp;

use super::{LISTABLE, delta};

/// Listings start this much inside the API's limit: the request takes time, and clocks differ.
const LISTABLE_MARGIN: TimeDelta = TimeDelta::minutes(5);

/// A clock that differs less than this from the API's is taken as right.
const SKEW_TOLERANCE: TimeDelta = TimeDelta::minutes(5);

/// The part of the configuration that decides about windows.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct ListingRules {
    pub(in super::super) lookback: Duration,
    pub(in super::super) settle_time: Duration,
    pub(in super::super) relist_overlap: Duration,
    /// Zero: never.
    pub(in super::super) relist_all_interval: Duration,
}

/// A span that was never listed and that the API lists no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Unlisted {
    pub(in super::super) start: Timestamp,
    pub(in super::super) end: Timestamp,
}

/// The next window of a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct NextWindow {
    pub(in super::super) window: Window,
    /// What was missed just before it.
    pub(in super::super) missed: Option<Unlisted>,
}

/// The time by the API's clock, where that is known and differs much from the local one.
pub(in super::super) fn api_now(local: Timestamp, server: Option<Timestamp>) -> Timestamp {
    server.filter(|server| is_skewed(local - *server)).unwrap_or(local)
}

/// Whether the clocks differ by more than a network's delay and a second's fraction explain.
pub(in super::super) fn is_skewed(skew: TimeDelta) -> bool {
    skew.abs() >= SKEW_TOLERANCE
}

/// Where a poll that starts now ends. Fixed at its start: a listing takes time, and a moving end is never reached.
pub(in super::super) fn listing_end(rules: &ListingRules, now: Timestamp) -> Timestamp {
    now - delta(rules.settle_time)
}

/// The window that a poll lists next; nothing when it has come to its end.
///
/// `listed_until` is what the ledger knows, `position` the end of the poll's last window. `now` must be fresh: a window
/// that was computed a while ago may start too far back.
pub(in super::super) fn next_window(
    rules: &ListingRules,
    listed_until: Option<Timestamp>,
    position: Option<Timestamp>,
    end: Timestamp,
    now: Timestamp,
) -> Option<NextWindow> {
    let floor = listable_since(now);
    let wanted = position.unwrap_or_else(|| match listed_until {
        Some(until) => until - delta(rules.relist_overlap),
        None => first_start(rules, now),
    });
    let start = wanted.max(floor).trunc_subsecs(0);
    let window_end = end.trunc_subsecs(0).min(start + Window::LENGTH_MAX);
    let window = Window::new(start, window_end).ok()?;
    let missed = position
        .or(listed_until)
        .filter(|listed| *listed < start)
        .map(|listed| Unlisted { start: listed, end: start });
    Some(NextWindow { window, missed })
}

/// Where the listing of a new feed starts.
pub(in super::super) fn first_start(rules: &ListingRules, now: Timestamp) -> Timestamp {
    (now - delta(rules.lookback)).max(listable_since(now))
}

/// The oldest creation time that is listed.
pub(in super::super) fn listable_since(now: Timestamp) -> Timestamp {
    now - delta(LISTABLE) + LISTABLE_MARGIN
}

/// Whether all that the API still lists is to be listed again, for blobs that appear after days.
pub(in super::super) fn is_relisting_due(
    rules: &ListingRules,
    relisted_at: Option<Timestamp>,
    now: Timestamp,
) -> bool {
    if rules.relist_all_interval.is_zero() {
        return false;
    }
    // A time in the future is the mark of a clock that was wrong.
    relisted_at.is_none_or(|at| now < at || now >= at + delta(rules.relist_all_interval))
}

/// The window that a listing of everything lists next. `listed_from` is where the feed began, `position` the end of the
/// last window, `end` where a poll lists again anyway.
pub(in super::super) fn next_relisted_window(
    rules: &ListingRules,
    listed_from: Option<Timestamp>,
    position: Option<Timestamp>,
    end: Timestamp,
    now: Timestamp,
) -> Option<Window> {
    let position = position.or(listed_from).unwrap_or_else(|| first_start(rules, now));
    next_window(rules, None, Some(position), end, now).map(|next| next.window)
}

/// How far a feed counts as listed after all pages of `window`. Where the API's own clock has not reached the window's
/// end, more can still be created inside it.
pub(in super::super) fn listed_until(
    rules: &ListingRules,
    window: Window,
    server_date: Option<Timestamp>,
) -> Timestamp {
    server_date.map_or(window.end(), |date| window.end().min(date - delta(rules.settle_time)))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use expect_test::{Expect, expect};
    use office365::parse_time;

    use super::*;

    const RULES: ListingRules = ListingRules {
        lookback: LISTABLE,
        settle_time: Duration::from_mins(1),
        relist_overlap: Duration::from_hours(2),
        relist_all_interval: Duration::from_hours(6),
    };

    fn time(text: &str) -> Timestamp {
        parse_time(text).expect(text)
    }

    /// All windows of a poll at `now`, with a clock that stands still.
    fn check(listed_until: Option<&str>, now: &str, expected: &Expect) {
        let (listed_until, now) = (listed_until.map(time), time(now));
        let end = listing_end(&RULES, now);
        let (mut position, mut shown) = (None, String::new());
        while let Some(next) = next_window(&RULES, listed_until, position, end, now) {
            if let Some(missed) = next.missed {
                writeln!(shown, "missed {:?}..{:?}", missed.start, missed.end).unwrap();
            }
            writeln!(shown, "{}", next.window).unwrap();
            position = Some(next.window.end());
        }
        expected.assert_eq(&shown);
    }

    #[test]
    fn a_new_feed_lists_all_that_the_api_still_lists_in_days() {
        check(
            None,
            "2026-03-08T12:00:00.5",
            &expect![[r"
            2026-03-01T12:05:00Z..2026-03-02T12:05:00Z
            2026-03-02T12:05:00Z..2026-03-03T12:05:00Z
            2026-03-03T12:05:00Z..2026-03-04T12:05:00Z
            2026-03-04T12:05:00Z..2026-03-05T12:05:00Z
            2026-03-05T12:05:00Z..2026-03-06T12:05:00Z
            2026-03-06T12:05:00Z..2026-03-07T12:05:00Z
            2026-03-07T12:05:00Z..2026-03-08T11:59:00Z
        "]],
        );
    }

    #[test]
    fn a_known_feed_lists_the_overlap_again() {
        check(
            Some("2026-03-08T11:54:00"),
            "2026-03-08T12:00:00",
            &expect![[r"
            2026-03-08T09:54:00Z..2026-03-08T11:59:00Z
        "]],
        );
    }

    #[test]
    fn what_the_api_lists_no_more_is_named() {
        check(
            Some("2026-03-01T00:00:00"),
            "2026-03-08T12:00:00",
            &expect![[r"
            missed 2026-03-01T00:00:00Z..2026-03-01T12:05:00Z
            2026-03-01T12:05:00Z..2026-03-02T12:05:00Z
            2026-03-02T12:05:00Z..2026-03-03T12:05:00Z
            2026-03-03T12:05:00Z..2026-03-04T12:05:00Z
            2026-03-04T12:05:00Z..2026-03-05T12:05:00Z
            2026-03-05T12:05:00Z..2026-03-06T12:05:00Z
            2026-03-06T12:05:00Z..2026-03-07T12:05:00Z
            2026-03-07T12:05:00Z..2026-03-08T11:59:00Z
        "]],
        );
        // Only the overlap is out of reach: nothing was missed.
        check(
            Some("2026-03-07T13:00:00"),
            "2026-03-14T12:00:00",
            &expect![[r"
            2026-03-07T12:05:00Z..2026-03-08T12:05:00Z
            2026-03-08T12:05:00Z..2026-03-09T12:05:00Z
            2026-03-09T12:05:00Z..2026-03-10T12:05:00Z
            2026-03-10T12:05:00Z..2026-03-11T12:05:00Z
            2026-03-11T12:05:00Z..2026-03-12T12:05:00Z
            2026-03-12T12:05:00Z..2026-03-13T12:05:00Z
            2026-03-13T12:05:00Z..2026-03-14T11:59:00Z
        "]],
        );
    }

    #[test]
    fn a_slow_poll_leaves_no_gap_and_reports_what_it_outlived() {
        let (start, later) = (time("2026-03-08T12:00:00"), time("2026-03-08T14:00:00"));
        let end = listing_end(&RULES, start);
        let first = next_window(&RULES, None, None, end, start).unwrap().window;
        let second = next_window(&RULES, None, Some(first.end()), end, later).unwrap();
        assert_eq!((second.window.start(), second.missed), (first.end(), None));
        let stale = time("2026-03-01T13:00:00");
        let next = next_window(&RULES, None, Some(stale), end, later).unwrap();
        assert_eq!(next.missed, Some(Unlisted { start: stale, end: time("2026-03-01T14:05:00") }));
    }

    #[test]
    fn a_clock_that_went_back_lists_nothing_or_the_overlap() {
        check(Some("2026-03-08T12:00:00"), "2026-03-08T09:00:00", &expect![[""]]);
        check(
            Some("2026-03-08T12:00:00"),
            "2026-03-08T11:00:00",
            &expect![[r"
            2026-03-08T10:00:00Z..2026-03-08T10:59:00Z
        "]],
        );
    }

    #[test]
    fn what_the_servers_clock_has_not_reached_is_not_listed() {
        let window = Window::new(time("2026-03-08T00:00:00"), time("2026-03-08T12:00:00")).unwrap();
        let until = |date: Option<&str>| listed_until(&RULES, window, date.map(time));
        assert_eq!(until(None), window.end());
        assert_eq!(until(Some("2026-03-08T12:01:00")), window.end());
        assert_eq!(until(Some("2026-03-08T11:00:00")), time("2026-03-08T10:59:00"));
    }

    #[test]
    fn a_clock_far_off_is_corrected() {
        let now = time("2026-03-08T12:00:00");
        assert_eq!(api_now(now, None), now);
        assert_eq!(api_now(now, Some(time("2026-03-08T11:56:00"))), now);
        for server in ["2026-03-08T11:50:00", "2026-03-08T12:10:00"] {
            assert_eq!(api_now(now, Some(time(server))), time(server));
        }
    }
}
