//! Runs a loaded topology with all that belongs to it: state folder, dead letters, listeners, signals.

use std::{num::NonZeroUsize, sync::Arc, thread::available_parallelism};

use pipeline_core::{Clock, ComponentKind, RunError, RunMode, Shutdown};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use super::{Failure, load::Loaded, progress};
use crate::{
    api::{Listeners, Readiness},
    delivery::DeadLetterFiles,
    live::{Description, Live},
    telemetry::{Logs, Metrics, Snapshot},
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
    let (live, _reloads) = Live::new();
    live.describe(loaded.topology.describe(1));
    let listeners =
        Listeners::bind(&global, metrics.clone(), readiness.clone(), live.clone()).await?;
    for address in listeners.addresses() {
        info!(%address, "listening");
    }
    if let Some(logs) = Logs::installed() {
        logs.set_component_levels(&global.log.components);
    }
    for warning in &loaded.topology.warnings {
        warn!(warning = %warning, "configuration");
    }
    let dead_letters = DeadLetterFiles::open_with(&loaded.letters_dir, global.dead_letter)?;
    let environment = Environment {
        dead_letters: Arc::new(dead_letters.clone()),
        data_dir: global.data_dir,
        mode,
        clock,
        workers_max: available_parallelism().unwrap_or(NonZeroUsize::MIN),
    };
    let topology = Topology::build(loaded.topology, &environment).await?;
    let signals = Signals::new()?;
    readiness.set(true);
    announce(&live.description());
    let result = tokio::select! {
        result = topology::run(topology, shutdown.clone(), global.shutdown_timeout) => result,
        never = signals.obey(shutdown, &readiness) => match never {},
        never = listeners.serve() => match never {},
        never = dead_letters.show_for_ever() => match never {},
        never = metrics.upkeep_for_ever() => match never {},
        never = progress::show(metrics, mode) => match never {},
        never = Logs::sum_up_for_ever() => match never {},
    };
    readiness.set(false);
    let snapshot = metrics.snapshot();
    say_what_was_not_delivered(&snapshot, &live.description());
    Ok(Ended { snapshot, result })
}

/// Says what runs.
fn announce(description: &Description) {
    let count = |kind| description.of_kind(kind).count();
    info!(
        version = env!("CARGO_PKG_VERSION"),
        sources = count(ComponentKind::Source),
        transforms = count(ComponentKind::Transform),
        sinks = count(ComponentKind::Sink),
        flow = description.flow(),
        "running"
    );
}

/// Says of each sink what it was given and could not deliver. What waits in a buffer of its own stays there, which
/// the buffer says itself.
fn say_what_was_not_delivered(snapshot: &Snapshot, description: &Description) {
    for sink in description.of_kind(ComponentKind::Sink) {
        let id = [("component_id", &*sink.id)];
        let sum = |name| snapshot.sum(name, &id);
        if sum("buffer_max_size_events") + sum("buffer_max_size_bytes") > 0 {
            continue;
        }
        let given = sum("component_received_events_total") + sum("buffer_size_events");
        let done = sum("component_sent_events_total") + sum("component_discarded_events_total");
        let events = given.saturating_sub(done);
        if events > 0 {
            warn!(
                component_id = %sink.id,
                events, "not delivered: these events will be sent after the next start"
            );
        }
    }
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
