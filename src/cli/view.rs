//! What those outside see of a configuration while it runs.

use super::load::{Loaded, office365_sources};
use crate::{
    api::{FeedSource, FeedSources},
    components::office365,
    live::{Description, Live, Workshop},
};

/// What is shown of a topology.
pub(super) struct View {
    description: Description,
    workshop: Workshop,
    feeds: Vec<FeedSource>,
}

impl View {
    /// What is to be shown of `loaded` once it runs.
    pub(super) fn of(loaded: &Loaded, generation: u64) -> View {
        View {
            description: loaded.topology.describe(generation),
            workshop: Workshop::new(loaded.topology.workplaces(), loaded.tables.clone()),
            feeds: feed_sources(loaded),
        }
    }

    /// Shows it from now on.
    pub(super) fn show(self, live: &Live, feeds: &FeedSources) {
        feeds.set(self.feeds);
        live.equip(self.workshop);
        live.describe(self.description);
    }
}

/// The sources whose feeds can be shown.
fn feed_sources(loaded: &Loaded) -> Vec<FeedSource> {
    let shown = office365_sources(loaded).into_iter().map(|source| FeedSource {
        id: source.id.to_string(),
        ledger: office365::ledger_path(&source.state_dir),
        config: source.config,
    });
    shown.collect()
}
