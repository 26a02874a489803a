//! One record on its way, with its metadata and its acknowledgement.
//!
//! The representation is private: components go through the methods here, VRL through [`EventTarget`]. So a
//! lazier representation can take its place without a change elsewhere.

use std::{any::Any, fmt, sync::Arc};

use bytes::Bytes;
use vrl::{
    compiler::{SecretTarget, Target},
    path::{OwnedSegment, OwnedTargetPath, OwnedValuePath, PathPrefix},
    value::Value,
};

use crate::{EventAck, Outcome, Record, Withdrawal, record::read_json, write_json};

/// Where events came from. One is shared by events that were sent together.
pub struct Origin {
    name: String,
    metadata: Value,
    /// Dropped with the last event of this origin, see [`Origin::holding`].
    _hold: Option<Box<dyn Any + Send + Sync>>,
}

impl fmt::Debug for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Origin").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Origin {
    /// `name` identifies the origin in logs and dead letters (a content id, a file name). `metadata` is an object
    /// that programs read as `%name`: the same for all events of the origin.
    pub fn new(name: impl Into<String>, metadata: Value) -> Arc<Origin> {
        Arc::new(Origin { name: name.into(), metadata, _hold: None })
    }

    /// The same origin for some of its events, which hold `hold` until the content of the last of them is freed: when
    /// it is dropped, settled, or encoded ([`Event::into_ack`]). A source bounds by it the memory that contents take,
    /// which is several times that of the records as received or encoded.
    #[must_use]
    pub fn holding(&self, hold: impl Any + Send + Sync) -> Arc<Origin> {
        Arc::new(Origin {
            name: self.name.clone(),
            metadata: self.metadata.clone(),
            _hold: Some(Box::new(hold)),
        })
    }

    /// The origin's name, for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The metadata of all events of the origin, where a program has not changed it.
    pub fn metadata(&self) -> &Value {
        &self.metadata
    }
}

/// A record on its way, as a VRL value with metadata.
#[derive(Clone, Debug)]
pub struct Event {
    value: Value,
    /// What `value` was read from, as long as nothing changed it.
    json: Option<Bytes>,
    /// The metadata where a program has changed it; the origin's otherwise.
    own_metadata: Option<Box<Value>>,
    origin: Arc<Origin>,
    byte_size: usize,
    ack: EventAck,
}

impl Event {
    /// `byte_size` is the record's size as received, which counts in metrics and memory bounds.
    pub fn new(value: Value, byte_size: usize, origin: Arc<Origin>, ack: EventAck) -> Event {
        Event { value, json: None, own_metadata: None, origin, byte_size, ack }
    }

    /// The event of a record.
    pub fn of(record: Record, origin: Arc<Origin>, ack: EventAck) -> Event {
        let (value, json, byte_size) = record.into_parts();
        Event { value, json, own_metadata: None, origin, byte_size, ack }
    }

    /// The event's content.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The value at `path`, if it is there.
    pub fn at(&self, path: &OwnedValuePath) -> Option<&Value> {
        find(&self.value, path)
    }

    /// The value at `path`, if it is there, to be changed.
    pub fn at_mut(&mut self, path: &OwnedTargetPath) -> Option<&mut Value> {
        match path.prefix {
            PathPrefix::Event => self.content_mut().get_mut(&path.path),
            PathPrefix::Metadata => self.metadata_mut().get_mut(&path.path),
        }
    }

    /// The content, which from here on is not what was read.
    fn content_mut(&mut self) -> &mut Value {
        self.json = None;
        &mut self.value
    }

    /// The event's metadata, an object.
    pub fn metadata(&self) -> &Value {
        self.own_metadata.as_deref().unwrap_or(&self.origin.metadata)
    }

    /// Sets a metadata field for this event alone.
    pub fn set_metadata(&mut self, path: &OwnedValuePath, value: Value) {
        self.metadata_mut().insert(path, value);
    }

    fn metadata_mut(&mut self) -> &mut Value {
        self.own_metadata.get_or_insert_with(|| Box::new(self.origin.metadata.clone()))
    }

    /// Where the event came from.
    pub fn origin(&self) -> &Arc<Origin> {
        &self.origin
    }

    /// Size of the record as received, in bytes.
    pub fn byte_size(&self) -> usize {
        self.byte_size
    }

