//! What all tenants of one source share.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use pipeline_core::{Clock, ComponentId, ComponentMetrics, DeadLetters, Outlet, Shutdown};
use tokio_util::sync::CancellationToken;
use vrl::path::OwnedValuePath;

use super::{
    chunk::InFlight, persist::Persist, plan::ListingRules, quiet::QuietListings, replay::Replay,
    tenant::Tenant,
};

/// The source's surroundings and settings.
pub(super) struct Shared {
    pub(super) id: ComponentId,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) dead_letters: Arc<dyn DeadLetters>,
    pub(super) metrics: ComponentMetrics,
    pub(super) persist: Persist,
    pub(super) outlet: Outlet,
    pub(super) shutdown: Shutdown,
    /// Nothing new may be begun. Each tenant has a child of it.
    pub(super) stop: CancellationToken,
    /// The topology takes no more events.
    pub(super) is_closed: AtomicBool,
    pub(super) is_once: bool,
    /// What is shipped again, instead of what is new.
    pub(super) replay: Option<Replay>,
    pub(super) listing: ListingRules,
    pub(super) poll_interval: Duration,
    pub(super) fetch_concurrency: usize,
    pub(super) record_path: OwnedValuePath,
    pub(super) in_flight: InFlight,
    pub(super) quiet: QuietListings,
    /// The tenants that are at work.
    pub(super) at_work: AtWork,
}

impl Shared {
    /// Stops the source because nobody takes its events.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
        self.stop.cancel();
    }
}

/// Tenants from the opening of their feeds to their end.
#[derive(Default)]
pub(super) struct AtWork(Mutex<Vec<Weak<Tenant>>>);

impl AtWork {
    pub(super) fn add(&self, tenant: &Arc<Tenant>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(tenant));
    }

    pub(super) fn all(&self) -> Vec<Arc<Tenant>> {
        let mut tenants = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tenants.retain(|tenant| tenant.strong_count() > 0);
        tenants.iter().filter_map(Weak::upgrade).collect()
    }
}
