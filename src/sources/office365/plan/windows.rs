//! Which span of creation times a feed lists next.
//!
//! Invariants: a window is at most 24 h long, starts where the API still lists, and ends before `settle_time`; windows
//! of one poll leave no gap between them; what can be listed no more is named, never stepped over in silence.
//!
//! Windows of a busy feed are shorter: a listing of many pages that breaks off has to be made again from its start, and
//! its links grow too old while it is made. They grow again where pages are few.

use std::time::Duration;

use chrono::{SubsecRound, TimeDelta};
use office365::Window;
use pipeline_core::Timestamp;

use super::{LISTABLE, delta};

/// Listings start this much inside the API's limit: the request takes time, and clocks differ.
const LISTABLE_MARGIN: TimeDelta = TimeDelta::minutes(5);

/// A window whose listing has more pages than this is given up, and listed in halves.
const PAGES_BEFORE_SPLIT: usize = 200;

/// Pages of a window that cannot be made shorter. A server that never ends a listing stops here.
const PAGES_MAX: usize = 10_000;

/// After a window with more pages than this, the next ones are half as long.
const PAGES_MANY: usize = 50;

/// After a window with at most so many pages, the next ones are twice as long.
const PAGES_FEW: usize = 10;

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

/// How long the windows of a feed are at most, by what its listings were like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct WindowLength(TimeDelta);

impl WindowLength {
    /// As long as the API allows.
    pub(in super::super) const LONGEST: WindowLength = WindowLength(Window::LENGTH_MAX);

    /// Shorter ones are not made: a minute with so many blobs is a fault of the listing.
    const SHORTEST: TimeDelta = TimeDelta::minutes(1);

    /// The pages that a listing of `window` may have.
    pub(in super::super) fn pages_max(window: Window) -> usize {
        if is_shortest(window) { PAGES_MAX } else { PAGES_BEFORE_SPLIT }
    }

    /// What follows a listing that came to its end. A window that was short for another reason, such as that there is no
    /// more to list, does not say that longer ones would do.
    pub(in super::super) fn after_listing(self, window: Window, pages: usize) -> WindowLength {
        let length = window.end() - window.start();
        if pages > PAGES_MANY {
            return self.halved(window);
        }
        if pages <= PAGES_FEW && length == self.0 {
            return WindowLength((self.0 * 2).min(Window::LENGTH_MAX));
        }
        self
    }

    /// What follows a listing that was given up, or that broke because its links had grown too old: nothing, where the
    /// window cannot be shorter.
    pub(in super::super) fn after_break(self, window: Window) -> Option<WindowLength> {
        (!is_shortest(window)).then(|| self.halved(window))
    }

    fn halved(self, window: Window) -> WindowLength {
        // Windows are of whole seconds, and one that is as long as it may be is told by its length.
        let half = TimeDelta::seconds((window.end() - window.start()).num_seconds() / 2);
        WindowLength(half.min(self.0).max(Self::SHORTEST))
    }
}

fn is_shortest(window: Window) -> bool {
    window.end() - window.start() <= WindowLength::SHORTEST
}

/// A span that was never listed and that the API lists no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Unlisted {
    pub(in super::super) start: Timestamp,
    pub(in super::super) end: Timestamp,
}

