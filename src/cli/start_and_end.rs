//! What the log says at the start and at the end of a run.

use pipeline_core::ComponentKind;
use tracing::{info, warn};

use crate::{api::Listeners, config::fault::Fault, live::Description, telemetry::Snapshot};

/// Says where the program can be reached, and what deserves a look in its configuration.
pub(super) fn say_what_to_know(listeners: &Listeners, warnings: &[Fault]) {
    for address in listeners.addresses() {
        info!(%address, "listening");
    }
    for warning in warnings {
        warn!(%warning, "configuration");
    }
}

/// Says what runs.
pub(super) fn say_what_runs(description: &Description) {
    let count = |kind| description.of_kind(kind).count();
    info!(
        version = env!("CARGO_PKG_VERSION"),
        sources = count(ComponentKind::Source),
        transforms = count(ComponentKind::Transform),
        sinks = count(ComponentKind::Sink),
        flow = description.flow(),
        "running"
    );
}

/// Says of each sink what it was given and could not deliver. What waits in a buffer of its own stays there, which
/// the buffer says itself.
pub(super) fn say_what_was_not_delivered(snapshot: &Snapshot, description: &Description) {
    for sink in description.of_kind(ComponentKind::Sink) {
        let id = [("component_id", &*sink.id)];
        let sum = |name| snapshot.sum(name, &id);
        if sum("buffer_max_size_events") + sum("buffer_max_size_bytes") > 0 {
            continue;
        }
        let given = sum("component_received_events_total") + sum("buffer_size_events");
        let done = sum("component_sent_events_total") + sum("component_discarded_events_total");
        let events = given.saturating_sub(done);
        if events > 0 {
            warn!(
                component_id = %sink.id,
                events, "not delivered: these events will be sent after the next start"
            );
        }
    }
}
