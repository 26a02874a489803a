//! Says in the log when a sink begins to fail, when the reason changes, and when it is over; not at every attempt.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use pipeline_core::{ComponentId, ComponentMetrics};
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use super::Failure;

/// How often a trouble that lasts is mentioned again, so that the end of a long log still shows it.
const REMIND_INTERVAL: Duration = Duration::from_mins(5);

/// What a sink's requests are suffering from.
#[derive(Debug)]
pub struct Troubles {
    component_id: ComponentId,
    metrics: ComponentMetrics,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Requests that wait to be tried again.
    waiting: usize,
    logged: Option<(&'static str, Instant)>,
}

impl Troubles {
    /// No trouble yet.
    pub fn new(component_id: ComponentId, metrics: ComponentMetrics) -> Troubles {
        Troubles { component_id, metrics, state: Mutex::default() }
    }

    /// An attempt failed; `failures` counts those of the same request.
    pub fn failed(&self, failure: &Failure, failures: u32, wait: Duration) {
        let component_id = &self.component_id;
        let error = &failure.message;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if failures == 1 {
            state.waiting += 1;
        }
        self.metrics.failing(true);
        let is_news = state.logged.is_none_or(|(error_type, at)| {
            error_type != failure.error_type || at.elapsed() >= REMIND_INTERVAL
        });
        if !is_news {
            debug!(%component_id, %error, failures, ?wait, "delivery failed again");
            return;
        }
        state.logged = Some((failure.error_type, Instant::now()));
        if failure.needs_user {
            error!(%component_id, %error, "delivery is refused until somebody steps in; events wait, and it is tried again");
        } else {
            warn!(%component_id, %error, "delivery failed; events wait, and it is tried again");
        }
    }

    /// A request that had failed before got through.
    pub fn passed(&self) {
        let component_id = &self.component_id;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.waiting = state.waiting.saturating_sub(1);
        if state.waiting > 0 {
            return;
        }
        self.metrics.failing(false);
        if state.logged.take().is_some() {
            info!(%component_id, "delivery works again");
        }
    }
}
