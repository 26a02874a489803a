//! What a buffer counts, with the names and labels of Vector's instrumentation specification.

use metrics::{Counter, Gauge, counter, gauge};
use pipeline_core::ComponentMetrics;

use super::record::Amount;

/// A buffer's counters, with the labels of its sink.
#[derive(Clone)]
pub(super) struct BufferMetrics {
    received: Counter,
    sent: Counter,
    discarded: Counter,
    lost: Counter,
    events: Gauge,
    bytes: Gauge,
    /// Of the sink itself.
    component: ComponentMetrics,
}

impl std::fmt::Debug for BufferMetrics {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("BufferMetrics").finish_non_exhaustive()
    }
}

impl BufferMetrics {
    /// The counters of the buffer in front of the sink that counts into `sink`.
    pub(super) fn new(
        sink: &ComponentMetrics,
        events_max: Option<usize>,
        bytes_max: usize,
    ) -> Self {
        let labels = sink.labels();
        let mut intentional = labels.to_vec();
        intentional.push(("intentional", "true".to_owned()));
        if let Some(events_max) = events_max {
            gauge!("buffer_max_size_events", labels).set(to_f64(events_max as u64));
        }
        gauge!("buffer_max_size_bytes", labels).set(to_f64(bytes_max as u64));
        BufferMetrics {
            received: counter!("buffer_received_events_total", labels),
            sent: counter!("buffer_sent_events_total", labels),
            discarded: counter!("buffer_discarded_events_total", &intentional),
            lost: counter!("o365flow_buffer_lost_events_total", labels),
            events: gauge!("buffer_size_events", labels),
            bytes: gauge!("buffer_size_bytes", labels),
            component: sink.clone(),
        }
    }

    /// Events that the buffer took.
    pub(super) fn received(&self, events: usize) {
        self.received.increment(events as u64);
    }

    /// Events that went on to the sink.
    pub(super) fn sent(&self, events: usize) {
        self.sent.increment(events as u64);
    }

    /// Events that were dropped because the buffer was full, as the configuration says.
    pub(super) fn discarded(&self, events: usize) {
        self.discarded.increment(events as u64);
        self.component.discarded_intentionally(events);
    }

    /// Events that were acknowledged and that damage has taken.
    pub(super) fn lost(&self, events: u64) {
        self.lost.increment(events);
        let events = usize::try_from(events).unwrap_or(usize::MAX);
        self.component.discarded_unintentionally(events);
    }

    /// An error of the buffer's own.
    pub(super) fn error(&self, error_type: &'static str) {
        self.component.error(error_type, pipeline_core::ErrorStage::Receiving);
    }

    /// What is in the buffer.
    pub(super) fn holds(&self, size: Amount) {
        self.events.set(to_f64(size.events));
        self.bytes.set(to_f64(size.bytes));
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; nobody buffers 2^52 bytes")]
fn to_f64(count: u64) -> f64 {
    count as f64
}
