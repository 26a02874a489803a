//! Runs a built topology until its sources are done or it is told to end. The only place that starts tasks.

use std::{any::Any, time::Duration};

use futures_util::FutureExt;
use pipeline_core::{RunError, Shutdown};
use tokio::{task::JoinSet, time::timeout};
use tracing::{error, info, warn};

use super::build::Topology;

/// What components get to end by themselves once they are told to leave everything.
const ABANDON_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs all components. Returns when the last has ended; the first error among them, if there was one.
///
/// When `shutdown` orders to drain, the components have `drain_timeout` to deliver what is under way; what is left
/// then stays unacknowledged, and its source sends it again after the next start.
pub async fn run(
    topology: Topology,
    shutdown: Shutdown,
    drain_timeout: Duration,
) -> Result<(), RunError> {
    let mut tasks = spawn(topology, &shutdown);
    let mut first_error = None;
    let mut note = |ended: (String, Result<(), RunError>), shutdown: &Shutdown| {
        let (name, result) = ended;
        match result {
            Ok(()) => info!(component_id = name, "component ended"),
            Err(failure) => {
                error!(
                    component_id = name,
                    error = &failure as &dyn std::error::Error,
                    "component failed"
                );
                first_error.get_or_insert(failure);
                // Without this component events can't arrive any more; the others finish what they can.
                shutdown.drain();
            }
        }
    };
    loop {
        tokio::select! {
            ended = tasks.join_next() => match ended {
                Some(ended) => note(joined(ended), &shutdown),
                None => break,
            },
            () = shutdown.draining() => {
                let drained = async {
                    while let Some(ended) = tasks.join_next().await {
                        note(joined(ended), &shutdown);
                    }
                };
                tokio::select! {
                    drained = timeout(drain_timeout, drained) => if drained.is_err() {
                        warn!("the time for draining is over: what was not delivered will be sent after the next start");
                        shutdown.abandon();
                    },
                    () = shutdown.abandoned() => {}
                }
                break;
            }
        }
    }
    let leave = async { while tasks.join_next().await.is_some() {} };
    if timeout(ABANDON_TIMEOUT, leave).await.is_err() {
        tasks.shutdown().await;
    }
    first_error.map_or(Ok(()), Err)
}

type Ended = (String, Result<(), RunError>);

fn spawn(topology: Topology, shutdown: &Shutdown) -> JoinSet<Ended> {
    let mut tasks = JoinSet::new();
    for (id, sink, inlet) in topology.sinks {
        let running = sink.run(inlet, shutdown.clone());
        tasks.spawn(named(id.to_string(), running));
    }
    for (reader, inlet) in topology.dead_letter_readers {
        let name = format!("{}.dropped", reader.id);
        tasks.spawn(named(name, reader.run(inlet, shutdown.clone())));
    }
    for (stage, inlet) in topology.stages {
        let name = stage.name();
        tasks.spawn(named(name, stage.run(inlet, shutdown.clone())));
    }
    for (id, source, outlet) in topology.sources {
        let running = source.run(outlet, shutdown.clone());
        tasks.spawn(named(id.to_string(), running));
    }
    tasks
}

/// Runs a component to its end. A panic of its is its error, and has its name.
async fn named(name: String, running: impl Future<Output = Result<(), RunError>>) -> Ended {
    let result = std::panic::AssertUnwindSafe(running).catch_unwind().await;
    (
        name,
        result.unwrap_or_else(|panic| {
            Err(RunError::plain(format!("it panicked: {}", panic_text(&*panic))))
        }),
    )
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}

fn joined(ended: Result<Ended, tokio::task::JoinError>) -> Ended {
    ended
        .unwrap_or_else(|error| ("?".to_owned(), Err(RunError::new("a task was cancelled", error))))
}
