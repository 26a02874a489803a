//! The source at work: its tenants side by side, until it is told to end or has done what there is.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use net::Transport;
use pipeline_core::{Outlet, RunError, RunMode, Shutdown, Source, SourceContext};
use tokio::time::sleep;

use super::{
    chunk::InFlight,
    config::Config,
    ledger::Ledger,
    metrics::describe,
    opening::Opening,
    persist::Persist,
    plan,
    quiet::QuietListings,
    replay::Replay,
    roster::Roster,
    shared::{AtWork, Shared},
    tenants_dir::FileTenant,
    watch::Watch,
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
            let mut roster = self.roster(&shared);
            let ended = tokio::select! {
                biased;
                () = shared.shutdown.abandoned() => Ok(None),
                error = shared.persist.failed() => Err(error),
                undone = self.work(&mut roster, &shared) => Ok(Some(undone)),
            };
            // What has not ended by itself ends where it stands.
            roster.abandon().await;
            let Some(mut undone) = ended? else { return Ok(()) };
            if shared.is_closed.load(Ordering::Relaxed) {
                return Err(RunError::plain("the topology takes no more events"));
            }
            undone.extend(self.replay.iter().flat_map(Replay::unfound));
            if undone.is_empty() { Ok(()) } else { Err(RunError::plain(undone.join("; "))) }
        })
    }
}

impl Office365 {
    /// Has the tenants work to their end, beside what is done for all of them together.
    async fn work(&self, roster: &mut Roster, shared: &Shared) -> Vec<String> {
        let undone = tokio::select! {
            biased;
            undone = roster.run() => undone,
            never = self.prune_for_ever(shared) => match never {},
            never = shared.quiet.write_for_ever() => match never {},
        };
        shared.quiet.write().await;
        undone
    }

    fn roster(&self, shared: &Arc<Shared>) -> Roster {
        let (config, ledger) = (&self.config, Arc::clone(&self.ledger));
        let opening = Opening::new(config.clone(), ledger, Arc::clone(&self.transport), self.seed);
        // A replay is of the tenants that were chosen for it, wherever they are declared.
        let is_watched = self.replay.is_none();
        let folder = config.tenants_dir.as_deref().filter(|_| is_watched);
        let folder = folder.map(|path| config.open_tenants_dir(path));
        let inline = config.tenants.iter().filter(|tenant| tenant.file.is_none() || !is_watched);
        let inline = inline.filter_map(FileTenant::inline).collect();
        Roster::new(Arc::clone(shared), Arc::new(opening), inline, folder.map(Watch::new))
    }

    fn shared(&self, outlet: Outlet, shutdown: Shutdown) -> Shared {
        let (config, context) = (&self.config, &self.context);
        let persist = Persist::new(
            Arc::clone(&self.ledger),
            Arc::clone(&context.id),
            context.metrics.clone(),
        );
        let quiet = QuietListings::new(persist.clone());
        Shared {
            id: Arc::clone(&context.id),
            clock: Arc::clone(&context.clock),
            dead_letters: Arc::clone(&context.dead_letters),
            metrics: context.metrics.clone(),
            persist,
            outlet,
            stop: shutdown.drain_token(),
            shutdown,
            is_closed: AtomicBool::new(false),
            is_once: context.mode == RunMode::Once,
            replay: self.replay.clone(),
            listing: config.listing_rules(),
            poll_interval: config.poll_interval,
            fetch_concurrency: usize::from(config.fetch_concurrency.get()),
            record_path: config.record_path.clone(),
            in_flight: InFlight::new(config.max_in_flight_bytes),
            quiet,
            at_work: AtWork::default(),
        }
    }

    /// Deletes from the ledger what is old, a little at a time. Old by the API's clock as well as by the local one: what
    /// is forgotten too early is shipped twice.
    async fn prune_for_ever(&self, shared: &Shared) -> Infallible {
        loop {
            let pause = if self.prune(shared).await { PRUNE_INTERVAL } else { CLOCK_INTERVAL };
            sleep(pause).await;
        }
    }

    /// Whether the API's clock is known, without which nothing is deleted.
    async fn prune(&self, shared: &Shared) -> bool {
        let tenants = shared.at_work.all();
        let Some(server) = tenants.iter().filter_map(|tenant| tenant.client.server_now()).min()
        else {
            return false;
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
        true
    }
}
