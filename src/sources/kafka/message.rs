//! Messages as events: the payload as JSON, the rest as metadata.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use chrono::DateTime;
use pipeline_core::{Origin, Record};
use rdkafka::{
    Message as _,
    message::{BorrowedMessage, Header, Headers},
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
    Event(Record, Arc<Origin>),
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
            Some(payload) => {
                let read = parse(payload, schema);
                match read.and_then(|event| Ok((event, origin(message)?))) {
                    Ok((event, origin)) => Content::Event(event, origin),
                    Err(reason) => Content::Bad(reason, name(message), payload.to_vec()),
                }
            }
        };
        Incoming { place, bytes, content }
    }
}

/// Reads an event and checks what `schema` promises.
pub(super) fn parse(payload: &[u8], schema: Schema) -> Result<Record, String> {
    match schema {
        Schema::Any => record::parse_object(payload),
        Schema::Audit => record::parse(payload),
        Schema::Event => {
            let event = record::parse_object(payload)?;
            for path in mapped_fields() {
                if event
                    .value()
                    .get(&path)
                    .and_then(Value::to_str_lossy)
                    .is_none_or(|it| it.is_empty())
                {
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

fn bytes(bytes: &[u8]) -> Value {
    Value::Bytes(bytes.to_vec().into())
}

/// The headers by their names; the error says that one has a name which is no text.
fn headers(headers: &impl Headers) -> Result<ObjectMap, String> {
    let read = || {
        let pair = |header: Header<'_, &[u8]>| {
            (header.key.into(), bytes(header.value.unwrap_or_default()))
        };
        headers.iter().map(pair).collect()
    };
    // Rdkafka panics at such a name, and a panic here would come again at each start.
    catch_unwind(AssertUnwindSafe(read))
        .map_err(|_| "a header of the message has a name that is not valid UTF-8".to_owned())
}

fn origin(message: &BorrowedMessage<'_>) -> Result<Arc<Origin>, String> {
    let headers = message.headers().map_or_else(|| Ok(ObjectMap::new()), headers)?;
    let timestamp = message.timestamp().to_millis().and_then(DateTime::from_timestamp_millis);
    let metadata = ObjectMap::from([
        ("topic".into(), message.topic().into()),
        ("partition".into(), i64::from(message.partition()).into()),
        ("offset".into(), message.offset().into()),
        ("key".into(), message.key().map_or(Value::Null, bytes)),
        ("headers".into(), headers.into()),
        ("timestamp".into(), timestamp.map_or(Value::Null, Value::Timestamp)),
    ]);
    Ok(Origin::new(name(message), Value::Object(metadata)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Headers of these names, read as rdkafka reads them.
    struct Named<'a>(&'a [&'a [u8]]);

    impl Headers for Named<'_> {
        fn count(&self) -> usize {
            self.0.len()
        }

        fn try_get(&self, index: usize) -> Option<Header<'_, &[u8]>> {
            let key = str::from_utf8(self.0.get(index)?).expect("a name is UTF-8");
            Some(Header { key, value: Some(b"x") })
        }
    }

    #[test]
    fn a_header_whose_name_is_no_text_is_no_end_of_the_consumer() {
        let read = headers(&Named(&[b"a", b"b"])).expect("they are read");
        assert_eq!(read, ObjectMap::from([("a".into(), bytes(b"x")), ("b".into(), bytes(b"x"))]));
        let fault = headers(&Named(&[b"a", b"\xff"])).expect_err("a name is no text");
        assert!(fault.contains("not valid UTF-8"), "{fault}");
    }
}