    /// Appends the event's content to `out` as one line of JSON, without a line feed.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        write_json(&self.value, out);
    }

    /// The event as a VRL program sees it.
    pub fn target(&mut self) -> EventTarget<'_> {
        EventTarget(self)
    }

    /// The event as a VRL program sees it that changes nothing.
    pub fn view(&self) -> EventView<'_> {
        EventView(self)
    }

    /// Puts `values` in the place of the event's content: one event each, all of them sharing its metadata and its
    /// acknowledgement. No value at all means that the event was filtered out.
    pub fn split(self, values: Vec<Value>) -> Vec<Event> {
        if values.is_empty() {
            self.settle(Outcome::Filtered);
            return Vec::new();
        }
        let byte_size = self.byte_size / values.len();
        let like = |value| Event {
            value,
            json: None,
            own_metadata: self.own_metadata.clone(),
            origin: Arc::clone(&self.origin),
            byte_size,
            ack: self.ack.clone(),
        };
        let events = values.into_iter().map(like).collect();
        // Its shares speak for the event from here on; a drop would say that it was not delivered.
        self.ack.leave();
        events
    }

    /// Takes the content out, leaving an empty object, for a caller that puts something back.
    pub fn take_value(&mut self) -> Value {
        self.json = None;
        std::mem::replace(&mut self.value, Value::Object(vrl::value::ObjectMap::new()))
    }

    /// Takes the content out like [`Event::take_value`], with the means to put it back as it is now, if it is still what
    /// was read from JSON: so nothing need be copied that is hardly ever put back.
    pub fn unread(&mut self) -> Option<(Value, Unread)> {
        let json = self.json.take()?;
        Some((self.take_value(), Unread(json)))
    }

    /// Puts back what [`Event::unread`] has taken out.
    pub fn read_again(&mut self, unread: Unread) {
        self.value = read_json(&unread.0).expect("what was read once can be read again");
        self.json = Some(unread.0);
    }

    /// Lets `observer` learn what became of the event, see [`EventAck::observed`].
    pub fn observe(&mut self, observer: impl FnOnce(Outcome) + Send + Sync + 'static) {
        let ack = std::mem::replace(&mut self.ack, EventAck::unattended());
        self.ack = ack.observed(observer);
    }

    /// A copy to be looked at. It speaks for nobody, so that it can simply be dropped, and holds nothing that the event's
    /// source waits for.
    #[must_use]
    pub fn detached(&self) -> Event {
        Event {
            value: self.value.clone(),
            json: self.json.clone(),
            own_metadata: self.own_metadata.clone(),
            origin: Origin::new(self.origin.name.clone(), self.origin.metadata.clone()),
            byte_size: self.byte_size,
            ack: EventAck::unattended(),
        }
    }

    /// See [`EventAck::bind`].
    pub(crate) fn bind(&mut self, withdrawal: &Withdrawal) {
        self.ack.bind(withdrawal);
    }

    /// Says what became of the event.
    pub fn settle(self, outcome: Outcome) {
        self.ack.settle(outcome);
    }

    /// Frees the content and keeps the acknowledgement, for a sink that has encoded the event.
    pub fn into_ack(self) -> EventAck {
        self.ack
    }
}

/// The value at `path`, if it is there. As `Value::get`, but quicker: programs do little else more often.
fn find<'v>(value: &'v Value, path: &OwnedValuePath) -> Option<&'v Value> {
    path.segments.iter().try_fold(value, |value, segment| match (segment, value) {
        (OwnedSegment::Field(name), Value::Object(fields)) => fields.get(name),
        (OwnedSegment::Index(index), Value::Array(values)) => {
            let from_end = || values.len().checked_sub(index.unsigned_abs());
            values.get(usize::try_from(*index).ok().or_else(from_end)?)
        }
        _ => None,
    })
}

/// The content of an event, as the JSON that it was read from.
#[derive(Debug)]
pub struct Unread(Bytes);

/// An event as the target of a VRL program: `.path` is its content, `%path` its metadata. It holds no secrets.
#[derive(Debug)]
pub struct EventTarget<'a>(&'a mut Event);

