//! The content that comes into being by itself: which blobs a feed has in a given hour, decided by the seed alone.
//! It knows blobs, not records: those are written when a blob is fetched.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use chrono::{DateTime, TimeDelta, Utc};

use crate::guid::mix;
use crate::tenant::ContentType;

const HOUR_MILLIS: i64 = 3_600_000;

/// The content of all feeds of a tenant over a span of time; the same values always give the same bytes.
#[derive(Clone, Debug)]
pub struct History {
    pub seed: u64,
    pub start: DateTime<Utc>,
    /// Content keeps appearing as the clock moves, up to here.
    pub end: DateTime<Utc>,
    /// Blobs of each feed in an hour, on average; a feed that is absent stays empty.
    pub blobs_per_hour: BTreeMap<ContentType, f64>,
    /// Records that are new with a blob.
    pub records_per_blob: RangeInclusive<u32>,
    /// Share of records that an earlier blob of the feed held already.
    pub duplicate_rate: f64,
    /// Share of blobs that are listed later than they were created.
    pub late_rate: f64,
    /// How much later, at most.
    pub late_by: TimeDelta,
    /// How long a blob can be fetched.
    pub expiry: TimeDelta,
    /// Fill each record up to this many bytes; 0 leaves them as they are.
    pub record_bytes_min: usize,
}

impl History {
    /// A quiet tenant: a few blobs an hour, no duplicate, nothing late.
    pub fn new(seed: u64, start: DateTime<Utc>, end: DateTime<Utc>) -> Self {
        let rates = [5.0, 6.0, 6.0, 4.0, 1.0];
        History {
            seed,
            start,
            end,
            blobs_per_hour: ContentType::ALL.into_iter().zip(rates).collect(),
            records_per_blob: 20..=200,
            duplicate_rate: 0.0,
            late_rate: 0.0,
            late_by: TimeDelta::hours(2),
            expiry: TimeDelta::days(7),
            record_bytes_min: 0,
        }
    }

    /// The same rate for every feed.
    #[must_use]
    pub fn with_blobs_per_hour(mut self, rate: f64) -> Self {
        self.blobs_per_hour = ContentType::ALL.into_iter().map(|feed| (feed, rate)).collect();
        self
    }

    /// The blobs that a feed gets in the hour that begins at `start + hour`, oldest first.
    pub(crate) fn blobs_in_hour(&self, feed: ContentType, hour: u32) -> Vec<Planned> {
        let rate = self.blobs_per_hour.get(&feed).copied().unwrap_or(0.0).max(0.0);
        let feed_seed = mix(self.seed, feed as u64);
        let mut rng = fastrand::Rng::with_seed(mix(feed_seed, u64::from(hour)));
        // The fraction of the rate is the chance of one blob more.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate is small and not negative"
        )]
        let count = rate.trunc() as u64 + u64::from(rng.f64() < rate.fract());
        let hour_start = self.start + TimeDelta::hours(i64::from(hour));
        let mut planned: Vec<Planned> =
            (0..count).map(|_| self.plan(&mut rng, hour_start)).collect();
        planned.retain(|blob| blob.created < self.end);
        planned.sort_by_key(|blob| (blob.created, blob.seed));
        planned
    }

    fn plan(&self, rng: &mut fastrand::Rng, hour_start: DateTime<Utc>) -> Planned {
        // Whole milliseconds, as the API shows them: the time is a part of the content id.
        let millis = hour_start.timestamp_millis() + rng.i64(0..HOUR_MILLIS);
        let created = DateTime::from_timestamp_millis(millis).unwrap_or(hour_start);
        let own = rng.u32(self.records_per_blob.clone());
        let duplicates = (0..own).filter(|_| rng.f64() < self.duplicate_rate).count();
        let late = rng.f64() < self.late_rate;
        let late_by = rng.i64(0..=self.late_by.num_milliseconds().max(0));
        let available = if late { created + TimeDelta::milliseconds(late_by) } else { created };
        let expires = created + self.expiry;
        Planned { created, available, expires, seed: rng.u64(..), own: own.into(), duplicates }
    }
}

/// A blob of the history, before it has a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Planned {
    pub(crate) created: DateTime<Utc>,
    pub(crate) available: DateTime<Utc>,
    pub(crate) expires: DateTime<Utc>,
    pub(crate) seed: u64,
    /// Records that no earlier blob holds.
    pub(crate) own: u64,
    pub(crate) duplicates: usize,
}
