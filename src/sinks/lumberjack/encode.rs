//! Events into frames, with what Logstash expects from a Beat in `@metadata`.

use std::{borrow::Cow, collections::VecDeque, sync::Arc};

use lumberjack::Frames;
use pipeline_core::{
    ComponentId, DeadLetter, Event, EventAck, LetterKind, Timestamp, write_json, write_json_text,
};
use serde_json::{Map, Value as Json};
use vrl::value::{ObjectMap, Value};

use super::config::Metadata;
use crate::delivery::{Encoded, Rejected};

/// The field with what concerns the way of an event and not the event. Logstash does not pass it on by itself.
const METADATA: &str = "@metadata";

/// Bytes by which a mapped event outgrows its record, roughly.
const GROWTH: usize = 2;

/// Bytes of a batch's window at most, its last event aside.
const WINDOW_BYTES_MAX: usize = 1 << 30;

/// Makes frames of events.
#[derive(Debug)]
pub(super) struct Encoder {
    pub metadata: Metadata,
    pub event_bytes_max: usize,
    pub component_id: ComponentId,
}

/// Events on their way, as frames. Those at the front that were delivered are gone from `acks`, not from `frames`.
#[derive(Debug)]
pub(super) struct Shipment {
    pub frames: Frames,
    /// Of the last events of `frames`, in order.
    pub acks: VecDeque<EventAck>,
    /// Events of the next window at most, after windows that failed: so one that no receiver takes is alone in the end,
    /// and holds up no other.
    window_max: usize,
}

impl Shipment {
    /// The first event that was not delivered.
    pub(super) fn first(&self) -> usize {
        self.frames.len() - self.acks.len()
    }

    /// How many events the next window has, if the receiver gets no more than `events_max`.
    pub(super) fn next_window(&self, events_max: usize) -> usize {
        let first = self.first();
        let mut events = self.acks.len().min(events_max).min(self.window_max);
        while events > 1 && self.frames.bytes_of(first..first + events) > WINDOW_BYTES_MAX {
            events /= 2;
        }
        events
    }

    /// Lets windows grow again.
    pub(super) fn grow(&mut self) {
        self.window_max = self.window_max.saturating_mul(2);
    }

    /// Makes the next window half of this one, which failed. An event that failed alone goes behind all others, which may
    /// be sound: it must not be in their way.
    pub(super) fn shrink(&mut self, events: usize) {
        self.window_max = (events / 2).max(1);
        if events == 1 && self.acks.len() > 1 {
            self.frames.move_to_end(self.first());
            self.acks.rotate_left(1);
        }
    }
}

impl Encoder {
    /// Makes one shipment of all events that can be sent. `now` is the time of what is rejected.
    pub(super) fn encode(&self, events: Vec<Event>, now: Timestamp) -> Encoded<Shipment> {
        let received: usize = events.iter().map(Event::byte_size).sum();
        let mut frames = Frames::with_capacity(events.len(), received.saturating_mul(GROWTH));
        let mut acks = VecDeque::with_capacity(events.len());
        let mut rejected = Vec::new();
        let defaults = json(&self.metadata);
        for event in events {
            match self.push(&event, &defaults, &mut frames) {
                Ok(()) => acks.push_back(event.into_ack()),
                Err(reason) => {
                    let id = Arc::clone(&self.component_id);
                    let letter = DeadLetter::of(&event, id, LetterKind::TooLarge, reason, now);
                    rejected.push(Rejected { letter, ack: event.into_ack() });
                }
            }
        }
        let requests = if acks.is_empty() {
            Vec::new()
        } else {
            vec![Shipment { frames, acks, window_max: usize::MAX }]
        };
        Encoded { requests, rejected }
    }

    /// Appends an event, or says why it can't be sent.
    fn push(&self, event: &Event, defaults: &str, frames: &mut Frames) -> Result<(), String> {
        let Value::Object(fields) = event.value() else {
            return Err("the event is no object".to_owned());
        };
        let metadata = match fields.get(METADATA) {
            None => Cow::Borrowed(defaults),
            Some(Value::Object(own)) => Cow::Owned(self.merged(own)),
            Some(_) => return Err(format!("`{METADATA}` of the event is no object")),
        };
        let pushed = frames.push(self.event_bytes_max, |out| {
            out.extend_from_slice(b"{\"@metadata\":");
            out.extend_from_slice(metadata.as_bytes());
            write_rest(event, fields, out);
        });
        pushed.map_err(|error| error.to_string())
    }

    /// What an event has in `@metadata` with what it lacks there.
    fn merged(&self, own: &ObjectMap) -> String {
        let mut all = match serde_json::to_value(&self.metadata) {
            Ok(Json::Object(all)) => all,
            Ok(_) | Err(_) => Map::new(),
        };
        let own = own
            .iter()
            .filter_map(|(key, value)| Some((key.to_string(), serde_json::to_value(value).ok()?)));
        all.extend(own);
        json(&all)
    }
}

/// Appends the fields of an event but `@metadata` to an object that has one already, and ends it.
fn write_rest(event: &Event, fields: &ObjectMap, out: &mut Vec<u8>) {
    if !fields.contains_key(METADATA) {
        let start = out.len();
        event.write_json(out);
        // The brace that opens the event takes the place of the comma, unless nothing follows.
        if fields.is_empty() {
            out.truncate(start);
            out.push(b'}');
        } else {
            out[start] = b',';
        }
        return;
    }
    for (key, value) in fields.iter().filter(|(key, _)| key.as_str() != METADATA) {
        out.push(b',');
        write_json_text(key, out);
        out.push(b':');
        write_json(value, out);
    }
    out.push(b'}');
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("strings are written to memory as JSON")
}
