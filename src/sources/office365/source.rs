//! The source at work: its tenants side by side, until it is told to end or has done what there is.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, AtomicU64},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use net::Transport;
use office365::{RateLimiter, TenantClient, WallClock};
use pipeline_core::{Outlet, RunError, RunMode, Shutdown, Source, SourceContext};
use tokio::{
    sync::{Notify, Semaphore},
    task::JoinSet,
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use super::{
    chunk::InFlight,
    config::Config,
    duplicates::Duplicates,
    ledger::Ledger,
    metrics::{Counted, FeedMetrics, TenantMetrics, describe},
    persist::Persist,
    plan,
    replay::Replay,
    shared::Shared,
    tenant::{FeedHandle, Tenant},
};

/// How often what is old is deleted from the ledger.
const PRUNE_INTERVAL: Duration = Duration::from_hours(1);

/// How often a look is taken whether the API's clock is known.
const CLOCK_INTERVAL: Duration = Duration::from_secs(1);

/// How long the ledger remembers a blob after its creation: longer than a listing can name it again, and long enough
/// for a monthly report.
const BLOB_MEMORY: Duration = Duration::from_hours(35 * 24);

/// The source, built and ready to run.
pub struct Office365 {
    config: Config,
    ledger: Arc<dyn Ledger>,
    transport: Arc<dyn Transport>,
    seed: u64,
    context: SourceContext,
    replay: Option<Replay>,
}

impl std::fmt::Debug for Office365 {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Office365").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Office365 {
    pub(super) fn new(
        config: Config,
        ledger: Arc<dyn Ledger>,
        transport: Arc<dyn Transport>,
        seed: u64,
        context: SourceContext,
    ) -> Office365 {
        Office365 { config, ledger, transport, seed, context, replay: None }
    }

    /// The same source, shipping again instead of what is new. Its ledger must be one that holds nothing.
    #[must_use]
    pub fn replaying(mut self, replay: Replay) -> Office365 {
        self.replay = Some(replay);
        self
    }
}

impl Source for Office365 {
    fn run(
        self: Box<Self>,
        outlet: Outlet,
        shutdown: Shutdown,
    ) -> BoxFuture<'static, Result<(), RunError>> {
        Box::pin(async move {
            describe();
            let shared = Arc::new(self.shared(outlet, shutdown));
            let mut tenants = Vec::new();
            for index in 0..self.config.tenants.len() {
                tokio::select! {
                    biased;
                    // The ledger is tried until it works, and so would keep the program from ending.
                    () = shared.stopping() => return Ok(()),
                    error = shared.persist.failed() => return Err(error),
                    opened = self.open_tenant(index, &shared) => tenants.push(Arc::new(opened?)),
                }
            }
            let mut running = JoinSet::new();
            for tenant in &tenants {
                running.spawn(Arc::clone(tenant).run());
            }
            let ended = tokio::select! {
                biased;
                () = shared.shutdown.abandoned() => Ok(None),
                error = shared.persist.failed() => Err(error),
                undone = join_all(&mut running) => Ok(Some(undone)),
                () = self.prune_for_ever(&shared, &tenants) => Ok(None),
            };
            // What has not ended by itself ends where it stands.
            running.shutdown().await;
            let Some(mut undone) = ended? else { return Ok(()) };
            if shared.closed.is_cancelled() {
                return Err(RunError::plain("the topology takes no more events"));
            }
            undone.extend(self.replay.iter().flat_map(Replay::unfound));
            if undone.is_empty() { Ok(()) } else { Err(RunError::plain(undone.join("; "))) }
        })
    }
}

/// Waits for all tenants, and gives what they could not do.
async fn join_all(running: &mut JoinSet<Vec<String>>) -> Vec<String> {
    let mut undone = Vec::new();
    while let Some(ended) = running.join_next().await {
        match ended {
            Ok(problems) => undone.extend(problems),
            Err(error) => undone.push(format!("a tenant's task ended early: {error}")),
        }
    }
    undone
}