impl Target for EventTarget<'_> {
    fn target_insert(&mut self, path: &OwnedTargetPath, value: Value) -> Result<(), String> {
        match path.prefix {
            PathPrefix::Event => self.0.content_mut().insert(&path.path, value),
            PathPrefix::Metadata => self.0.metadata_mut().insert(&path.path, value),
        };
        Ok(())
    }

    fn target_get(&self, path: &OwnedTargetPath) -> Result<Option<&Value>, String> {
        Ok(match path.prefix {
            PathPrefix::Event => find(&self.0.value, &path.path),
            PathPrefix::Metadata => find(self.0.metadata(), &path.path),
        })
    }

    fn target_get_mut(&mut self, path: &OwnedTargetPath) -> Result<Option<&mut Value>, String> {
        Ok(self.0.at_mut(path))
    }

    fn target_remove(
        &mut self,
        path: &OwnedTargetPath,
        compact: bool,
    ) -> Result<Option<Value>, String> {
        Ok(match path.prefix {
            PathPrefix::Event => self.0.content_mut().remove(&path.path, compact),
            PathPrefix::Metadata => self.0.metadata_mut().remove(&path.path, compact),
        })
    }
}

/// An event as the target of a VRL program that may only look at it.
#[derive(Debug)]
pub struct EventView<'a>(&'a Event);

/// What a program is told that tries to change what it may only look at. The compiler finds that out before.
const ONLY_SHOWN: &str = "the event is only shown";

impl Target for EventView<'_> {
    fn target_insert(&mut self, _path: &OwnedTargetPath, _value: Value) -> Result<(), String> {
        Err(ONLY_SHOWN.to_owned())
    }

    fn target_get(&self, path: &OwnedTargetPath) -> Result<Option<&Value>, String> {
        Ok(match path.prefix {
            PathPrefix::Event => find(&self.0.value, &path.path),
            PathPrefix::Metadata => find(self.0.metadata(), &path.path),
        })
    }

    fn target_get_mut(&mut self, _path: &OwnedTargetPath) -> Result<Option<&mut Value>, String> {
        Err(ONLY_SHOWN.to_owned())
    }

    fn target_remove(
        &mut self,
        _path: &OwnedTargetPath,
        _compact: bool,
    ) -> Result<Option<Value>, String> {
        Err(ONLY_SHOWN.to_owned())
    }
}

impl SecretTarget for EventView<'_> {
    fn get_secret(&self, _key: &str) -> Option<&str> {
        None
    }

    fn insert_secret(&mut self, _key: &str, _value: &str) {}

    fn remove_secret(&mut self, _key: &str) {}
}

impl SecretTarget for EventTarget<'_> {
    fn get_secret(&self, _key: &str) -> Option<&str> {
        None
    }

    fn insert_secret(&mut self, _key: &str, _value: &str) {}

    fn remove_secret(&mut self, _key: &str) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn a_value_is_found_where_vrl_finds_it() {
        let text = r#"{"a":{"b":[1,[2,{"c":3}]],"d":"x"}}"#;
        let value: Value = serde_json::from_str(text).expect("JSON");
        for path in [
            ".",
            "a",
            "a.b",
            "a.b[0]",
            "a.b[-1]",
            "a.b[-2]",
            "a.b[-3]",
            "a.b[2]",
            "a.b[1][1].c",
            "a.b[1][-1].c",
            "a.b.c",
            "a[0]",
            "a.d.e",
            "a.d[0]",
            "e",
            "\"\"",
        ] {
            let path = vrl::path::parse_value_path(path).expect("a path");
            assert_eq!(find(&value, &path), value.get(&path), "{path}");
        }
    }

    #[test]
    fn what_an_origin_holds_is_freed_with_the_last_content() {
        let held = Arc::new(());
        let (batch, _receipt) = testing::batch(&["{}", "{}"]);
        let origin = batch.events()[0].origin().holding(Arc::clone(&held));
        let mut events: Vec<Event> = batch.into_events();
        for event in &mut events {
            event.origin = Arc::clone(&origin);
        }
        drop(origin);
        let copy = events[0].clone();
        let acks: Vec<EventAck> = events.into_iter().map(Event::into_ack).collect();
        assert_eq!(Arc::strong_count(&held), 2, "a copy has its content still");
        let detached = copy.detached();
        copy.settle(Outcome::Delivered);
        assert_eq!(Arc::strong_count(&held), 1, "acknowledgements hold nothing");
        drop((acks, detached));
    }
}
