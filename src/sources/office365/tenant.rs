//! One tenant: its client and its pace, its feeds side by side, its due blobs fetched earliest expiry first.
//!
//! Invariant: nothing here waits for another tenant, and no feed for another feed. The ledger is the queue: a blob is
//! taken from it when there is a free place, and put back or ended by its attempt.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::TimeDelta;
use futures_util::FutureExt;
use office365::{ApiError, ContentType, RateLimiter, TenantClient};
use pipeline_core::Timestamp;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{
    blob::Attempt,
    duplicates::Duplicates,
    feed::Feed,
    kept_letters::KeptLetters,
    ledger::{BlobRow, FeedRow, FeedState, FeedStatus},
    metrics::{FeedMetrics, TenantMetrics},
    plan,
    shared::Shared,
    work::{Ended, Work},
};

/// Blobs whose records are with the sinks. What their records take is bounded in bytes; this bounds the blobs, of which
/// a quiet tenant has many with few records each.
const UNSETTLED_BLOBS_MAX: usize = 1000;

/// Looks at the clock, which can be set meanwhile, and at the ledger's numbers in one poll interval.
const LOOKS_PER_POLL: u32 = 20;

/// Looks are no use more often than this.
const LOOK_INTERVAL_MIN: Duration = Duration::from_secs(1);

/// A run that ends by itself does not wait longer than this for a blob's next attempt.
const ONCE_WAIT_MAX: TimeDelta = TimeDelta::minutes(2);

/// A run that ends by itself gives the tenant up after so many pauses without a blob delivered between them.
const ONCE_PAUSES_MAX: u32 = 10;

/// The wait before a blob is fetched again that was left behind by a fault.
const STRAY_PAUSE: TimeDelta = TimeDelta::minutes(1);

/// A feed as its blobs see it.
pub(super) struct FeedHandle {
    pub(super) content_type: ContentType,
    /// What the ledger knew when it was opened.
    pub(super) opened: FeedState,
    pub(super) metrics: FeedMetrics,
    shown: Mutex<Shown>,
}

/// The ledger's numbers of a feed, as they were shown last.
#[derive(Default)]
struct Shown {
    status: FeedStatus,
    is_current: bool,
}

/// What the feeds and blobs of a tenant share.
pub(super) struct Tenant {
    pub(super) shared: Arc<Shared>,
    pub(super) name: String,
    /// Nothing new may be begun for this tenant. Its own: it may end itself.
    pub(super) stop: CancellationToken,
    pub(super) client: TenantClient,
    pub(super) limiter: Arc<RateLimiter>,
    pub(super) duplicates: Duplicates,
    pub(super) kept_letters: KeptLetters,
    /// In the same order at every start.
    pub(super) feeds: BTreeMap<FeedRow, Arc<FeedHandle>>,
    pub(super) metrics: TenantMetrics,
    /// One for each blob that is transferred. It is given back when the body has arrived: what the sinks take to
    /// acknowledge a blob keeps no other from being fetched.
    pub(super) places: Arc<Semaphore>,
    /// Something was listed, or a place was given back.
    pub(super) wake: Notify,
    pub(super) random: Mutex<fastrand::Rng>,
    /// The local clock was found to differ much from the API's.
    pub(super) is_skewed: AtomicBool,
    /// Nothing is fetched before.
    pub(super) paused_until: Mutex<Option<Instant>>,
    /// Pauses since a blob was last delivered.
    pub(super) pauses: AtomicU32,
    /// Blobs lost since the start.
    pub(super) lost: AtomicU64,
}

impl FeedHandle {
    pub(super) fn new(
        content_type: ContentType,
        opened: FeedState,
        metrics: FeedMetrics,
    ) -> FeedHandle {
        FeedHandle { content_type, opened, metrics, shown: Mutex::default() }
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A blob was listed, delivered or lost: the ledger's numbers are others now.
    pub(super) fn note_change(&self) {
        self.shown().is_current = false;
    }

    /// Shows the ledger's numbers, which are read only where they have changed: most feeds are quiet.
    pub(super) async fn refresh_status(&self, tenant: &Tenant) {
        let shared = &tenant.shared;
        let is_current = std::mem::replace(&mut self.shown().is_current, true);
        if !is_current {
            // Numbers for people are not worth waiting for a ledger that is in trouble.
            match shared.persist.ledger().status(self.opened.feed).await {
                Ok(status) => self.shown().status = status,
                Err(_) => self.note_change(),
            }
        }
        let status = self.shown().status;
        self.metrics.status(&status, shared.clock.now());
    }
}

impl Tenant {
    /// The time by the API's clock.
    pub(super) fn api_now(&self) -> Timestamp {
        plan::api_now(self.shared.clock.now(), self.client.server_now())
    }

