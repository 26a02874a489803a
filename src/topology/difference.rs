//! What is different between two checked topologies.

use std::{collections::HashMap, sync::Arc};

use pipeline_core::{BuildError, ComponentId, ComponentKind};

use super::check::{Checked, Node};
use crate::{config::Settings, live::Changes};

impl Checked {
    /// The component `id` of this kind.
    pub(super) fn node(&self, kind: ComponentKind, id: &ComponentId) -> Option<&Node> {
        self.nodes.iter().find(|node| node.declared.kind == kind && node.declared.id == *id)
    }

    /// What became of this topology's components in `new`.
    pub(super) fn changes(&self, new: &Checked) -> Changes {
        let mut changes = Changes::default();
        for node in &new.nodes {
            let id = node.declared.id.clone();
            match self.nodes.iter().find(|old| old.declared.id == id) {
                None => changes.added.push(id),
                Some(old)
                    if !(old.does_as(node) && old.declared.inputs == node.declared.inputs) =>
                {
                    changes.changed.push(id);
                }
                Some(_) => {}
            }
        }
        let is_gone =
            |old: &&Node| new.nodes.iter().all(|node| node.declared.id != old.declared.id);
        let gone = self.nodes.iter().filter(is_gone);
        changes.removed = gone.map(|old| old.declared.id.clone()).collect();
        changes
    }

    /// Refuses sinks that claim the same: to wait for one that stays would have no end.
    pub(super) fn refuse_shared_claims(&self) -> Result<(), BuildError> {
        let mut claimed = HashMap::new();
        for (id, config) in self.sinks() {
            for claim in config.claims() {
                if let Some(other) = claimed.insert(claim.clone(), id) {
                    let claim = claim.display();
                    let message = format!("`{other}` and `{id}` both write to `{claim}`");
                    return Err(BuildError::plain(message));
                }
            }
        }
        Ok(())
    }

    /// Lets the transforms that are what they were before in `old` keep what they remember.
    pub(super) fn remember(&mut self, old: &Checked) {
        for node in &mut self.nodes {
            let Some(Settings::Transform(config)) = &node.declared.settings else { continue };
            let before = old.node(ComponentKind::Transform, &node.declared.id);
            if let Some(before) = before.and_then(|old| old.prepared.as_ref().map(|it| (old, it)))
                && config.depends_on_settings_alone()
                && before.0.identity == node.identity
                && let Some(prepared) = &mut node.prepared
            {
                prepared.factory = Arc::clone(&before.1.factory);
            }
        }
    }
}

impl Node {
    /// Whether it is set to do what `other` is, wherever its events come from.
    pub(super) fn does_as(&self, other: &Node) -> bool {
        self.declared.kind == other.declared.kind
            && self.identity == other.identity
            && self.declared.buffer == other.declared.buffer
    }
}
