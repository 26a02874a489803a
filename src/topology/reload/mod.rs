//! Lets a new topology take the place of the one that runs.
//!
//! Sources and sinks that are what they were run on: sources keep their place, sinks their connections, batches and buffers.
//! What lies between is made anew beside the old, and each source is led over to it between two batches. The old hands on
//! what it has to the same sinks, and ends when nothing leads to it any more.
//!
//! Invariant: until all that is new could be opened, nothing that runs is touched but sources that are to be replaced: only
//! one may have a source's state, so the old one delivers what is under way and ends first; where the new one then cannot be
//! opened, the old one is opened again. So a reload is done, or refused with the old topology running.

mod open;
mod take_over;

use std::{collections::HashMap, time::Duration};

use pipeline_core::{BuildError, ComponentId, Outlet, RunError, Source};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{
    build::{BuiltSink, Topology},
    check::{Checked, Node},
    life::Life,
    run::{ABANDON_TIMEOUT, Runner, RunningSink, RunningSource},
    wire::metrics_of,
};
use crate::live::Changes;

/// Why the old topology runs on.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// What is new can't be opened.
    #[error("the new configuration can't be used")]
    Build(#[source] BuildError),
    /// The program ends.
    #[error("the topology is ending")]
    Ending,
}

/// A topology that is to take the place of the running one.
struct Order {
    checked: Checked,
    drain_timeout: Duration,
    answer: oneshot::Sender<Result<Changes, ReloadError>>,
}

/// Gives orders to the topology that runs.
#[derive(Clone)]
pub struct Reloader(mpsc::Sender<Order>);

/// The orders, for [`super::run()`].
pub struct Reloads(mpsc::Receiver<Order>);

/// Where orders are given, and where they are taken.
pub fn reloads() -> (Reloader, Reloads) {
    let (orders, receiver) = mpsc::channel(1);
    (Reloader(orders), Reloads(receiver))
}

impl Reloader {
    /// Puts `checked` in the place of what runs, and waits until it is there or refused. `drain_timeout` holds from then on.
    pub async fn reload(
        &self,
        checked: Checked,
        drain_timeout: Duration,
    ) -> Result<Changes, ReloadError> {
        let (answer, end) = oneshot::channel();
        let order = Order { checked, drain_timeout, answer };
        self.0.send(order).await.map_err(|_| ReloadError::Ending)?;
        end.await.unwrap_or(Err(ReloadError::Ending))
    }
}

impl Reloads {
    /// The next order. Never ready again once nobody can give one. Cancel-safe.
    pub(super) async fn next(&mut self) -> ReloadOrder {
        match self.0.recv().await {
            Some(order) => ReloadOrder(order),
            None => std::future::pending().await,
        }
    }
}

/// An order that was taken.
pub(super) struct ReloadOrder(Order);

/// What of the old topology the new one is joined to. Held, so that nothing of it ends meanwhile.
struct Held {
    sources: HashMap<ComponentId, Outlet>,
    sinks: HashMap<ComponentId, Outlet>,
}

/// A source that is ready to be started.
type NewSource = (ComponentId, Box<dyn Source>);

/// A sink of the new topology that does not run yet.
struct NewSink {
    built: BuiltSink,
    after: Vec<CancellationToken>,
    keeps_buffer: bool,
}

impl Runner {
    /// Carries an order out.
    pub(super) async fn obey(&mut self, order: ReloadOrder) {
        let ReloadOrder(Order { checked, drain_timeout, answer }) = order;
        self.say_farewell();
        let changes = self.checked.changes(&checked);
        let result = if changes == Changes::default() {
            Ok(changes)
        } else {
            self.reload(checked, &changes).await.map(|()| changes)
        };
        if result.is_ok() {
            self.drain_timeout = drain_timeout;
        }
        // Whoever gave the order may have gone.
        drop(answer.send(result));
    }

