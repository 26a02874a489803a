//! The feeds of Office 365 tenants: how far each is, what holds it up, and hour by hour what became of its blobs.
//!
//! Read from the ledger, beside the source that writes it, and from the metrics. A look at thousands of feeds costs a
//! look at the worst of them, and the next one within [`FRESH`] nothing.

mod collect;

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use office365::report::HourOverview;
use pipeline_core::{Clock, Timestamp};
use serde::Serialize;
use tokio::{sync::Mutex, task::spawn_blocking, time::Instant};
use tracing::warn;

use crate::{components::office365, telemetry::Metrics};

/// How long what was read is good enough.
const FRESH: Duration = Duration::from_secs(10);

/// Feeds of one answer, unless more are asked for.
const FEEDS_SHOWN: usize = 100;

/// Feeds of one answer at most.
pub(super) const FEEDS_SHOWN_MAX: usize = 500;

/// A source whose feeds are shown.
#[derive(Clone, Debug)]
pub struct FeedSource {
    /// Its id.
    pub id: String,
    /// What is configured.
    pub config: office365::Config,
    /// Where its ledger is.
    pub ledger: PathBuf,
}

/// The sources of type `office365` that run. Clones are the same ones.
#[derive(Clone, Debug, Default)]
pub struct FeedSources(Arc<RwLock<Arc<[FeedSource]>>>);

impl FeedSources {
    /// Says which run from now on.
    pub fn set(&self, sources: Vec<FeedSource>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = sources.into();
    }

    pub(super) fn all(&self) -> Arc<[FeedSource]> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// How a feed is, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FeedState {
    /// Blobs were lost within what is shown.
    Losing,
    /// The API says that the subscription is not enabled.
    Off,
    /// It was never listed.
    New,
    /// It is not listed as far as it should be.
    Behind,
    /// Nothing is wrong.
    Ok,
    /// The configuration has it no more.
    Gone,
}

/// A feed as it is shown.
#[derive(Clone, Debug, Serialize)]
pub(super) struct FeedShown {
    pub(super) source: String,
    /// The tenant's GUID.
    pub(super) tenant: String,
    pub(super) tenant_name: Option<String>,
    pub(super) content_type: String,
    pub(super) state: FeedState,
    pub(super) listed_until: Option<Timestamp>,
    pub(super) lag_seconds: Option<f64>,
    /// Whether the API says of the tenant that there are too many requests.
    pub(super) throttled: bool,
    /// How often it has said so of the feed, since the start.
    pub(super) throttled_answers: u64,
    /// Blobs that are neither delivered nor lost.
    pub(super) pending: u64,
    /// Blobs that were lost within what is shown.
    pub(super) lost: u64,
    pub(super) token_expires: Option<Timestamp>,
    pub(super) certificate_expires: Option<Timestamp>,
    pub(super) hours: Vec<HourOverview>,
}

/// Which feeds are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// A tenant's name or GUID.
    pub(super) tenant: Option<String>,
    pub(super) offset: usize,
    pub(super) limit: usize,
}

impl Default for Wanted {
    /// The worst ones.
    fn default() -> Wanted {
        Wanted { tenant: None, offset: 0, limit: FEEDS_SHOWN }
    }
}

/// Reads feeds, and remembers for a while what it has read.
pub(super) struct Feeds {
    pub(super) sources: FeedSources,
    metrics: Metrics,
    clock: Arc<dyn Clock>,
    /// Held while it is read, so that many who ask are answered by one look.
    last: Mutex<Option<Look>>,
}

/// What was read last.
struct Look {
    at: Instant,
    wanted: Wanted,
    feeds: Arc<[FeedShown]>,
}

impl Feeds {
    pub(super) fn new(sources: FeedSources, metrics: Metrics, clock: Arc<dyn Clock>) -> Feeds {
        Feeds { sources, metrics, clock, last: Mutex::default() }
    }

    /// The feeds that are wanted, the worst first.
    pub(super) async fn read(&self, wanted: Wanted) -> Arc<[FeedShown]> {
        let mut last = self.last.lock().await;
        if let Some(look) = &*last
            && look.at.elapsed() < FRESH
            && look.wanted == wanted
        {
            return Arc::clone(&look.feeds);
        }
        let (sources, metrics) = (self.sources.all(), self.metrics.clone());
        let (now, asked) = (self.clock.now(), wanted.clone());
        let read =
            spawn_blocking(move || collect::feeds(&sources, &metrics.snapshot(), &asked, now));
        let feeds: Arc<[FeedShown]> = match read.await {
            Ok(feeds) => feeds.into(),
            Err(error) => {
                warn!(%error, "the feeds could not be read");
                Arc::default()
            }
        };
        *last = Some(Look { at: Instant::now(), wanted, feeds: Arc::clone(&feeds) });
        feeds
    }
}
