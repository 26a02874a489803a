//! The one metrics recorder, in Prometheus' text format.

use std::{convert::Infallible, time::Duration};

use metrics::{Unit, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use super::{Snapshot, forget::forget, process};

/// Bounds of request durations in seconds: a quick answer on the same machine to the longest that is waited for.
const DURATION_BUCKETS: [f64; 11] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0];

/// The time between two sortings of durations.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(10);

/// The recorder could not be installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The exporter refuses its settings.
    #[error("cannot set the metrics exporter up")]
    Build(#[from] BuildError),
    /// There is one already.
    #[error("a metrics recorder is installed already")]
    Installed,
}

/// What was recorded so far.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// Installs the recorder. Everything that counts must be made after this.
    pub fn install() -> Result<Metrics, InstallError> {
        let durations = Matcher::Suffix("_duration_seconds".to_owned());
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(durations, &DURATION_BUCKETS)?
            .build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).map_err(|_| InstallError::Installed)?;
        describe();
        gauge!("o365flow_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        Ok(Metrics(handle))
    }

    /// Those of a recorder that only a test's own thread uses.
    #[cfg(test)]
    pub(crate) fn of(recorder: &metrics_exporter_prometheus::PrometheusRecorder) -> Metrics {
        Metrics(recorder.handle())
    }

    /// All metrics in Prometheus' text format. A gauge that was set to NaN, as one of a tenant that is gone, has no value
    /// and is left out: the exporter cannot delete a series while anybody holds its handle.
    pub fn render(&self) -> String {
        // The exporter keeps durations in a queue until it is told to sort them in.
        self.0.run_upkeep();
        let mut scrape = without_nan(self.0.render());
        process::write(&mut scrape);
        scrape
    }

    /// Sorts durations in every now and then: the exporter keeps each until it is told to, also where nobody scrapes.
    pub async fn upkeep_for_ever(&self) -> Infallible {
        loop {
            tokio::time::sleep(UPKEEP_INTERVAL).await;
            self.0.run_upkeep();
        }
    }

    /// Shows the gauges of a component no more, until they are set again.
    pub fn forget_component(&self, component_id: &str) {
        forget(&self.render(), component_id);
    }

    /// All metrics as numbers.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::parse(&self.render())
    }
}

fn without_nan(scrape: String) -> String {
    const NO_VALUE: &str = " NaN";
    if !scrape.contains(NO_VALUE) {
        return scrape;
    }
    scrape.split_inclusive('\n').filter(|line| !line.trim_end().ends_with(NO_VALUE)).collect()
}

fn describe() {
    describe_counter!(
        "component_received_events_total",
        Unit::Count,
        "Events that a component has taken in."
    );
    describe_counter!(
        "component_received_event_bytes_total",
        Unit::Bytes,
        "Size of the events that a component has taken in, as their source received them."
    );
    describe_counter!(
        "component_sent_events_total",
        Unit::Count,
        "Events that a component has handed on; for a sink, events that its server has confirmed."
    );
    describe_counter!(
        "component_sent_event_bytes_total",
        Unit::Bytes,
        "Size of the events that a component has handed on, as their source received them; for a sink, as encoded."
    );
    describe_counter!(
        "component_received_bytes_total",
        Unit::Bytes,
        "What a source has taken from where its events come, unpacked, before events were made of it."
    );
    describe_counter!(
        "component_sent_bytes_total",
        Unit::Bytes,
        "What a sink has sent and was taken there, before it was packed."
    );
    describe_gauge!(
        "o365flow_sink_failing",
        "1 while what a sink could not deliver waits to be tried again, else 0."
    );
    describe_counter!("component_errors_total", Unit::Count, "Errors, by type and stage.");
    describe_counter!(
        "component_discarded_events_total",
        Unit::Count,
        "Events that went no further: dropped on purpose, or kept as dead letters."
    );
    describe_buffers();
    describe_gauge!(
        "utilization",
        "Part of the time, 0 to 1, in which a component did not wait for events."
    );
    describe_gauge!(
        "adaptive_concurrency_limit",
        Unit::Count,
        "Requests that a sink may have under way at the same time now."
    );
    describe_counter!(
        "config_reloads_total",
        Unit::Count,
        "Times that the configuration was read again while the program ran, by what came of it."
    );
    describe_gauge!(
        "config_last_reload_successful",
        "Whether the configuration was taken over when it was last read, 1 or 0."
    );
    describe_gauge!(
        "config_last_reload_success_timestamp_seconds",
        Unit::Seconds,
        "When the configuration was last read and found to be right, in seconds since 1970."
    );
    describe_gauge!("o365flow_build_info", "Always 1; the label tells the version.");
}

fn describe_buffers() {
    describe_gauge!("buffer_size_events", Unit::Count, "Events that wait in front of a component.");
    describe_gauge!(
        "buffer_size_bytes",
        Unit::Bytes,
        "Size of the events that wait in front of a component, as their source received them."
    );
    describe_gauge!("buffer_max_size_events", Unit::Count, "Events that a sink's buffer takes.");
    describe_gauge!("buffer_max_size_bytes", Unit::Bytes, "Bytes that a sink's buffer takes.");
    describe_counter!("buffer_received_events_total", Unit::Count, "Events that a buffer took.");
    describe_counter!(
        "buffer_sent_events_total",
        Unit::Count,
        "Events that a buffer has given to its sink."
    );
    describe_counter!(
        "buffer_discarded_events_total",
        Unit::Count,
        "Events that were dropped because a buffer was full, as its configuration says."
    );
    describe_counter!(
        "o365flow_buffer_lost_events_total",
        Unit::Count,
        "Events in a buffer on disk that were lost to damage of its file."
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_without_a_value_is_left_out() {
        for (scrape, shown) in [
            ("a{t=\"x\"} NaN\na{t=\"y\"} 1\n", "a{t=\"y\"} 1\n"),
            ("a{t=\" NaN\"} 2\n", "a{t=\" NaN\"} 2\n"),
            ("a 1\n\n", "a 1\n\n"),
        ] {
            assert_eq!(without_nan(scrape.to_owned()), shown);
        }
    }
}
