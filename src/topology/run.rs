//! Runs a built topology until its sources are done or it is told to end. The only place that starts tasks.

use std::{any::Any, error::Error, time::Duration};

use futures_util::FutureExt;
use pipeline_core::{EdgeWatch, OutletClosed, RunError, Shutdown};
use tokio::{task::JoinSet, time::timeout};
use tracing::{Instrument, error, info, info_span, warn};

use super::build::{BuiltBuffer, BuiltSink, Topology};

/// What components get to end by themselves once they are told to leave everything.
const ABANDON_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs all components. Returns when the last has ended; the first error among them, if there was one. An error of
/// one component orders the others to drain.
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
    tokio::select! {
        () = note_all(&mut tasks, &shutdown, &mut first_error) => {}
        () = shutdown.draining() => {
            tokio::select! {
                biased;
                () = shutdown.abandoned() => {}
                drained = timeout(drain_timeout, note_all(&mut tasks, &shutdown, &mut first_error)) => {
                    if drained.is_err() {
                        warn!("the time for draining is over: what was not delivered will be sent after the next start");
                        shutdown.abandon();
                    }
                }
            }
        }
    }
    // Whoever was told to leave everything may find its neighbours gone before it gets there: no error of the run.
    let mut ignored = None;
    let left = note_all(&mut tasks, &shutdown, &mut ignored);
    if timeout(ABANDON_TIMEOUT, left).await.is_err() {
        warn!("some components did not end when told to");
        // Not waited for: one that never yields would hold the end up for ever.
        tasks.abort_all();
    }
    first_error.map_or(Ok(()), Err)
}

/// Notes how components end until all have. Cancel-safe.
async fn note_all(
    tasks: &mut JoinSet<Ended>,
    shutdown: &Shutdown,
    first_error: &mut Option<RunError>,
) {
    while let Some(ended) = tasks.join_next().await {
        let (name, result) = ended.unwrap_or_else(|error| {
            ("?".to_owned(), Err(RunError::new("its task was cancelled", error)))
        });
        match result {
            Ok(()) => info!(component_id = name, "component ended"),
            Err(failure) => {
                error!(
                    component_id = name,
                    error = &failure as &dyn std::error::Error,
                    "component failed"
                );
                // One that found its neighbour gone says less than what the neighbour says itself.
                if first_error.as_ref().is_none_or(follows_from_another) {
                    *first_error = Some(RunError::new(format!("`{name}` failed"), failure));
                }
                // Without this component events can't arrive any more; the others finish what they can.
                shutdown.drain();
            }
        }
    }
}

/// Whether a component failed because what reads it was gone.
fn follows_from_another(error: &RunError) -> bool {
    let mut behind = error.source();
    while let Some(error) = behind {
        if error.is::<OutletClosed>() {
            return true;
        }
        behind = error.source();
    }
    false
}

type Ended = (String, Result<(), RunError>);

fn spawn(topology: Topology, shutdown: &Shutdown) -> JoinSet<Ended> {
    let mut tasks = JoinSet::new();
    for BuiltSink { id, sink, inlet } in topology.sinks {
        let watch = inlet.watch();
        let running = sink.run(inlet, shutdown.clone());
        tasks.spawn(named(id.to_string(), to_the_end(running, watch, shutdown.clone())));
    }
    for BuiltBuffer { sink, buffer, inlet, outlet } in topology.buffers {
        let running = buffer.run(inlet, outlet, shutdown.clone());
        tasks.spawn(named(format!("{sink}.buffer"), running));
    }
    for (reader, inlet) in topology.dead_letter_readers {
        let name = format!("{}.dropped", reader.id);
        tasks.spawn(named(name, reader.run(inlet, shutdown.clone())));
    }
    for (reader, inlet) in topology.left_out_readers {
        let name = format!("{}.left_out", reader.id);
        tasks.spawn(named(name, reader.run(inlet)));
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
    // So that every line that is logged on the way tells whose it is.
    let span = info_span!("component", component_id = name);
    let running = std::panic::AssertUnwindSafe(running).catch_unwind();
    let result = running.instrument(span).await;
    (
        name,
        result.unwrap_or_else(|panic| {
            Err(RunError::plain(format!("it panicked: {}", panic_text(&*panic))))
        }),
    )
}

/// Runs a sink. One that ends before it was told that nothing more comes, as a console whose reader has gone, can't deliver
/// what comes: that is an error, or the sources would send it for ever.
async fn to_the_end(
    running: impl Future<Output = Result<(), RunError>>,
    watch: EdgeWatch,
    shutdown: Shutdown,
) -> Result<(), RunError> {
    running.await?;
    if !watch.has_ended() && !shutdown.is_abandoned() {
        return Err(RunError::plain("it ended before what feeds it"));
    }
    Ok(())
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}
