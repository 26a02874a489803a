//! Lets a new topology take the place of the one that runs.
//!
//! Sources and sinks that are what they were run on: sources keep their place, sinks their connections, batches and buffers.
//! What lies between is made anew beside the old, and each source is led over to it between two batches. The old hands on
//! what it has to the same sinks, and ends when nothing leads to it any more.
//!
//! Invariant: until all that is new could be opened, nothing that runs is touched but sources that are to be replaced: only
//! one may have a source's state, so the old one delivers what is under way and ends first; where the new one then cannot be
//! opened, the old one is opened again. So a reload is done, or refused with the old topology running.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use pipeline_core::{BuildError, ComponentId, ComponentKind, Outlet, RunError, Source};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    build::{BufferPlan, Builder, BuiltSink, SinkPlan, Topology},
    check::{Checked, Node},
    life::Life,
    run::{ABANDON_TIMEOUT, Runner, RunningBuffer, RunningSink, RunningSource},
    wire::{metrics_of, wire},
};
use crate::{
    config::{BufferConfig, BufferKind, Settings},
    live::Changes,
};

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

    async fn open_sinks(
        &mut self,
        new: &Checked,
        held: &Held,
    ) -> Result<Vec<NewSink>, ReloadError> {
        let environment = self.environment.clone();
        let builder = Builder { nodes: &new.nodes, environment: &environment };
        let mut sinks = Vec::new();
        for node in new.nodes.iter().filter(|node| node.declared.kind == ComponentKind::Sink) {
            let id = &node.declared.id;
            let is_held = held.sinks.contains_key(id);
            if is_held && self.keeps(node) {
                continue;
            }
            let mut after = self.predecessors(id);
            let old = self.sinks.get(id);
            after.extend(old.map(|old| old.life.clone()));
            let buffer = old.and_then(|old| old.buffer.as_ref());
            let buffer_before = self.checked.node(ComponentKind::Sink, id);
            let is_same =
                buffer_before.is_some_and(|old| old.declared.buffer == node.declared.buffer);
            let keeps_buffer = is_held && buffer.is_some() && is_same;
            if !keeps_buffer {
                after.extend(buffer.map(|buffer| buffer.life.clone()));
            }
            let is_free = after.iter().all(Life::has_ended);
            let buffer = match (keeps_buffer, is_free) {
                (true, _) => BufferPlan::Keep,
                (false, true) => BufferPlan::Open,
                (false, false) => BufferPlan::OpenLater,
            };
            let claimed = self.claimed_by_others(node, new);
            let plan = SinkPlan { buffer, opens_later: !claimed.is_empty() };
            after.extend(claimed);
            let built = self.meanwhile(builder.sink(node, plan)).await;
            let built = built.ok_or(ReloadError::Ending)?.map_err(ReloadError::Build)?;
            let after = after.into_iter().map(|life| life.ended).collect();
            sinks.push(NewSink { built, after, keeps_buffer });
        }
        Ok(sinks)
    }

    /// The sinks that have what the new sink `node` claims, and that will have ended.
    fn claimed_by_others(&self, node: &Node, new: &Checked) -> Vec<Life> {
        let Some(Settings::Sink(config)) = &node.declared.settings else { return Vec::new() };
        let claims = config.claims();
        let stays = |life: &Life| {
            let owner = self.sinks.iter().find(|(_, sink)| sink.life.is(life));
            let node = owner.and_then(|(id, _)| new.node(ComponentKind::Sink, id));
            node.is_some_and(|node| self.keeps(node))
        };
        let of_others = self
            .claimed
            .iter()
            .filter(|(claim, life)| claims.contains(claim) && !life.has_ended() && !stays(life));
        of_others.map(|(_, life)| life.clone()).collect()
    }

    async fn open_added_sources(
        &mut self,
        new: &Checked,
    ) -> Result<Vec<(ComponentId, Box<dyn Source>)>, ReloadError> {
        let environment = self.environment.clone();
        let builder = Builder { nodes: &new.nodes, environment: &environment };
        let mut sources = Vec::new();
        for (id, _) in new.sources() {
            if !self.sources.contains_key(id) && self.predecessors(id).is_empty() {
                let built = self.meanwhile(builder.source(id)).await;
                sources.extend(built.ok_or(ReloadError::Ending)?.map_err(ReloadError::Build)?);
            }
        }
        Ok(sources)
    }

    /// Ends the sources that are to be replaced, and opens what takes their places. Nothing where they did not end in time.
    async fn replace_sources(
        &mut self,
        new: &Checked,
        held: &Held,
    ) -> Result<Option<Vec<(ComponentId, Box<dyn Source>)>>, ReloadError> {
        let is_new = |node: &&Node| {
            let id = &node.declared.id;
            node.declared.kind == ComponentKind::Source
                && (self.sources.contains_key(id) && !self.keeps(node)
                    || !self.predecessors(id).is_empty())
        };
        let ids: Vec<ComponentId> =
            new.nodes.iter().filter(is_new).map(|node| node.declared.id.clone()).collect();
        if ids.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let mut ending = Vec::new();
        for id in &ids {
            ending.extend(self.predecessors(id));
            ending.extend(self.sources.get(id).map(|source| source.life.clone()));
        }
        for life in &ending {
            life.replace();
            life.shutdown.drain();
        }
        let all = async {
            for life in &ending {
                life.ended.cancelled().await;
            }
        };
        let waiting = timeout(self.drain_timeout, all);
        if self.meanwhile(waiting).await.ok_or(ReloadError::Ending)?.is_err() {
            return Ok(None);
        }
        match self.open_sources(new, &ids).await? {
            Ok(sources) => Ok(Some(sources)),
            Err(error) => {
                self.go_back(&ids, held).await?;
                Err(ReloadError::Build(error))
            }
        }
    }

    async fn open_sources(
        &mut self,
        checked: &Checked,
        ids: &[ComponentId],
    ) -> Result<Result<Vec<(ComponentId, Box<dyn Source>)>, BuildError>, ReloadError> {
        let environment = self.environment.clone();
        let builder = Builder { nodes: &checked.nodes, environment: &environment };
        let mut sources = Vec::new();
        for id in ids {
            match self.meanwhile(builder.source(id)).await.ok_or(ReloadError::Ending)? {
                Ok(source) => sources.extend(source),
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(sources))
    }

    /// Starts again what had to end for a topology that is refused.
    async fn go_back(&mut self, ids: &[ComponentId], held: &Held) -> Result<(), ReloadError> {
        let checked = std::mem::replace(&mut self.checked, Checked::nothing());
        let ids: Vec<ComponentId> =
            ids.iter().filter(|id| self.sources.contains_key(*id)).cloned().collect();
        let opened = self.open_sources(&checked, &ids).await;
        self.checked = checked;
        match opened? {
            Ok(sources) => {
                for (id, source) in sources {
                    if let Some(outlet) = held.sources.get(&id) {
                        self.start_source(id, source, outlet.clone());
                    }
                }
                Ok(())
            }
            Err(error) => {
                self.fail(RunError::new("a source that had to end cannot be opened again", error));
                Err(ReloadError::Ending)
            }
        }
    }

    fn fail(&mut self, error: RunError) {
        self.first_error.get_or_insert(error);
        self.shutdown.drain();
    }

    /// Lets the new parts take over from the old ones.
    fn join(
        &mut self,
        new: Checked,
        (sources, sinks): (Vec<NewSource>, Vec<NewSink>),
        held: Held,
        changes: &Changes,
    ) {
        let mut entries = held.sinks;
        for sink in sinks.iter().filter(|sink| !sink.keeps_buffer) {
            entries.insert(sink.built.id.clone(), sink.built.entry.clone());
        }
        let (between, mut outlets) = wire(&new.nodes, &self.environment, &entries);
        let is_gone_for_good = self.only_removes_sinks(&new, &sinks);
        for sink in sinks {
            self.take_over(sink, &new);
        }
        self.remove_sinks(&new, is_gone_for_good);
        let before = std::mem::take(&mut self.between);
        before.iter().for_each(Life::replace);
        let removed = self.checked.nodes.iter().filter(|node| {
            node.declared.kind == ComponentKind::Transform
                && changes.removed.contains(&node.declared.id)
        });
        for node in removed {
            // Which of them it was part of does not matter.
            let lives = before.iter().map(|life| (node.declared.id.clone(), life.clone()));
            self.leaving.extend(lives);
        }
        let before: Vec<CancellationToken> = before.into_iter().map(|life| life.ended).collect();
        self.between = self.start_between(between, &before);
        for (id, source) in &self.sources {
            match outlets.get(id) {
                Some(outlet) if !sources.iter().any(|(new, _)| new == id) => {
                    source.switch.lead_to(outlet);
                }
                _ => {}
            }
        }
        for (id, source) in sources {
            let outlet = outlets.remove(&id).expect("every source was wired");
            self.start_source(id, source, outlet);
        }
        self.remove_sources(&new);
        self.checked = new;
        info!(
            added = changes.added.len(),
            changed = changes.changed.len(),
            removed = changes.removed.len(),
            "the new configuration runs"
        );
    }

    /// Whether no sink gets what it did not get before: what a removed sink still has is then nobody's to get instead.
    fn only_removes_sinks(&self, new: &Checked, sinks: &[NewSink]) -> bool {
        let reads_as_before = |node: &Node| {
            let old = self.checked.node(ComponentKind::Sink, &node.declared.id);
            old.is_some_and(|old| old.declared.inputs == node.declared.inputs)
        };
        let mut all = new.nodes.iter().filter(|node| node.declared.kind == ComponentKind::Sink);
        sinks.is_empty() && all.all(reads_as_before)
    }

    /// Starts a sink in the place of the one of its name, if there is one.
    fn take_over(&mut self, sink: NewSink, new: &Checked) {
        let NewSink { built, after, keeps_buffer } = sink;
        let (id, entry) = (built.id.clone(), built.entry.clone());
        let mut running = self.start_sink(built, after);
        if let Some(old) = self.sinks.remove(&id) {
            let RunningSink { life, entry: old_entry, buffer, .. } = old;
            match buffer {
                Some(buffer) if keeps_buffer => {
                    buffer.switch.lead_to(&entry);
                    running.buffer = Some(buffer);
                    running.entry = old_entry;
                }
                Some(buffer) => {
                    let config = |checked: &Checked| {
                        let node = checked.node(ComponentKind::Sink, &id)?;
                        node.declared.buffer.clone()
                    };
                    let on_disk = |config: Option<BufferConfig>| {
                        config.is_some_and(|config| config.kind == BufferKind::Disk)
                    };
                    if on_disk(config(&self.checked)) && on_disk(config(new)) {
                        // What is in the file is read by the new one.
                        buffer.life.shutdown.drain();
                    }
                    self.dismiss(&id, buffer.life);
                }
                None => {}
            }
            self.dismiss(&id, life);
        }
        self.sinks.insert(id, running);
    }

    fn remove_sinks(&mut self, new: &Checked, is_gone_for_good: bool) {
        let kept: HashSet<&ComponentId> = new.sinks().map(|(id, _)| id).collect();
        let gone: Vec<ComponentId> =
            self.sinks.keys().filter(|id| !kept.contains(id)).cloned().collect();
        for id in gone {
            let Some(RunningSink { life, withdrawal, buffer, .. }) = self.sinks.remove(&id) else {
                continue;
            };
            if is_gone_for_good {
                withdrawal.tell();
            }
            if let Some(RunningBuffer { life, withdrawal, .. }) = buffer {
                if is_gone_for_good {
                    withdrawal.tell();
                }
                self.dismiss(&id, life);
            }
            self.dismiss(&id, life);
        }
    }

    /// Sources that are gone deliver what is under way, for as long as it takes.
    fn remove_sources(&mut self, new: &Checked) {
        let kept: HashSet<&ComponentId> = new.sources().map(|(id, _)| id).collect();
        let gone: Vec<ComponentId> =
            self.sources.keys().filter(|id| !kept.contains(id)).cloned().collect();
        for id in gone {
            if let Some(source) = self.sources.remove(&id) {
                source.life.replace();
                source.life.shutdown.drain();
                self.leaving.push((id, source.life));
            }
        }
    }

    /// Lets a sink or its buffer deliver what it has, in the time for draining. Then it has to leave the rest.
    fn dismiss(&mut self, id: &ComponentId, life: Life) {
        life.replace();
        self.leaving.push((id.clone(), life.clone()));
        if life.has_ended() {
            return;
        }
        let (id, drain_timeout) = (id.clone(), self.drain_timeout);
        let end = Life::of(&self.now);
        let work = async move {
            if timeout(drain_timeout, life.ended.cancelled()).await.is_err() {
                warn!(
                    component_id = %id,
                    "the time for draining is over: it leaves what it has not delivered"
                );
                life.shutdown.abandon();
            }
            Ok(())
        };
        self.tasks.spawn(super::life::live(None, end, work));
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