    /// Whether a blob is past its time by the API's own clock. The local one can be wrong by days, and what is given up
    /// is lost.
    pub(super) fn is_expired(&self, expires: Timestamp) -> bool {
        self.client.server_now().is_some_and(|now| now >= expires)
    }

    /// Compares the clocks.
    pub(super) fn compare_clocks(&self) {
        let Some(server) = self.client.server_now() else { return };
        let skew = self.shared.clock.now() - server;
        let is_skewed = plan::is_skewed(skew);
        self.metrics.clock_skew(skew);
        let (component_id, tenant) = (&*self.shared.id, &self.name);
        let was_skewed = self.is_skewed.swap(is_skewed, Ordering::Relaxed);
        if is_skewed && !was_skewed {
            let ahead = skew.num_seconds();
            tracing::warn!(
                component_id,
                tenant,
                ahead,
                "the clock differs from the API's by so many seconds"
            );
        }
    }

    /// Signs in if need be, and shows how long that lasts, and the certificate.
    pub(super) async fn refresh_token(&self) -> Result<(), ApiError> {
        let signed_in = self.sign_in().await;
        self.metrics.signed_in(signed_in.is_ok());
        signed_in
    }

    async fn sign_in(&self) -> Result<(), ApiError> {
        if let Some(certificate) = self.client.certificate().await? {
            self.metrics.certificate_expires(certificate.not_after);
        }
        let token = self.client.sign_in().await?;
        self.metrics.token_expires(self.shared.clock.now() + plan::delta(token.expires_in));
        Ok(())
    }

    pub(super) fn with_random<T>(&self, draw: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        draw(&mut self.random.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Fetches nothing for so long; requests of feeds wait as well.
    pub(super) fn pause(&self, pause: Duration, reason: &str) {
        let until = Instant::now() + pause;
        let before = {
            let mut paused = self.paused_until.lock().unwrap_or_else(PoisonError::into_inner);
            let before = *paused;
            *paused = before.max(Some(until));
            before
        };
        self.limiter.pause(pause);
        if before.is_none_or(|before| before <= Instant::now()) {
            self.pauses.fetch_add(1, Ordering::Relaxed);
            let (component_id, tenant, secs) = (&*self.shared.id, &self.name, pause.as_secs());
            tracing::warn!(component_id, tenant, secs, reason, "nothing is fetched for a while");
        }
    }

    /// The API said of a request for a feed that there were too many.
    pub(super) fn note_throttled(&self, feed: &FeedHandle) {
        feed.metrics.throttled();
        self.metrics.throttling(true);
    }

    /// A blob was delivered.
    pub(super) fn note_success(&self) {
        self.metrics.throttling(false);
        self.pauses.store(0, Ordering::Relaxed);
    }

    /// Resolves when the tenant's pause is over. What is planned before would be old when it can be asked for.
    pub(super) async fn wait_out_pause(&self) {
        while let Some(left) = self.pause_left() {
            sleep(left).await;
        }
    }

    /// Takes back what the metrics say of the tenant and holds only while it is at work.
    pub(super) fn withdraw_metrics(&self) {
        self.metrics.withdraw();
        for handle in self.feeds.values() {
            handle.metrics.withdraw();
        }
    }

    fn pause_left(&self) -> Option<Duration> {
        let until = *self.paused_until.lock().unwrap_or_else(PoisonError::into_inner);
        until
            .map(|until| until.saturating_duration_since(Instant::now()))
            .filter(|left| !left.is_zero())
    }

    /// Lists and fetches until the source stops, or, where it ends by itself, until all is done that can be.
    pub(super) async fn run(self: Arc<Self>) -> Ended {
        let mut work = Work::default();
        for handle in self.feeds.values() {
            let feed = Feed::new(Arc::clone(&self), Arc::clone(handle));
            let label = format!("{} {}", self.name, handle.content_type);
            let span = tracing::info_span!("feed", content_type = %handle.content_type);
            let run = async move { feed.run().await.map_err(|error| format!("{label}: {error}")) };
            work.feeds.spawn(run.instrument(span));
        }
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {}
            () = self.prepare() => self.fetch_until_stopped(&mut work).await,
        }
        // What is under way ends by itself now that the source stops.
        while let Some(ended) = work.feeds.join_next().await {
            work.feed_ended(ended, &self);
        }
        while let Some(ended) = work.blobs.join_next_with_id().await {
            work.blob_ended(ended, &self);
        }
        for handle in self.feeds.values() {
            handle.refresh_status(&self).await;
        }
        if self.shared.is_once {
            self.name_undelivered(&mut work.undone).await;
        }
        work.end()
    }

    async fn prepare(&self) {
        self.duplicates.load().await;
        if self.shared.is_once {
            let persist = &self.shared.persist;
            for feed in self.feeds.keys() {
                let make_due = || persist.ledger().make_due(*feed);
                persist.until_done("make blobs due", make_due).await;
            }
        }
    }

    async fn fetch_until_stopped(self: &Arc<Self>, work: &mut Work) {
        let shared = &self.shared;
        let mut look =
            tokio::time::interval((shared.poll_interval / LOOKS_PER_POLL).max(LOOK_INTERVAL_MIN));
        let (mut next_at, mut is_news) = (None, true);
        loop {
            if is_news {
                next_at = tokio::select! {
                    biased;
                    () = self.stop.cancelled() => return,
                    next_at = self.fill(work) => next_at,
                };
            }
            if shared.is_once && work.is_idle() && self.is_done(next_at) {
                return;
            }
            let wait = next_at.map(|at| (at - shared.clock.now()).to_std().unwrap_or_default());
            let wait = wait.map(|wait| wait.max(self.pause_left().unwrap_or_default()));
            is_news = tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                Some(ended) = work.blobs.join_next_with_id() => { work.blob_ended(ended, self); true }
                Some(ended) = work.feeds.join_next() => { work.feed_ended(ended, self); true }
                () = self.wake.notified() => true,
                () = sleep(wait.unwrap_or_default()), if wait.is_some() && self.places(work) > 0 => true,
                _ = look.tick() => {
                    for handle in self.feeds.values() {
                        handle.refresh_status(self).await;
                    }
                    // Where nothing waits, no clock makes anything due.
                    next_at.is_some()
                }
            };
        }
    }