/// How far a poll has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Progress {
    /// Where the feed began, as the ledger knows: a feed that was never listed has all from there to list.
    pub(in super::super) listed_from: Option<Timestamp>,
    /// What the ledger knows.
    pub(in super::super) listed_until: Option<Timestamp>,
    /// The end of the poll's last window.
    pub(in super::super) position: Option<Timestamp>,
    /// Where the poll ends.
    pub(in super::super) end: Timestamp,
    pub(in super::super) length: WindowLength,
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
/// `now` must be fresh: a window that was computed a while ago may start too far back.
pub(in super::super) fn next_window(
    rules: &ListingRules,
    progress: &Progress,
    now: Timestamp,
) -> Option<NextWindow> {
    let Progress { listed_from, listed_until, position, end, length } = *progress;
    let beginning = first_start(rules, now).min(listed_from.unwrap_or(Timestamp::MAX_UTC));
    let overlapping = listed_until.map(|until| until - delta(rules.relist_overlap));
    let wanted = position.or(overlapping).unwrap_or(beginning);
    let start = wanted.max(listable_since(now)).trunc_subsecs(0);
    let window_end = end.trunc_subsecs(0).min(start + length.0);
    let window = Window::new(start, window_end).ok()?;
    let unlisted_since = match position.or(listed_until) {
        Some(listed) => listed,
        // A feed begins at what can just be listed, and its first request takes a moment: that is no gap.
        None if start <= beginning + LISTABLE_MARGIN => start,
        None => beginning,
    };
    let missed = (unlisted_since < start).then_some(Unlisted { start: unlisted_since, end: start });
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

/// The window that a listing of everything lists next. `listed_from` is where the feed began; the listing ends where a
/// poll lists again anyway.
pub(in super::super) fn next_relisted_window(
    rules: &ListingRules,
    listed_from: Option<Timestamp>,
    progress: &Progress,
    now: Timestamp,
) -> Option<Window> {
    let position = progress.position.or(listed_from).unwrap_or_else(|| first_start(rules, now));
    let progress = Progress { listed_until: None, position: Some(position), ..*progress };
    next_window(rules, &progress, now).map(|next| next.window)
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

    fn progress(
        listed_until: Option<Timestamp>,
        position: Option<Timestamp>,
        end: Timestamp,
    ) -> Progress {
        let length = WindowLength::LONGEST;
        Progress { listed_from: None, listed_until, position, end, length }
    }

    /// All windows of a poll at `now`, with a clock that stands still.
    fn check(listed_until: Option<&str>, now: &str, expected: &Expect) {
        let (listed_until, now) = (listed_until.map(time), time(now));
        let end = listing_end(&RULES, now);
        let mut progress = progress(listed_until, None, end);
        let mut shown = String::new();
        while let Some(next) = next_window(&RULES, &progress, now) {
            if let Some(missed) = next.missed {
                writeln!(shown, "missed {:?}..{:?}", missed.start, missed.end).unwrap();
            }
            writeln!(shown, "{}", next.window).unwrap();
            progress.position = Some(next.window.end());
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
        let first = next_window(&RULES, &progress(None, None, end), start).unwrap().window;
        let second = next_window(&RULES, &progress(None, Some(first.end()), end), later).unwrap();
        assert_eq!((second.window.start(), second.missed), (first.end(), None));
        let stale = time("2026-03-01T13:00:00");
        let next = next_window(&RULES, &progress(None, Some(stale), end), later).unwrap();
        assert_eq!(next.missed, Some(Unlisted { start: stale, end: time("2026-03-01T14:05:00") }));
    }

    #[test]
    fn a_feed_that_began_and_was_never_listed_has_all_since_then_to_list() {
        let rules = ListingRules { lookback: Duration::from_hours(24), ..RULES };
        let next = |listed_from: &str, now: &str| {
            let now = time(now);
            let progress = Progress {
                listed_from: Some(time(listed_from)),
                ..progress(None, None, listing_end(&rules, now))
            };
            let next = next_window(&rules, &progress, now).unwrap();
            (next.window.start(), next.missed)
        };
        let from = "2026-03-07T12:00:00";
        assert_eq!(next(from, "2026-03-10T12:00:00"), (time(from), None));
        assert_eq!(next(from, "2026-03-14T11:58:00"), (time("2026-03-07T12:03:00"), None));
        let reached = time("2026-03-09T12:05:00");
        let missed = Unlisted { start: time(from), end: reached };
        assert_eq!(next(from, "2026-03-16T12:00:00"), (reached, Some(missed)));
        // A clock that was wrong then.
        let start = time("2026-03-07T12:00:00");
        assert_eq!(next("2027-03-07T12:00:00", "2026-03-08T12:00:00"), (start, None));
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

    /// The lengths of windows in minutes, each listed in so many pages; `None` for a listing that broke.
    fn check_lengths(listings: &[Option<usize>], expected: &[i64]) {
        let start = time("2026-03-01T00:00:00");
        let mut length = WindowLength::LONGEST;
        let mut lengths = Vec::new();
        for pages in listings {
            let window = Window::new(start, start + length.0).unwrap();
            length = match pages {
                Some(pages) => length.after_listing(window, *pages),
                None => length.after_break(window).unwrap_or(length),
            };
            lengths.push(length.0.num_minutes());
        }
        assert_eq!(lengths, expected, "{listings:?}");
    }

    #[test]
    fn windows_shrink_where_pages_are_many_and_grow_where_they_are_few() {
        check_lengths(
            &[Some(1), Some(50), Some(51), Some(30), Some(10)],
            &[1440, 1440, 720, 720, 1440],
        );
        check_lengths(&[None, None, Some(200), Some(11), Some(0)], &[720, 360, 180, 180, 360]);
        let broken = [None; 12];
        check_lengths(&broken, &[720, 360, 180, 90, 45, 22, 11, 5, 2, 1, 1, 1]);
        let mut mended = [None; 17];
        mended[10..].fill(Some(3));
        let grown = [720, 360, 180, 90, 45, 22, 11, 5, 2, 1, 2, 5, 11, 22, 44, 89, 179];
        check_lengths(&mended, &grown);
    }

    #[test]
    fn a_window_that_is_short_for_another_reason_says_nothing_of_longer_ones() {
        let start = time("2026-03-01T00:00:00");
        let hour = Window::new(start, start + TimeDelta::hours(1)).unwrap();
        let length = WindowLength(TimeDelta::hours(3));
        assert_eq!(length.after_listing(hour, 1), length);
        assert_eq!(length.after_listing(hour, 60), WindowLength(TimeDelta::minutes(30)));
        let minute = Window::new(start, start + TimeDelta::minutes(1)).unwrap();
        assert_eq!(length.after_break(minute), None);
        assert!(WindowLength::pages_max(minute) > WindowLength::pages_max(hour));
    }
}
