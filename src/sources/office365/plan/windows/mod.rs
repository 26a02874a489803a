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
mod tests;
