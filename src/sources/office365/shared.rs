//! What all tenants of one source share.

use std::{sync::Arc, time::Duration};

use pipeline_core::{Clock, ComponentId, ComponentMetrics, DeadLetters, Outlet, Shutdown};
use tokio_util::sync::CancellationToken;
use vrl::path::OwnedValuePath;

use super::{chunk::InFlight, persist::Persist, plan::ListingRules, replay::Replay};

/// The source's surroundings and settings.
pub(super) struct Shared {
    pub(super) id: ComponentId,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) dead_letters: Arc<dyn DeadLetters>,
    pub(super) metrics: ComponentMetrics,
    pub(super) persist: Persist,
    pub(super) outlet: Outlet,
    pub(super) shutdown: Shutdown,
    /// The topology takes no more events.
    pub(super) closed: CancellationToken,
    pub(super) is_once: bool,
    /// What is shipped again, instead of what is new.
    pub(super) replay: Option<Replay>,
    pub(super) listing: ListingRules,
    pub(super) poll_interval: Duration,
    pub(super) fetch_concurrency: usize,
    pub(super) record_path: OwnedValuePath,
    pub(super) in_flight: InFlight,
}

impl Shared {
    /// Resolves when nothing new may be begun.
    pub(super) async fn stopping(&self) {
        tokio::select! {
            () = self.shutdown.draining() => {}
            () = self.closed.cancelled() => {}
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.shutdown.is_draining() || self.closed.is_cancelled()
    }

    /// Stops the source because nobody takes its events.
    pub(super) fn close(&self) {
        self.closed.cancel();
    }
}
