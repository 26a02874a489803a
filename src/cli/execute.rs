//! Runs a loaded topology with all that belongs to it: state folder, dead letters, listeners, signals.

use std::{future::pending, num::NonZeroUsize, sync::Arc, thread::available_parallelism};

use futures_util::FutureExt;
use pipeline_core::{Clock, RunError, RunMode, Shutdown};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use super::{
    Failure,
    load::Loaded,
    progress,
    reload::{Reloading, Triggers},
};
use crate::{
    api::{Listeners, Readiness},
    delivery::DeadLetterFiles,
    live::Live,
    telemetry::{Metrics, Snapshot},
    topology::{self, Environment, Topology},
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
    let global = loaded.global;
    let (live, requests) = Live::new();
    live.describe(loaded.topology.describe(1));
    let listeners =
        Listeners::bind(&global, metrics.clone(), readiness.clone(), live.clone()).await?;
    for address in listeners.addresses() {
        info!(%address, "listening");
    }
    for warning in &loaded.topology.warnings {
        warn!(warning = %warning, "configuration");
    }
    let dead_letters = DeadLetterFiles::open_with(&loaded.letters_dir, global.dead_letter.clone())?;
    let environment = Environment {
        dead_letters: Arc::new(dead_letters.clone()),
        data_dir: global.data_dir.clone(),
        mode,
        clock: Arc::clone(&clock),
        workers_max: available_parallelism().unwrap_or(NonZeroUsize::MIN),
    };
    let topology = Topology::build(loaded.topology, &environment).await?;
    let signals = Signals::new()?;
    let (reloader, reloads) = topology::reloads();
    let drain_timeout = global.shutdown_timeout;
    let reloading = match loaded.again {
        Some(again) => {
            let triggers = Triggers { hangup: signal(SignalKind::hangup())?, requests };
            let letters = dead_letters.clone();
            let reloading = Reloading { again, reloader, live, letters, clock, global };
            reloading.obey(triggers).boxed()
        }
        None => pending().boxed(),
    };
    readiness.set(true);
    info!(version = env!("CARGO_PKG_VERSION"), "running");
    let result = tokio::select! {
        result = topology::run(topology, shutdown.clone(), drain_timeout, reloads) => result,
        never = reloading => match never {},
        never = signals.obey(shutdown, &readiness) => match never {},
        never = listeners.serve() => match never {},
        never = dead_letters.show_for_ever() => match never {},
        never = metrics.upkeep_for_ever() => match never {},
        never = progress::show(metrics, mode) => match never {},
    };
    readiness.set(false);
    Ok(Ended { snapshot: metrics.snapshot(), result })
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
    async fn obey(
        mut self,
        shutdown: &Shutdown,
        readiness: &Readiness,
    ) -> std::convert::Infallible {
        self.next().await;
        info!("draining: what is under way will be delivered; a second signal ends at once");
        readiness.set(false);
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
