//! Runs a loaded topology with all that belongs to it: state folder, dead letters, listeners, signals.

use std::{
    future::pending, num::NonZeroUsize, sync::Arc, thread::available_parallelism, time::Duration,
};

use futures_util::FutureExt;
use pipeline_core::{Clock, ComponentId, RunError, RunMode, Shutdown};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use super::{
    Failure,
    load::Loaded,
    progress,
    reload::{Reloading, Triggers},
    start_and_end,
    view::View,
};
use crate::{
    api::{FeedSources, Listeners, Readiness, Watched},
    delivery::DeadLetterFiles,
    live::Live,
    telemetry::{Logs, Metrics, Problems, ServiceManager, Snapshot},
    topology::{self, Environment, Farewell, Topology},
};

/// A run that has ended.
pub(super) struct Ended {
    /// What was counted.
    pub(super) snapshot: Snapshot,
    /// How it went.
    pub(super) result: Result<(), RunError>,
}

/// Runs `loaded` to its end.
pub(super) async fn execute(
    loaded: Loaded,
    mode: RunMode,
    clock: Arc<dyn Clock>,
) -> Result<Ended, Failure> {
    execute_until(loaded, (mode, clock), &Metrics::install()?, &Shutdown::new()).await
}

/// As [`execute`], with metrics that may have counted before, and an order to end that the caller can give too.
pub(super) async fn execute_until(
    loaded: Loaded,
    (mode, clock): (RunMode, Arc<dyn Clock>),
    metrics: &Metrics,
    shutdown: &Shutdown,
) -> Result<Ended, Failure> {
    let readiness = Readiness::default();
    let feeds = FeedSources::default();
    let (live, requests) = Live::new();
    View::of(&loaded, 1).show(&live, &feeds);
    let global = loaded.global;
    let taps = live.taps().clone();
    let keeps_samples = global.api.is_some();
    let watched = Watched {
        metrics: metrics.clone(),
        readiness: readiness.clone(),
        live: live.clone(),
        problems: Problems::of_process(&clock),
        feeds: feeds.clone(),
        clock: Arc::clone(&clock),
    };
    let listeners = Listeners::bind(&global, watched).await?;
    if let Some(logs) = Logs::installed() {
        logs.set_component_levels(&global.log.components);
    }
    start_and_end::say_what_to_know(&listeners, &loaded.topology.warnings);
    let dead_letters = DeadLetterFiles::open_with(&loaded.letters_dir, global.dead_letter.clone())?;
    let environment = Environment {
        dead_letters: Arc::new(dead_letters.clone()),
        data_dir: global.data_dir.clone(),
        mode,
        clock: Arc::clone(&clock),
        workers_max: available_parallelism().unwrap_or(NonZeroUsize::MIN),
        farewell: Arc::new(Forgetting(metrics.clone())),
        taps: taps.clone(),
    };
    let topology = Topology::build(loaded.topology, &environment).await?;
    let signals = Signals::new()?;
    let manager = ServiceManager::from_environment();
    let (reloader, reloads) = topology::reloads();
    let drain_timeout = global.shutdown_timeout;
    let ending = Ending { readiness: &readiness, manager: &manager, drain_timeout };
    let reloading = match loaded.again {
        Some(again) => {
            let triggers = Triggers { hangup: signal(SignalKind::hangup())?, requests };
            let letters = dead_letters.clone();
            let (live, manager) = (live.clone(), manager.clone());
            let reloading =
                Reloading { again, reloader, live, feeds, letters, clock, manager, global };
            reloading.obey(triggers).boxed()
        }
        None => pending().boxed(),
    };
    readiness.set(true);
    manager.ready(&live.description().to_string());
    start_and_end::say_what_runs(&live.description());
    let result = tokio::select! {
        result = topology::run(topology, shutdown.clone(), drain_timeout, reloads) => result,
        never = taps.sample_for_ever(), if keeps_samples => match never {},
        never = reloading => match never {},
        never = signals.obey(shutdown, ending) => match never {},
        never = manager.keep_alive() => match never {},
        never = listeners.serve() => match never {},
        never = dead_letters.show_for_ever() => match never {},
        never = metrics.upkeep_for_ever() => match never {},
        never = progress::show(metrics, mode) => match never {},
        never = Logs::sum_up_for_ever() => match never {},
    };
    readiness.set(false);
    let snapshot = metrics.snapshot();
    start_and_end::say_what_was_not_delivered(&snapshot, &live.description());
    Ok(Ended { snapshot, result })
}

/// Lets the metrics forget components that are gone.
struct Forgetting(Metrics);

impl std::fmt::Debug for Forgetting {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Forgetting")
    }
}

impl Farewell for Forgetting {
    fn gone(&self, id: &ComponentId) {
        self.0.forget_component(id);
    }
}

/// Who is told that the program ends.
struct Ending<'a> {
    readiness: &'a Readiness,
    manager: &'a ServiceManager,
    drain_timeout: Duration,
}

/// The signals that end the program.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Signals, std::io::Error> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// The first signal orders to drain, the second to leave what is under way.
    async fn obey(mut self, shutdown: &Shutdown, ending: Ending<'_>) -> std::convert::Infallible {
        self.next().await;
        info!("draining: what is under way will be delivered; a second signal ends at once");
        ending.readiness.set(false);
        ending.manager.stopping("draining: what is under way is delivered", ending.drain_timeout);
        shutdown.drain();
        self.next().await;
        warn!("ending at once: what was not delivered will be sent after the next start");
        shutdown.abandon();
        std::future::pending().await
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
