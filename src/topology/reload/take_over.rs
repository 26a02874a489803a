//! Lets what was opened take the place of what runs. Waits for nothing, and cannot fail.

use std::collections::HashSet;

use pipeline_core::{ComponentId, ComponentKind};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Held, NewSink, NewSource};
use crate::{
    config::{BufferConfig, BufferKind},
    live::Changes,
    topology::{
        check::{Checked, Node},
        life::{Life, live},
        run::{Runner, RunningBuffer, RunningSink},
        wire::wire,
    },
};

impl Runner {
    /// Lets the new parts take over from the old ones.
    pub(super) fn join(
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
        self.tasks.spawn(live(None, end, work));
    }
}
