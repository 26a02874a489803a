//! The counters that every component has, with the names and labels of Vector's instrumentation specification.

use metrics::{Counter, Gauge, counter, gauge};

use crate::{ComponentId, DEFAULT_PORT};

/// What a component is; the value of the label `component_kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ComponentKind {
    /// Brings events in.
    Source,
    /// Changes events.
    Transform,
    /// Delivers events.
    Sink,
}

impl ComponentKind {
    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            ComponentKind::Source => "source",
            ComponentKind::Transform => "transform",
            ComponentKind::Sink => "sink",
        }
    }
}

/// Where in a component an error arose; the value of the label `stage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorStage {
    /// While taking data in.
    Receiving,
    /// While working on it.
    Processing,
    /// While sending it on.
    Sending,
}

impl ErrorStage {
    fn as_str(self) -> &'static str {
        match self {
            ErrorStage::Receiving => "receiving",
            ErrorStage::Processing => "processing",
            ErrorStage::Sending => "sending",
        }
    }
}

/// A component's counters. The handles are made once; clones count into the same ones.
#[derive(Clone)]
pub struct ComponentMetrics {
    labels: [(&'static str, String); 3],
    received_events: Counter,
    received_bytes: Counter,
    sent_events: Counter,
    sent_bytes: Counter,
    discarded_intentionally: Counter,
    discarded_unintentionally: Counter,
    buffered_events: Gauge,
    buffered_bytes: Gauge,
    utilization: Gauge,
}

impl std::fmt::Debug for ComponentMetrics {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ComponentMetrics")
            .field("labels", &self.labels)
            .finish_non_exhaustive()
    }
}

impl ComponentMetrics {
    /// The counters of component `id`, whose `type` in the configuration is `component_type`.
    pub fn new(kind: ComponentKind, component_type: &str, id: &ComponentId) -> ComponentMetrics {
        let labels = [
            ("component_id", id.to_string()),
            ("component_kind", kind.as_str().to_owned()),
            ("component_type", component_type.to_owned()),
        ];
        let discarded = |intentional: &'static str| {
            let [id, kind, of_type] = labels.clone();
            counter!(
                "component_discarded_events_total",
                &[id, kind, of_type, ("intentional", intentional.to_owned())]
            )
        };
        ComponentMetrics {
            received_events: counter!("component_received_events_total", &labels),
            received_bytes: counter!("component_received_event_bytes_total", &labels),
            sent_events: counter!("component_sent_events_total", &labels),
            sent_bytes: counter!("component_sent_event_bytes_total", &labels),
            discarded_intentionally: discarded("true"),
            discarded_unintentionally: discarded("false"),
            buffered_events: gauge!("buffer_size_events", &labels),
            buffered_bytes: gauge!("buffer_size_bytes", &labels),
            utilization: gauge!("utilization", &labels),
            labels,
        }
    }

    /// The same counters, but for those of what waits in front of the component: for one whose buffer counts by itself.
    #[must_use]
    pub fn without_buffer(&self) -> ComponentMetrics {
        ComponentMetrics {
            buffered_events: Gauge::noop(),
            buffered_bytes: Gauge::noop(),
            ..self.clone()
        }
    }

    /// The same counters, of which those of what was sent have the label `output`: for a port that has a name.
    #[must_use]
    pub fn of_output(&self, port: &str) -> ComponentMetrics {
        if port == DEFAULT_PORT {
            return self.clone();
        }
        let [id, kind, of_type] = self.labels.clone();
        let labels = [id, kind, of_type, ("output", port.to_owned())];
        ComponentMetrics {
            sent_events: counter!("component_sent_events_total", &labels),
            sent_bytes: counter!("component_sent_event_bytes_total", &labels),
            ..self.clone()
        }
    }

    /// Counters that nobody sees, for a part of a component that is none itself.
    #[must_use]
    pub fn unseen(&self) -> ComponentMetrics {
        ComponentMetrics {
            labels: self.labels.clone(),
            received_events: Counter::noop(),
            received_bytes: Counter::noop(),
            sent_events: Counter::noop(),
            sent_bytes: Counter::noop(),
            discarded_intentionally: Counter::noop(),
            discarded_unintentionally: Counter::noop(),
            buffered_events: Gauge::noop(),
            buffered_bytes: Gauge::noop(),
            utilization: Gauge::noop(),
        }
    }

    /// Counts events that came in. `bytes` is their size as their source received them.
    pub fn received(&self, events: usize, bytes: usize) {
        self.received_events.increment(events as u64);
        self.received_bytes.increment(bytes as u64);
    }

    /// Counts events that went on to the next component, or that a server has confirmed. `bytes` is their size as
    /// their source received them, or as the sink has encoded them.
    pub fn sent(&self, events: usize, bytes: usize) {
        self.sent_events.increment(events as u64);
        self.sent_bytes.increment(bytes as u64);
    }

    /// Counts events dropped because the configuration says so.
    pub fn discarded_intentionally(&self, events: usize) {
        self.discarded_intentionally.increment(events as u64);
    }

    /// Counts events given up because they cannot be processed. What will be tried again never counts here.
    pub fn discarded_unintentionally(&self, events: usize) {
        self.discarded_unintentionally.increment(events as u64);
    }

    /// Counts an error. `error_type` is from a small fixed set, as `request_failed`.
    pub fn error(&self, error_type: &'static str, stage: ErrorStage) {
        let [id, kind, of_type] = self.labels.clone();
        let labels = [
            id,
            kind,
            of_type,
            ("error_type", error_type.to_owned()),
            ("stage", stage.as_str().to_owned()),
        ];
        counter!("component_errors_total", &labels).increment(1);
    }

    /// Counts events that wait on the edge in front of the component.
    pub(crate) fn buffered(&self, events: usize, bytes: usize) {
        self.buffered_events.increment(to_f64(events));
        self.buffered_bytes.increment(to_f64(bytes));
    }

    /// Counts events that were taken off that edge.
    pub(crate) fn unbuffered(&self, events: usize, bytes: usize) {
        self.buffered_events.decrement(to_f64(events));
        self.buffered_bytes.decrement(to_f64(bytes));
    }

    /// Says which part of the time, 0 to 1, the component was not waiting for events.
    pub(crate) fn utilization(&self, busy: f64) {
        self.utilization.set(busy);
    }

    /// The labels `component_id`, `component_kind`, `component_type`, for metrics of the component's own.
    pub fn labels(&self) -> &[(&'static str, String)] {
        &self.labels
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge is a float; what waits on an edge is far below 2^52"
)]
fn to_f64(count: usize) -> f64 {
    count as f64
}
