//! From ledgers and metrics to feeds, the worst first.

use std::collections::HashMap;

use chrono::{DateTime, DurationRound, TimeDelta};
use office365::report::{FeedOverview, Overview};
use pipeline_core::Timestamp;
use tracing::debug;

use super::{FeedShown, FeedSource, FeedState, Wanted};
use crate::{components::office365, telemetry::Snapshot};

/// How far back the hours go: as far as the API lists.
const SHOWN: TimeDelta = TimeDelta::days(7);

/// A feed that is listed up to so long ago is behind: a poll takes minutes, and content comes an hour late at times.
const BEHIND_AFTER: TimeDelta = TimeDelta::hours(1);

/// The feeds that are wanted. Of a ledger that cannot be read, as one that is not made yet, nothing is shown.
pub(super) fn feeds(
    sources: &[FeedSource],
    snapshot: &Snapshot,
    wanted: &Wanted,
    now: Timestamp,
) -> Vec<FeedShown> {
    let numbers = Numbers::of(snapshot);
    let span = now.duration_trunc(TimeDelta::hours(1)).unwrap_or(now) - SHOWN..now;
    let mut found = Vec::new();
    for source in sources {
        let read = Overview::open(&source.ledger).and_then(|ledger| {
            let lost: HashMap<_, _> = ledger.lost(&span)?.into_iter().collect();
            let feeds = ledger.feeds(&source.config)?.into_iter();
            let feeds = feeds.filter(|feed| wanted.holds(feed)).map(|feed| {
                let lost = feed.row.and_then(|row| lost.get(&row)).copied().unwrap_or(0);
                (feed.row, shown(source, &feed, (lost, &numbers), now))
            });
            Ok(feeds.collect::<Vec<_>>())
        });
        match read {
            Ok(feeds) => {
                found.extend(feeds.into_iter().map(|(row, feed)| (source, row, feed)));
            }
            Err(error) => debug!(component_id = source.id, %error, "no ledger to show yet"),
        }
    }
    found.sort_by_cached_key(|(_, _, feed)| feed.rank());
    let page = found.into_iter().skip(wanted.offset).take(wanted.limit);
    page.map(|(source, row, mut feed)| {
        if let (Some(row), Ok(ledger)) = (row, Overview::open(&source.ledger)) {
            feed.hours = ledger.hours(row, &span).unwrap_or_default();
        }
        feed
    })
    .collect()
}

impl Wanted {
    fn holds(&self, feed: &FeedOverview) -> bool {
        self.tenant.as_ref().is_none_or(|wanted| {
            feed.tenant.as_ref() == Some(wanted) || feed.tenant_id.to_string() == *wanted
        })
    }
}

impl FeedShown {
    /// What comes first: the worst state, then who is furthest behind, then the name.
    fn rank(&self) -> impl Ord + use<> {
        let listed_until = self.listed_until.unwrap_or(DateTime::UNIX_EPOCH);
        let hour = listed_until.duration_trunc(TimeDelta::hours(1)).unwrap_or(listed_until);
        (
            self.state,
            std::cmp::Reverse(self.lost),
            hour,
            self.tenant_name.clone(),
            self.content_type.clone(),
        )
    }
}

fn shown(
    source: &FeedSource,
    feed: &FeedOverview,
    (lost, numbers): (u64, &Numbers),
    now: Timestamp,
) -> FeedShown {
    let name = feed.tenant.clone().unwrap_or_default();
    let content_type = feed.content_type.to_string();
    let number = |metric: &str| numbers.feed(metric, &name, &content_type);
    let settle = TimeDelta::from_std(source.config.settle_time + source.config.poll_interval * 2);
    let late = now - settle.unwrap_or_default() - BEHIND_AFTER;
    let state = match feed {
        FeedOverview { configured: false, .. } => FeedState::Gone,
        _ if lost > 0 => FeedState::Losing,
        FeedOverview { subscription_enabled: Some(false), .. } => FeedState::Off,
        FeedOverview { listed_until: None, .. } => FeedState::New,
        FeedOverview { listed_until: Some(until), .. } if *until < late => FeedState::Behind,
        FeedOverview { .. } => FeedState::Ok,
    };
    FeedShown {
        source: source.id.clone(),
        tenant: feed.tenant_id.to_string(),
        state,
        listed_until: feed.listed_until,
        lag_seconds: number("o365_lag_seconds"),
        throttled: numbers.feed("o365_throttling", &name, "") == Some(1.0),
        throttled_answers: count(number("o365_throttled_total")),
        pending: count(number("o365_blobs_pending")),
        lost,
        token_expires: numbers.time("o365_token_expiry_timestamp_seconds", &name),
        certificate_expires: numbers.time("o365_certificate_expiry_timestamp_seconds", &name),
        hours: Vec::new(),
        tenant_name: feed.tenant.clone(),
        content_type,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts are whole and not negative"
)]
fn count(number: Option<f64>) -> u64 {
    number.unwrap_or(0.0) as u64
}

/// The numbers of tenants and feeds, by metric, tenant and content type.
struct Numbers(HashMap<(String, String, String), f64>);

impl Numbers {
    const OF_FEEDS: [&str; 3] = ["o365_lag_seconds", "o365_throttled_total", "o365_blobs_pending"];
    const OF_TENANTS: [&str; 3] = [
        "o365_throttling",
        "o365_token_expiry_timestamp_seconds",
        "o365_certificate_expiry_timestamp_seconds",
    ];

    fn of(snapshot: &Snapshot) -> Numbers {
        let mut numbers = HashMap::new();
        for sample in snapshot.samples() {
            let is_of_feed = Numbers::OF_FEEDS.contains(&sample.name.as_str());
            if !is_of_feed && !Numbers::OF_TENANTS.contains(&sample.name.as_str()) {
                continue;
            }
            let Some(tenant) = sample.label("tenant") else { continue };
            let content_type = if is_of_feed {
                sample.label("content_type").unwrap_or_default()
            } else {
                String::new()
            };
            numbers.insert((sample.name.clone(), tenant, content_type), sample.value);
        }
        Numbers(numbers)
    }

    fn feed(&self, metric: &str, tenant: &str, content_type: &str) -> Option<f64> {
        self.0.get(&(metric.to_owned(), tenant.to_owned(), content_type.to_owned())).copied()
    }

    #[expect(clippy::cast_possible_truncation, reason = "what is no time is none afterwards")]
    fn time(&self, metric: &str, tenant: &str) -> Option<Timestamp> {
        let seconds = self.feed(metric, tenant, "").filter(|seconds| *seconds > 0.0)?;
        DateTime::from_timestamp(seconds as i64, 0)
    }
}
