//! Runs a built topology until its sources are done or it is told to end, and lets another one take its place. The only
//! place that starts tasks.

use std::{collections::HashMap, error::Error, path::PathBuf, time::Duration};

use futures_util::future::join_all;
use pipeline_core::{
    ComponentId, EdgeWatch, Outlet, OutletClosed, OutletSwitch, RunError, Shutdown, Source,
    WeakOutlet, Withdrawal,
};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{
    build::{BuiltBuffer, BuiltSink, Environment, Opening, Topology},
    check::Checked,
    life::{Ended, Life, live},
    reload::Reloads,
    wire::{Between, wire},
};

/// What components get to end by themselves once they are told to leave everything.
pub(super) const ABANDON_TIMEOUT: Duration = Duration::from_secs(5);

/// How long what takes the place of other transforms waits for them to hand on what they have, so that events stay in
/// their order. Behind a sink that does not answer that could take for ever.
const ORDER_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs all components, and what `reloads` puts in their place. Returns when the last has ended; the first error among
/// them, if there was one. An error of one component orders the others to drain.
///
/// When `shutdown` orders to drain, the components have `drain_timeout` to deliver what is under way; what is left
/// then stays unacknowledged, and its source sends it again after the next start.
pub async fn run(
    topology: Topology,
    shutdown: Shutdown,
    drain_timeout: Duration,
    mut reloads: Reloads,
) -> Result<(), RunError> {
    let mut runner = Runner::new(topology.environment.clone(), shutdown.clone(), drain_timeout);
    runner.start(topology);
    loop {
        tokio::select! {
            biased;
            () = shutdown.draining() => break,
            ended = runner.tasks.join_next() => match ended {
                Some(ended) => runner.note(ended),
                None => break,
            },
            order = reloads.next() => runner.obey(order).await,
        }
    }
    // Whoever waits for a reload learns that there will be none.
    drop(reloads);
    runner.end().await
}

/// A topology that runs.
pub(super) struct Runner {
    pub(super) tasks: JoinSet<Ended>,
    /// Of the run as a whole.
    pub(super) shutdown: Shutdown,
    /// Of all that runs now, which can be ordered to end without the run.
    pub(super) now: Shutdown,
    pub(super) drain_timeout: Duration,
    pub(super) first_error: Option<RunError>,
    pub(super) environment: Environment,
    pub(super) checked: Checked,
    pub(super) sources: HashMap<ComponentId, RunningSource>,
    pub(super) sinks: HashMap<ComponentId, RunningSink>,
    /// What lies between them.
    pub(super) between: Vec<Life>,
    /// What sinks that run have claimed.
    pub(super) claimed: Vec<(PathBuf, Life)>,
    /// What another one has taken the place of, or nothing, and may not have ended yet.
    pub(super) leaving: Vec<(ComponentId, Life)>,
}

pub(super) struct RunningSource {
    pub(super) life: Life,
    pub(super) switch: OutletSwitch,
}

pub(super) struct RunningSink {
    pub(super) life: Life,
    /// The edge to the buffer in front of it, or to itself.
    pub(super) entry: WeakOutlet,
    pub(super) withdrawal: Withdrawal,
    pub(super) buffer: Option<RunningBuffer>,
}

pub(super) struct RunningBuffer {
    pub(super) life: Life,
    pub(super) switch: OutletSwitch,
    pub(super) withdrawal: Withdrawal,
}

impl Runner {
    fn new(environment: Environment, shutdown: Shutdown, drain_timeout: Duration) -> Runner {
        Runner {
            tasks: JoinSet::new(),
            now: shutdown.child(),
            shutdown,
            drain_timeout,
            first_error: None,
            environment,
            checked: Checked::nothing(),
            sources: HashMap::new(),
            sinks: HashMap::new(),
            between: Vec::new(),
            claimed: Vec::new(),
            leaving: Vec::new(),
        }
    }

