//! From a tenant as it is declared to one that can work: its feeds opened in the ledger, its client made.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64},
    },
};

use futures_util::future::join_all;
use net::Transport;
use office365::{RateLimiter, TenantClient, WallClock};
use pipeline_core::RunError;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use super::{
    config::{self, Config},
    duplicates::Duplicates,
    kept_letters::KeptLetters,
    ledger::Ledger,
    metrics::{Counted, FeedMetrics, TenantMetrics},
    plan,
    shared::Shared,
    tenant::{FeedHandle, Tenant},
};

/// What every tenant is made with.
pub(super) struct Opening {
    config: Config,
    ledger: Arc<dyn Ledger>,
    transport: Arc<dyn Transport>,
    random: Mutex<fastrand::Rng>,
}

impl Opening {
    /// `seed` decides all that is random.
    pub(super) fn new(
        config: Config,
        ledger: Arc<dyn Ledger>,
        transport: Arc<dyn Transport>,
        seed: u64,
    ) -> Opening {
        let random = Mutex::new(fastrand::Rng::with_seed(seed));
        Opening { config, ledger, transport, random }
    }

    /// Opens the feeds of a tenant that ends with `stop`, and makes its client. Sends nothing.
    pub(super) async fn open(
        &self,
        declared: &config::Tenant,
        shared: &Arc<Shared>,
        stop: CancellationToken,
    ) -> Result<Arc<Tenant>, RunError> {
        let name = &declared.name;
        let mut settings = declared.settings(&self.config)?;
        let clock = Arc::clone(&shared.clock);
        settings.clock = WallClock::new(move || clock.now());
        let tenant_id = settings.tenant_id;
        // Asked together, so that they are written together.
        let opened = join_all(self.config.content_types.iter().map(async |content_type| {
            let open = || self.ledger.open_feed(tenant_id, *content_type);
            let opened = shared.persist.until_done("open a feed", open).await;
            let metrics = FeedMetrics::new(name, *content_type);
            // A feed that was never listed is behind from where it will begin.
            let begin = || plan::first_start(&shared.listing, shared.clock.now());
            metrics.listed_until(opened.listed_until.unwrap_or_else(begin));
            FeedHandle::new(*content_type, opened, metrics)
        }));
        let feeds: BTreeMap<_, _> =
            opened.await.into_iter().map(|handle| (handle.opened.feed, Arc::new(handle))).collect();
        let row = feeds.values().next().map(|handle| handle.opened.tenant);
        let row = row.ok_or_else(|| RunError::plain("`content_types` is empty"))?;
        let limiter = Arc::new(RateLimiter::per_minute(self.config.max_requests_per_minute));
        let counted = Counted::new(name, Arc::clone(&self.transport));
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner).fork();
        let pace = Arc::clone(&limiter);
        let client = TenantClient::new(settings, Arc::new(counted), Some(pace), random.fork());
        // What is shipped again was seen before.
        let is_on = !self.config.dedupe_window.is_zero() && shared.replay.is_none();
        let tenant = Arc::new(Tenant {
            shared: Arc::clone(shared),
            name: name.clone(),
            stop,
            client,
            limiter,
            duplicates: Duplicates::new(row, shared.persist.clone(), is_on),
            kept_letters: KeptLetters::default(),
            feeds,
            metrics: TenantMetrics::new(name),
            places: Arc::new(Semaphore::new(shared.fetch_concurrency)),
            wake: Notify::new(),
            random: Mutex::new(random),
            is_skewed: AtomicBool::new(false),
            paused_until: Mutex::new(None),
            pauses: AtomicU32::new(0),
            lost: AtomicU64::new(0),
        });
        shared.at_work.add(&tenant);
        Ok(tenant)
    }
}
