//! What the components have counted so far, for whoever draws them.

use std::collections::BTreeMap;

use pipeline_core::Timestamp;
use serde::Serialize;

use super::feeds::FeedSource;
use crate::telemetry::{Sample, Snapshot};

/// What metrics call the port without a name.
const DEFAULT_OUTPUT: &str = "_default";

/// All counts at one time. They are totals: a reader makes rates of them.
#[derive(Debug, Serialize)]
pub(super) struct Stats {
    at: Timestamp,
    components: BTreeMap<String, ComponentStats>,
    sources: BTreeMap<String, SourceStats>,
}

/// The counts of a component.
#[derive(Debug, Default, PartialEq, Serialize)]
struct ComponentStats {
    received_events: f64,
    received_bytes: f64,
    sent_events: f64,
    sent_bytes: f64,
    errors: f64,
    discarded_events: f64,
    buffer_events: f64,
    buffer_bytes: f64,
    /// Nothing where it has no buffer of its own.
    buffer_max_events: Option<f64>,
    buffer_max_bytes: Option<f64>,
    utilization: f64,
    /// What left by each port; `""` is the one without a name.
    outputs: BTreeMap<String, f64>,
}

/// The counts of a source of type `office365`, over all of its feeds.
#[derive(Debug, Default, PartialEq, Serialize)]
struct SourceStats {
    /// Of the feed that is furthest behind.
    lag_seconds: Option<f64>,
    blobs_pending: f64,
    blobs_lost: f64,
    /// Answers that said that there were too many requests.
    throttled_answers: f64,
}

impl Stats {
    pub(super) fn of(snapshot: &Snapshot, sources: &[FeedSource], at: Timestamp) -> Stats {
        let mut stats = Stats { at, components: BTreeMap::new(), sources: BTreeMap::new() };
        for source in sources {
            stats.sources.insert(source.id.clone(), SourceStats::default());
        }
        for sample in snapshot.samples() {
            if let Some(id) = sample.label("component_id")
                && !sample.name.starts_with("o365")
            {
                stats.components.entry(id).or_default().add(sample);
            } else if sample.name.starts_with("o365_")
                && let Some(id) = source_of(sample, sources)
            {
                stats.sources.entry(id.to_owned()).or_default().add(sample);
            }
        }
        stats
    }
}

/// Which source a number of a tenant's belongs to.
fn source_of<'a>(sample: &Sample, sources: &'a [FeedSource]) -> Option<&'a str> {
    if let [only] = sources {
        return Some(&only.id);
    }
    let tenant = sample.label("tenant")?;
    let has = |source: &&FeedSource| source.config.tenants.iter().any(|one| one.name == tenant);
    sources.iter().find(has).map(|source| source.id.as_str())
}

impl ComponentStats {
    fn add(&mut self, sample: &Sample) {
        let value = sample.value;
        match sample.name.as_str() {
            "component_received_events_total" => self.received_events += value,
            "component_received_event_bytes_total" => self.received_bytes += value,
            "component_sent_events_total" => {
                self.sent_events += value;
                let port = sample.label("output").filter(|port| port != DEFAULT_OUTPUT);
                *self.outputs.entry(port.unwrap_or_default()).or_default() += value;
            }
            "component_sent_event_bytes_total" => self.sent_bytes += value,
            "component_errors_total" => self.errors += value,
            "component_discarded_events_total" => self.discarded_events += value,
            "buffer_size_events" => self.buffer_events += value,
            "buffer_size_bytes" => self.buffer_bytes += value,
            "buffer_max_size_events" => self.buffer_max_events = Some(value),
            "buffer_max_size_bytes" => self.buffer_max_bytes = Some(value),
            "utilization" => self.utilization = value,
            _ => {}
        }
    }
}

impl SourceStats {
    fn add(&mut self, sample: &Sample) {
        let value = sample.value;
        match sample.name.as_str() {
            "o365_lag_seconds" => {
                self.lag_seconds = Some(self.lag_seconds.map_or(value, |lag| lag.max(value)));
            }
            "o365_blobs_pending" => self.blobs_pending += value,
            "o365_blobs_total" if sample.label("state").as_deref() == Some("lost") => {
                self.blobs_lost += value;
            }
            "o365_throttled_total" => self.throttled_answers += value,
            _ => {}
        }
    }
}
