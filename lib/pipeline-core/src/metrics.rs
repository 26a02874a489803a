//! The counters that every component has, with the names and labels of Vector's instrumentation specification.

use metrics::{Counter, Gauge, counter, gauge};

use crate::{ComponentId, DEFAULT_PORT, error_type_of};

/// The value of the label `output` for the port that has no name.
const DEFAULT_OUTPUT: &str = "_default";

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
    failing: Gauge,
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
        // What a sink sends leaves by no port.
        let is_sink = kind == ComponentKind::Sink;
        let (sent_events, sent_bytes) = sent(&labels, (!is_sink).then_some(DEFAULT_OUTPUT));
        let failing =
            if is_sink { gauge!("o365flow_sink_failing", &labels) } else { Gauge::noop() };
        ComponentMetrics {
            received_events: counter!("component_received_events_total", &labels),
            received_bytes: counter!("component_received_event_bytes_total", &labels),
            sent_events,
            sent_bytes,
            failing,
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

    /// The same counters, of which those of what was sent are of this port.
    #[must_use]
    pub fn of_output(&self, port: &str) -> ComponentMetrics {
        if port == DEFAULT_PORT {
            return self.clone();
        }
        let (sent_events, sent_bytes) = sent(&self.labels, Some(port));
        ComponentMetrics { sent_events, sent_bytes, ..self.clone() }
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
            failing: Gauge::noop(),
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

    /// Counts what a source has taken from where its events come, unpacked, before events are made of it. `protocol` is
    /// such as `http`. For many events at once: the counter is looked up.
    pub fn received_bytes(&self, protocol: &'static str, bytes: usize) {
        let [id, kind, of_type] = self.labels.clone();
        let labels = [id, kind, of_type, ("protocol", protocol.to_owned())];
        counter!("component_received_bytes_total", &labels).increment(bytes as u64);
    }

    /// Counts what a sink has sent and was taken by whom it was sent to, before it is packed. `place` is the label
    /// `endpoint` or `file` and its value, from the configuration, so that the number of values has a bound. For many
    /// events at once, as above.
    pub fn sent_bytes(
        &self,
        protocol: &'static str,
        place: Option<(&'static str, &str)>,
        bytes: usize,
    ) {
        let mut labels = self.labels.to_vec();
        labels.push(("protocol", protocol.to_owned()));
        labels.extend(place.map(|(label, value)| (label, value.to_owned())));
        counter!("component_sent_bytes_total", &labels).increment(bytes as u64);
    }

    /// Counts events dropped because the configuration says so.
    pub fn discarded_intentionally(&self, events: usize) {
        self.discarded_intentionally.increment(events as u64);
    }

    /// Counts events given up because they cannot be processed. What will be tried again never counts here.
    pub fn discarded_unintentionally(&self, events: usize) {
        self.discarded_unintentionally.increment(events as u64);
    }

    /// Counts an error. `error_code` is one of those that [`error_type_of`] knows.
    pub fn error(&self, error_code: &'static str, stage: ErrorStage) {
        let error_type = error_type_of(error_code).unwrap_or(error_code);
        let [id, kind, of_type] = self.labels.clone();
        let mut labels = vec![
            id,
            kind,
            of_type,
            ("error_type", error_type.to_owned()),
            ("stage", stage.as_str().to_owned()),
        ];
        if error_code != error_type {
            labels.push(("error_code", error_code.to_owned()));
        }
        counter!("component_errors_total", &labels).increment(1);
    }

    /// Says whether a sink's last attempt to deliver has failed and will be repeated.
    pub fn failing(&self, is_failing: bool) {
        self.failing.set(if is_failing { 1.0 } else { 0.0 });
    }

    /// Begins to count what waits in front of a component anew: for one that was gone.
    pub fn begin_anew(&self) {
        self.buffered_events.set(0.0);
        self.buffered_bytes.set(0.0);
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

/// The counters of what leaves by a port, or leaves a sink.
fn sent(labels: &[(&'static str, String); 3], output: Option<&str>) -> (Counter, Counter) {
    let mut labels = labels.to_vec();
    labels.extend(output.map(|output| ("output", output.to_owned())));
    (
        counter!("component_sent_events_total", &labels),
        counter!("component_sent_event_bytes_total", &labels),
    )
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge is a float; what waits on an edge is far below 2^52"
)]
fn to_f64(count: usize) -> f64 {
    count as f64
}
