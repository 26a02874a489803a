//! A line that shows a long run's progress, on a terminal only.

use std::{
    convert::Infallible,
    future::pending,
    io::{self, IsTerminal},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use pipeline_core::RunMode;
use tokio::time::{Instant, interval};

use super::summary::Totals;
use crate::telemetry::Metrics;

const REFRESH_INTERVAL: Duration = Duration::from_millis(250);

/// Shows what has been counted so far, for as long as it is polled.
pub(super) async fn show(metrics: &Metrics, mode: RunMode) -> Infallible {
    if mode == RunMode::Continuous || !io::stderr().is_terminal() {
        return pending().await;
    }
    let style = ProgressStyle::with_template("{spinner} {msg}").expect("the template is valid");
    let line = Cleared(ProgressBar::new_spinner().with_style(style));
    let start = Instant::now();
    let mut refresh = interval(REFRESH_INTERVAL);
    loop {
        refresh.tick().await;
        let totals = Totals::of(&metrics.snapshot());
        let seconds = start.elapsed().as_secs_f64().max(0.001);
        line.0.set_message(totals.progress(seconds));
        line.0.tick();
    }
}

/// A progress line that leaves nothing behind.
struct Cleared(ProgressBar);

impl Drop for Cleared {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