    /// Starts a topology where none runs.
    pub(super) fn start(&mut self, topology: Topology) {
        let Topology { checked, parts, .. } = topology;
        let entry = |sink: &BuiltSink| (sink.id.clone(), sink.entry.clone());
        let entries = parts.sinks.iter().map(entry).collect();
        let (between, mut outlets) = wire(&checked.nodes, &self.environment, &entries);
        drop(entries);
        for sink in parts.sinks {
            let id = sink.id.clone();
            let running = self.start_sink(sink, Vec::new());
            self.sinks.insert(id, running);
        }
        self.between = self.start_between(between, &[]);
        for (id, source) in parts.sources {
            let outlet = outlets.remove(&id).expect("every source was wired");
            self.start_source(id, source, outlet);
        }
        self.checked = checked;
    }

    /// Starts a sink, with its buffer, once all of `after` have ended.
    pub(super) fn start_sink(
        &mut self,
        built: BuiltSink,
        after: Vec<CancellationToken>,
    ) -> RunningSink {
        let BuiltSink { id, opening, claims, inlet, entry, buffer, withdrawal } = built;
        let life = Life::of(&self.now);
        let (shutdown, watch) = (life.shutdown.clone(), inlet.watch());
        let waiting = all_ended(after.clone());
        let running = async move {
            if !waits(waiting, &shutdown).await {
                return Ok(());
            }
            let sink = tokio::select! {
                biased;
                () = shutdown.abandoned() => return Ok(()),
                opened = opening => {
                    opened.map_err(|error| RunError::new("it cannot be opened", error))?
                }
            };
            sink.run(inlet, shutdown).await
        };
        let running = to_the_end(running, watch, life.shutdown.clone());
        self.tasks.spawn(live(Some(id.to_string()), life.clone(), running));
        self.claimed.retain(|(_, life)| !life.has_ended());
        self.claimed.extend(claims.into_iter().map(|claim| (claim, life.clone())));
        let buffer = buffer.map(|buffer| self.start_buffer(&id, buffer, after, &withdrawal));
        RunningSink { life, entry: entry.downgrade(), withdrawal, buffer }
    }

    fn start_buffer(
        &mut self,
        sink: &ComponentId,
        built: BuiltBuffer,
        after: Vec<CancellationToken>,
        withdrawal: &Withdrawal,
    ) -> RunningBuffer {
        let BuiltBuffer { opening, inlet, outlet } = built;
        let (life, switch) = (Life::of(&self.now), outlet.switch());
        let shutdown = life.shutdown.clone();
        let running = async move {
            if !waits(all_ended(after), &shutdown).await {
                return Ok(());
            }
            let buffer = open(opening).await?;
            buffer.run(inlet, outlet, shutdown).await
        };
        self.tasks.spawn(live(Some(format!("{sink}.buffer")), life.clone(), running));
        RunningBuffer { life, switch, withdrawal: withdrawal.clone() }
    }

    /// Starts what lies between sources and sinks, once all of `after` have ended, or have had the time to.
    pub(super) fn start_between(
        &mut self,
        between: Between,
        after: &[CancellationToken],
    ) -> Vec<Life> {
        let mut lives = Vec::new();
        let shutdown = self.now.clone();
        let waiting = || {
            let (after, shutdown) = (after.to_vec(), shutdown.clone());
            async move {
                let in_time = async {
                    tokio::select! {
                        () = all_ended(after) => {}
                        () = sleep(ORDER_TIMEOUT) => {}
                    }
                };
                waits(in_time, &shutdown).await
            }
        };
        let mut start = |name: String, running| {
            let life = Life::of(&shutdown);
            self.tasks.spawn(live(Some(name), life.clone(), running));
            lives.push(life);
        };
        for (reader, inlet) in between.dead_letter_readers {
            let name = format!("{}.dropped", reader.id);
            let running = reader.run(inlet, shutdown.clone());
            start(name, futures_util::FutureExt::boxed(running));
        }
        for (reader, inlet) in between.left_out_readers {
            let name = format!("{}.left_out", reader.id);
            start(name, futures_util::FutureExt::boxed(reader.run(inlet)));
        }
        for (stage, inlet) in between.stages {
            let (name, waiting, shutdown) = (stage.name(), waiting(), shutdown.clone());
            let running = async move {
                if waiting.await { stage.run(inlet, shutdown).await } else { Ok(()) }
            };
            start(name, futures_util::FutureExt::boxed(running));
        }
        lives
    }