    async fn reload(&mut self, mut new: Checked, changes: &Changes) -> Result<(), ReloadError> {
        new.refuse_shared_claims().map_err(ReloadError::Build)?;
        new.remember(&self.checked);
        for node in new.nodes.iter().filter(|node| changes.added.contains(&node.declared.id)) {
            if !self.leaving.iter().any(|(id, _)| *id == node.declared.id) {
                metrics_of(node).begin_anew();
            }
        }
        let held = self.hold();
        let sinks = self.open_sinks(&new, &held).await?;
        let mut sources = self.open_added_sources(&new).await?;
        let Some(replaced) = self.replace_sources(&new, &held).await? else {
            drop((held, sinks, sources));
            return self.restart(new).await;
        };
        sources.extend(replaced);
        // From here on nothing is waited for, and nothing can fail.
        self.join(new, (sources, sinks), held, changes);
        Ok(())
    }

    fn hold(&self) -> Held {
        let source = |(id, source): (&ComponentId, &RunningSource)| {
            Some((id.clone(), source.switch.upgrade()?))
        };
        let sink = |(id, sink): (&ComponentId, &RunningSink)| {
            let buffer_ended = sink.buffer.as_ref().is_some_and(|buffer| buffer.life.has_ended());
            if sink.life.has_ended() || buffer_ended {
                return None;
            }
            Some((id.clone(), sink.entry.upgrade()?))
        };
        Held {
            sources: self.sources.iter().filter_map(source).collect(),
            sinks: self.sinks.iter().filter_map(sink).collect(),
        }
    }

    /// Whether the component runs, and runs on.
    fn keeps(&self, node: &Node) -> bool {
        let old = self.checked.node(node.declared.kind, &node.declared.id);
        old.is_some_and(|old| old.does_as(node))
    }

    /// The lives that have to be over before a component of this name can be started.
    fn predecessors(&self, id: &ComponentId) -> Vec<Life> {
        let leaving = self.leaving.iter().filter(|(other, _)| other == id);
        leaving.map(|(_, life)| life.clone()).filter(|life| !life.has_ended()).collect()
    }

    fn fail(&mut self, error: RunError) {
        self.first_error.get_or_insert(error);
        self.shutdown.drain();
    }

    /// Ends all that runs at once, and starts `new`, as a start of the program would: what is under way is left, and sent
    /// again.
    async fn restart(&mut self, new: Checked) -> Result<(), ReloadError> {
        warn!(
            "a source has to be replaced, and what it has sent was not delivered in the time for draining: all components are \
             started again, and what was under way is sent again"
        );
        let lives = self.between.iter().chain(self.sources.values().map(|source| &source.life));
        lives.for_each(Life::replace);
        for sink in self.sinks.values() {
            sink.life.replace();
            sink.buffer.iter().for_each(|buffer| buffer.life.replace());
        }
        self.now.abandon();
        if timeout(ABANDON_TIMEOUT, self.note_all()).await.is_err() {
            self.tasks.abort_all();
            if timeout(ABANDON_TIMEOUT, self.note_all()).await.is_err() {
                self.fail(RunError::plain("a component did not end when told to"));
                return Err(ReloadError::Ending);
            }
        }
        self.now = self.shutdown.child();
        let gone = self.checked.changes(&new).removed;
        for id in &gone {
            self.environment.farewell.gone(id);
        }
        (self.sources, self.sinks) = (HashMap::new(), HashMap::new());
        (self.between, self.leaving) = (Vec::new(), Vec::new());
        let old = std::mem::replace(&mut self.checked, Checked::nothing());
        let error = match Topology::build(new, &self.environment).await {
            Ok(topology) => {
                self.start(topology);
                return Ok(());
            }
            Err(error) => error,
        };
        match Topology::build(old, &self.environment).await {
            Ok(topology) => {
                self.start(topology);
                Err(ReloadError::Build(error))
            }
            Err(error) => {
                self.fail(RunError::new("the topology cannot be started again", error));
                Err(ReloadError::Ending)
            }
        }
    }
}
