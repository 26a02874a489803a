//! What this sink counts besides what all sinks do.

use std::sync::Once;

use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};

use super::endpoint::Endpoint;

const CONFLICTS: &str = "o365_elasticsearch_conflicts_total";
const HEALTHY: &str = "o365_endpoint_healthy";

/// Events that the server had already.
pub(super) struct Conflicts {
    pub repeated: Counter,
    pub superseded: Counter,
}

impl Conflicts {
    pub(super) fn new(component_id: &str) -> Conflicts {
        describe();
        let counter = |kind: &str| {
            let labels = [("component_id", component_id.to_owned()), ("kind", kind.to_owned())];
            counter!(CONFLICTS, &labels)
        };
        Conflicts { repeated: counter("repeated"), superseded: counter("superseded") }
    }
}

/// Whether an endpoint of the configuration is well. Not for others, whose number has no bound.
pub(super) fn health_of(endpoint: &Endpoint, component_id: &str) -> Gauge {
    describe();
    let labels =
        [("component_id", component_id.to_owned()), ("endpoint", endpoint.url().to_string())];
    let gauge = gauge!(HEALTHY, &labels);
    gauge.set(1.0);
    gauge
}

fn describe() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        describe_counter!(
            CONFLICTS,
            Unit::Count,
            "Delivered events that the server had already: the same, or the same or a later version."
        );
        describe_gauge!(HEALTHY, Unit::Count, "1, or 0 while an endpoint is set aside.");
    });
}
