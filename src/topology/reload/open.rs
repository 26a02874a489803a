//! Opens what is new in a topology, while the old one runs.
//!
//! What needs something that only one may have is opened when the old one has ended: sources here, sinks and their buffers
//! when they are started.

use pipeline_core::{BuildError, ComponentId, ComponentKind, RunError};
use tokio::time::timeout;

use super::{Held, NewSink, NewSource, ReloadError};
use crate::{
    config::Settings,
    topology::{
        build::{BufferPlan, Builder, SinkPlan},
        check::{Checked, Node},
        life::Life,
        run::Runner,
    },
};

impl Runner {
    pub(super) async fn open_sinks(
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

    pub(super) async fn open_added_sources(
        &mut self,
        new: &Checked,
    ) -> Result<Vec<NewSource>, ReloadError> {
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
    pub(super) async fn replace_sources(
        &mut self,
        new: &Checked,
        held: &Held,
    ) -> Result<Option<Vec<NewSource>>, ReloadError> {
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
    ) -> Result<Result<Vec<NewSource>, BuildError>, ReloadError> {
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
}
