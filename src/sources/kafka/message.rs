//! Messages as events: the payload as JSON, the rest as metadata.

use std::sync::Arc;

use chrono::DateTime;
use pipeline_core::Origin;
use rdkafka::{
    Message as _,
    message::{BorrowedMessage, Headers},
};
use vrl::{
    path::OwnedValuePath,
    value::{Kind, ObjectMap, Value, kind::Collection},
};

use super::{config::Schema, offsets::Place};
use crate::sources::record;

/// A message that was read.
#[derive(Debug)]
pub(super) struct Incoming {
    pub place: Place,
    pub bytes: usize,
    pub content: Content,
}

/// What a message holds.
#[derive(Debug)]
pub(super) enum Content {
    /// An event.
    Event(Value, Arc<Origin>),
    /// Nothing: it marks in its topic that a key is gone.
    Nothing,
    /// No event; why, from where, and the bytes.
    Bad(String, String, Vec<u8>),
}

impl Incoming {
    /// Reads a message at `place`.
    pub(super) fn new(place: Place, message: &BorrowedMessage<'_>, schema: Schema) -> Incoming {
        let bytes = message.payload_len() + message.key_len();
        let content = match message.payload() {
            None => Content::Nothing,
            Some(payload) => match parse(payload, schema) {
                Ok(event) => Content::Event(event, origin(message)),
                Err(reason) => Content::Bad(reason, name(message), payload.to_vec()),
            },
        };
        Incoming { place, bytes, content }
    }
}

/// Reads an event and checks what `schema` promises.
pub(super) fn parse(payload: &[u8], schema: Schema) -> Result<Value, String> {
    match schema {
        Schema::Any => record::parse_object(payload),
        Schema::Audit => record::parse(payload),
        Schema::Event => {
            let event = record::parse_object(payload)?;
            for path in mapped_fields() {
                if event.get(&path).and_then(Value::to_str_lossy).is_none_or(|it| it.is_empty()) {
                    return Err(format!("the event has no text in `{path}`"));
                }
            }
            Ok(event)
        }
    }
}

/// What every event has that a mapping has made.
fn mapped_fields() -> [OwnedValuePath; 2] {
    let id = OwnedValuePath::single_field("event").with_field_appended("id");
    [id, OwnedValuePath::single_field("@timestamp")]
}

/// What an event of `schema` is.
pub(super) fn kind(schema: Schema) -> Kind {
    match schema {
        Schema::Any => Kind::any_object(),
        Schema::Audit => record::kind(),
        Schema::Event => {
            let object = |known| Kind::object(Collection::from_parts(known, Kind::any()));
            let event = object([("id".into(), Kind::bytes())].into());
            object([("@timestamp".into(), Kind::bytes()), ("event".into(), event)].into())
        }
    }
}

/// What the metadata of an event is.
pub(super) fn metadata_kind() -> Kind {
    let headers = Kind::object(Collection::from_unknown(Kind::bytes()));
    let known = [
        ("topic".into(), Kind::bytes()),
        ("partition".into(), Kind::integer()),
        ("offset".into(), Kind::integer()),
        ("key".into(), Kind::bytes().or_null()),
        ("headers".into(), headers),
        ("timestamp".into(), Kind::timestamp().or_null()),
    ];
    Kind::object(Collection::from_parts(known.into(), Kind::undefined()))
}

/// Where a message lies, for people.
fn name(message: &BorrowedMessage<'_>) -> String {
    format!("{}/{}/{}", message.topic(), message.partition(), message.offset())
}

fn origin(message: &BorrowedMessage<'_>) -> Arc<Origin> {
    let bytes = |bytes: &[u8]| Value::Bytes(bytes.to_vec().into());
    let mut headers = ObjectMap::new();
    for header in message.headers().into_iter().flat_map(Headers::iter) {
        headers.insert(header.key.into(), bytes(header.value.unwrap_or_default()));
    }
    let timestamp = message.timestamp().to_millis().and_then(DateTime::from_timestamp_millis);
    let metadata = ObjectMap::from([
        ("topic".into(), message.topic().into()),
        ("partition".into(), i64::from(message.partition()).into()),
        ("offset".into(), message.offset().into()),
        ("key".into(), message.key().map_or(Value::Null, bytes)),
        ("headers".into(), headers.into()),
        ("timestamp".into(), timestamp.map_or(Value::Null, Value::Timestamp)),
    ]);
    Origin::new(name(message), Value::Object(metadata))
}
