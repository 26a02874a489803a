//! The windows of polls, at times of which each shows one rule.

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