    pub(super) fn start_source(
        &mut self,
        id: ComponentId,
        source: Box<dyn Source>,
        outlet: Outlet,
    ) {
        let (life, switch) = (Life::of(&self.now), outlet.switch());
        let running = source.run(outlet, life.shutdown.clone());
        self.tasks.spawn(live(Some(id.to_string()), life.clone(), running));
        self.sources.insert(id, RunningSource { life, switch });
    }

    /// Notes how components end until all have. Cancel-safe.
    pub(super) async fn note_all(&mut self) {
        while let Some(ended) = self.tasks.join_next().await {
            self.note(ended);
        }
    }

    /// Notes how a component has ended.
    pub(super) fn note(&mut self, ended: Result<Ended, tokio::task::JoinError>) {
        let Ended { name, result, is_replaced } = match ended {
            Ok(ended) => ended,
            // It did not end when it was told to, of which was told.
            Err(error) if error.is_cancelled() => return,
            Err(error) => Ended {
                name: Some("?".to_owned()),
                result: Err(RunError::new("its task failed", error)),
                is_replaced: false,
            },
        };
        self.say_farewell();
        let Some(name) = name else { return };
        match result {
            Ok(()) => info!(component_id = name, "component ended"),
            Err(failure) if is_replaced => warn!(
                component_id = name,
                error = &failure as &dyn Error,
                "component failed while it ended: what it had is sent again"
            ),
            Err(failure) => {
                error!(component_id = name, error = &failure as &dyn Error, "component failed");
                // One that found its neighbour gone says less than what the neighbour says itself.
                if self.first_error.as_ref().is_none_or(follows_from_another) {
                    self.first_error = Some(RunError::new(format!("`{name}` failed"), failure));
                }
                // Without this component events can't arrive any more; the others finish what they can.
                self.shutdown.drain();
            }
        }
    }

    /// Tells of components that have ended and that nothing has taken the place of.
    pub(super) fn say_farewell(&mut self) {
        let leaving = std::mem::take(&mut self.leaving);
        let (ended, leaving): (Vec<_>, Vec<_>) =
            leaving.into_iter().partition(|(_, life)| life.has_ended());
        self.leaving = leaving;
        let mut gone: Vec<ComponentId> = ended.into_iter().map(|(id, _)| id).collect();
        gone.sort_unstable();
        gone.dedup();
        for id in gone {
            let is_back = self.checked.nodes.iter().any(|node| node.declared.id == id);
            if !is_back && !self.leaving.iter().any(|(other, _)| *other == id) {
                self.environment.farewell.gone(&id);
            }
        }
    }

    /// Does `work` while components may end; nothing where the order to end came first.
    pub(super) async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = std::pin::pin!(work);
        let shutdown = self.shutdown.clone();
        loop {
            tokio::select! {
                biased;
                () = shutdown.draining() => return None,
                done = &mut work => return Some(done),
                Some(ended) = self.tasks.join_next() => self.note(ended),
            }
        }
    }

    async fn end(mut self) -> Result<(), RunError> {
        let (shutdown, drain_timeout) = (self.shutdown.clone(), self.drain_timeout);
        tokio::select! {
            biased;
            () = shutdown.abandoned() => {}
            drained = timeout(drain_timeout, self.note_all()) => if drained.is_err() {
                warn!("the time for draining is over: what was not delivered will be sent after the next start");
                shutdown.abandon();
            }
        }
        // Whoever was told to leave everything may find its neighbours gone before it gets there: no error of the run.
        let first_error = self.first_error.take();
        if timeout(ABANDON_TIMEOUT, self.note_all()).await.is_err() {
            warn!("some components did not end when told to");
            // Not waited for: one that never yields would hold the end up for ever.
            self.tasks.abort_all();
        }
        first_error.map_or(Ok(()), Err)
    }
}

async fn open(opening: Opening) -> Result<crate::buffer::Buffer, RunError> {
    opening.await.map_err(|error| RunError::new("its buffer cannot be used", error))
}

async fn all_ended(lives: Vec<CancellationToken>) {
    join_all(lives.iter().map(CancellationToken::cancelled)).await;
}

/// Whether what is waited for came before the order to leave everything.
async fn waits(waiting: impl Future<Output = ()>, shutdown: &Shutdown) -> bool {
    tokio::select! {
        biased;
        () = shutdown.abandoned() => false,
        () = waiting => true,
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