impl Office365 {
    fn shared(&self, outlet: Outlet, shutdown: Shutdown) -> Shared {
        let (config, context) = (&self.config, &self.context);
        let persist = Persist::new(
            Arc::clone(&self.ledger),
            Arc::clone(&context.id),
            context.metrics.clone(),
        );
        Shared {
            id: Arc::clone(&context.id),
            clock: Arc::clone(&context.clock),
            dead_letters: Arc::clone(&context.dead_letters),
            metrics: context.metrics.clone(),
            persist,
            outlet,
            shutdown,
            closed: CancellationToken::new(),
            is_once: context.mode == RunMode::Once,
            replay: self.replay.clone(),
            listing: config.listing_rules(),
            poll_interval: config.poll_interval,
            fetch_concurrency: usize::from(config.fetch_concurrency.get()),
            record_path: config.record_path.clone(),
            in_flight: InFlight::new(config.max_in_flight_bytes),
        }
    }

    async fn open_tenant(&self, index: usize, shared: &Arc<Shared>) -> Result<Tenant, RunError> {
        let config = &self.config.tenants[index];
        let mut settings = config.settings(&self.config)?;
        let clock = Arc::clone(&shared.clock);
        settings.clock = WallClock::new(move || clock.now());
        let tenant_id = settings.tenant_id;
        let mut feeds = std::collections::BTreeMap::new();
        let mut row = None;
        for content_type in &self.config.content_types {
            let open = || self.ledger.open_feed(tenant_id, *content_type);
            let opened = shared.persist.until_done("open a feed", open).await;
            row = Some(opened.tenant);
            let metrics = FeedMetrics::new(&config.name, *content_type);
            let handle = FeedHandle { content_type: *content_type, opened, metrics };
            feeds.insert(handle.opened.feed, Arc::new(handle));
        }
        let row = row.ok_or_else(|| RunError::plain("`content_types` is empty"))?;
        let limiter = Arc::new(RateLimiter::new(self.config.max_requests_per_minute));
        let counted = Counted { tenant: config.name.clone(), inner: Arc::clone(&self.transport) };
        let mut random = fastrand::Rng::with_seed(self.seed.wrapping_add(index as u64));
        let pace = Arc::clone(&limiter);
        let client = TenantClient::new(settings, Arc::new(counted), Some(pace), random.fork());
        // What is shipped again was seen before.
        let is_on = !self.config.dedupe_window.is_zero() && self.replay.is_none();
        Ok(Tenant {
            shared: Arc::clone(shared),
            name: config.name.clone(),
            client,
            limiter,
            duplicates: Duplicates::new(row, shared.persist.clone(), is_on),
            feeds,
            metrics: TenantMetrics::new(&config.name),
            places: Arc::new(Semaphore::new(shared.fetch_concurrency)),
            wake: Notify::new(),
            random: Mutex::new(random),
            is_skewed: AtomicBool::new(false),
            paused_until: Mutex::new(None),
            pauses: AtomicU32::new(0),
            lost: AtomicU64::new(0),
        })
    }

    /// Deletes from the ledger what is old, a little at a time. Old by the API's clock as well as by the local one: what
    /// is forgotten too early is shipped twice.
    async fn prune_for_ever(&self, shared: &Shared, tenants: &[Arc<Tenant>]) {
        loop {
            let Some(server) = tenants.iter().filter_map(|tenant| tenant.client.server_now()).min()
            else {
                sleep(CLOCK_INTERVAL).await;
                continue;
            };
            let now = shared.clock.now().min(server);
            let seen_before = now - plan::delta(self.config.dedupe_window);
            let created_before = now - plan::delta(BLOB_MEMORY);
            // An error is for the next time: nothing depends on this.
            while let Ok(true) = self.ledger.prune(seen_before, created_before).await {}
            for tenant in tenants {
                if let Err(error) = tenant.duplicates.follow_pruning().await {
                    let error = &error as &(dyn std::error::Error + 'static);
                    tracing::warn!(component_id = &*shared.id, error, "cannot prune the ledger");
                }
            }
            sleep(PRUNE_INTERVAL).await;
        }
    }
}
