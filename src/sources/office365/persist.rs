//! Writing to the ledger until it is written.
//!
//! A full disk stops the source where it stands, with all that it holds unacknowledged or unreleased, and lets it go
//! on when there is room again. Nothing is given up. What no waiting mends, as a damaged file, ends the source: the next
//! start sees to it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use pipeline_core::{ComponentId, ComponentMetrics, ErrorStage, RunError};
use tokio_util::sync::CancellationToken;

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
    failure: Arc<Failure>,
}

/// The error that no waiting mends, once there is one.
#[derive(Debug, Default)]
struct Failure {
    error: Mutex<Option<LedgerError>>,
    happened: CancellationToken,
}

impl Persist {
    pub(super) fn new(
        ledger: Arc<dyn Ledger>,
        component_id: ComponentId,
        metrics: ComponentMetrics,
    ) -> Persist {
        Persist { ledger, component_id, metrics, failure: Arc::default() }
    }

    pub(super) fn ledger(&self) -> &Arc<dyn Ledger> {
        &self.ledger
    }

    /// Resolves when the ledger has failed for good, with the reason.
    pub(super) async fn failed(&self) -> RunError {
        self.failure.happened.cancelled().await;
        let reason =
            "the ledger has failed; a new start checks it, and sets it aside if it is damaged";
        RunError::new(reason, self.failure.take())
    }

    /// Repeats `attempt` until it succeeds. `what` completes "cannot". Never returns once the ledger has failed for
    /// good: whoever waits here is stopped when the source ends for that reason.
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
            if error.is_final() {
                self.failure.note(error);
                return std::future::pending().await;
            }
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

impl Failure {
    /// The first one counts.
    fn note(&self, error: LedgerError) {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.happened.cancel();
    }

    fn take(&self) -> LedgerError {
        let error = self.error.lock().unwrap_or_else(PoisonError::into_inner).take();
        error.unwrap_or(LedgerError::Closed)
    }
}
