//! Some of the events that a transform has lately got, with the types that their values had.

use std::collections::VecDeque;

use pipeline_core::Event;
use vrl::value::Value;

/// Events that are kept of one transform.
const EVENTS_MAX: usize = 20;

/// Events that are taken of one batch, once there are some of others: they are alike more often than not.
const OF_A_BATCH_MAX: usize = 5;

/// The samples of one transform, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Samples {
    kept: VecDeque<Event>,
}

impl Samples {
    /// Takes some of `events` in, spread over them, and lets go of the oldest until all take `bytes_max` at most.
    pub(super) fn take(&mut self, events: &[Event], bytes_max: usize) {
        let wanted = OF_A_BATCH_MAX.max(EVENTS_MAX - self.kept.len());
        for event in events.iter().step_by(events.len().div_ceil(wanted).max(1)) {
            if event.byte_size() <= bytes_max && event_bytes(event) <= bytes_max {
                self.kept.push_back(event.detached());
            }
        }
        let mut bytes: usize = self.kept.iter().map(event_bytes).sum();
        while self.kept.len() > EVENTS_MAX || bytes > bytes_max {
            bytes -= self.kept.pop_front().as_ref().map_or(0, event_bytes);
        }
    }

    pub(super) fn copies(&self) -> Vec<Event> {
        self.kept.iter().map(Event::detached).collect()
    }
}

/// About what an event takes in memory.
fn event_bytes(event: &Event) -> usize {
    value_bytes(event.value()) + value_bytes(event.metadata())
}

fn value_bytes(value: &Value) -> usize {
    let below = match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| size_of::<String>() + name.len() + value_bytes(value))
            .sum(),
        Value::Array(values) => values.iter().map(value_bytes).sum(),
        Value::Bytes(bytes) => bytes.len(),
        Value::String(text) => text.len(),
        Value::Regex(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Timestamp(_)
        | Value::Null => 0,
    };
    size_of::<Value>() + below
}
