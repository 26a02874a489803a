//! Writing to the ledger until it is written.
//!
//! A full disk stops the source where it stands, with all that it holds unacknowledged or unreleased, and lets it go
//! on when there is room again. Nothing is given up.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use pipeline_core::{ComponentId, ComponentMetrics, ErrorStage};

use super::{
    ledger::{Ledger, LedgerError},
    plan::backoff,
};

/// The longest wait before the ledger is tried again.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// The ledger, and who uses it.
#[derive(Clone, Debug)]
pub(super) struct Persist {
    ledger: Arc<dyn Ledger>,
    component_id: ComponentId,
    metrics: ComponentMetrics,
}

impl Persist {
    pub(super) fn new(
        ledger: Arc<dyn Ledger>,
        component_id: ComponentId,
        metrics: ComponentMetrics,
    ) -> Persist {
        Persist { ledger, component_id, metrics }
    }

    pub(super) fn ledger(&self) -> &Arc<dyn Ledger> {
        &self.ledger
    }

    /// Repeats `attempt` until it succeeds. `what` completes "cannot".
    pub(super) async fn until_done<'a, T>(
        &'a self,
        what: &'static str,
        mut attempt: impl FnMut() -> BoxFuture<'a, Result<T, LedgerError>> + Send,
    ) -> T {
        let mut failures = 0_u32;
        loop {
            let error = match attempt().await {
                Ok(done) => return done,
                Err(error) => error,
            };
            failures = failures.saturating_add(1);
            self.metrics.error("ledger_failed", ErrorStage::Processing);
            // The waits double, so powers of two are all that is worth a line.
            if failures.is_power_of_two() {
                let component_id = &*self.component_id;
                let error = &error as &(dyn std::error::Error + 'static);
                tracing::error!(component_id, error, failures, "cannot {what}, trying again");
            }
            // Where all writers wait alike, chance spreads them by the order in which they come.
            let mut random = fastrand::Rng::with_seed(failures.into());
            tokio::time::sleep(backoff(failures, WAIT_MAX, &mut random)).await;
        }
    }
}