    /// How many blobs can be started.
    fn places(&self, work: &Work) -> usize {
        self.places.available_permits().min(UNSETTLED_BLOBS_MAX.saturating_sub(work.blobs.len()))
    }

    /// Starts attempts at what is due, as many as there are places, and says when the next blob is due.
    async fn fill(self: &Arc<Self>, work: &mut Work) -> Option<Timestamp> {
        let shared = &self.shared;
        // Without a place, one that is given back is what brings the next look; in a pause, its end.
        let places = if self.pause_left().is_some() { 0 } else { self.places(work) };
        let mut places: Vec<OwnedSemaphorePermit> =
            (0..places).map_while(|_| Arc::clone(&self.places).try_acquire_owned().ok()).collect();
        let limit = u32::try_from(places.len()).unwrap_or(u32::MAX);
        let feeds: Vec<FeedRow> = self.feeds.keys().copied().collect();
        let held: Vec<BlobRow> = work.held.values().copied().collect();
        let ledger = shared.persist.ledger();
        let mut has_strays = std::mem::take(&mut work.has_strays);
        let take = || {
            let (feeds, held, now) = (feeds.clone(), held.clone(), shared.clock.now());
            // An error may have hidden that blobs were handed out all the same.
            let release = std::mem::replace(&mut has_strays, true)
                .then(|| ledger.release(feeds.clone(), held, now + STRAY_PAUSE));
            async move {
                if let Some(release) = release {
                    release.await?;
                }
                ledger.take_due(feeds, now, limit).await
            }
            .boxed()
        };
        let due = shared.persist.until_done("take blobs that are due", take).await;
        for blob in due.blobs {
            let Some(handle) = self.feeds.get(&blob.feed) else { continue };
            let row = blob.row;
            let span = tracing::info_span!("blob", content_type = %handle.content_type);
            let attempt = Attempt::new(Arc::clone(self), Arc::clone(handle), blob);
            let task = work.blobs.spawn(attempt.run(places.pop()).instrument(span));
            work.held.insert(task.id(), row);
        }
        due.next_at
    }

    /// Whether a run that ends by itself has nothing left to wait for.
    fn is_done(&self, next_at: Option<Timestamp>) -> bool {
        let Some(next_at) = next_at else { return true };
        next_at - self.shared.clock.now() > ONCE_WAIT_MAX
            || self.pause_left().is_some_and(|left| plan::delta(left) > ONCE_WAIT_MAX)
            || self.pauses.load(Ordering::Relaxed) > ONCE_PAUSES_MAX
    }

    async fn name_undelivered(&self, undone: &mut Vec<String>) {
        let lost = self.lost.load(Ordering::Relaxed);
        if lost > 0 {
            undone.push(format!("{}: {lost} blobs are lost", self.name));
        }
        let persist = &self.shared.persist;
        for handle in self.feeds.values() {
            let read = || persist.ledger().status(handle.opened.feed);
            let pending = persist.until_done("read a feed's numbers", read).await.pending;
            if pending > 0 {
                undone.push(format!(
                    "{} {}: {pending} blobs are pending",
                    self.name, handle.content_type
                ));
            }
        }
    }
}
