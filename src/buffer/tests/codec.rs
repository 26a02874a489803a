//! What is stored comes back as it was.

use std::sync::Arc;

use bytes::Bytes;
use chrono::DateTime;
use pipeline_core::{Batch, Event, EventAck, Origin};
use proptest::prelude::*;
use vrl::{
    path::OwnedValuePath,
    value::{KeyString, ObjectMap, Value},
};

use crate::buffer::codec::{decode, encode};

/// Every value there is, down to its type, which equality of values does not tell.
fn shown(value: &Value) -> String {
    format!("{value:?}")
}

fn check_comes_back(events: Vec<Event>) {
    let batch = Batch::from(events);
    let contents = decode(&encode(batch.events())).expect("it was encoded");
    assert_eq!(contents.len(), batch.len());
    for (event, content) in batch.events().iter().zip(contents) {
        let again = content.into_event(EventAck::unattended());
        assert_eq!(shown(again.value()), shown(event.value()));
        assert_eq!(shown(again.metadata()), shown(event.metadata()));
        assert_eq!(again.origin().name(), event.origin().name());
        assert_eq!(shown(again.origin().metadata()), shown(event.origin().metadata()));
        assert_eq!(again.byte_size(), event.byte_size());
    }
}

fn values() -> impl Strategy<Value = Value> {
    let time = |(seconds, nanos)| DateTime::from_timestamp(seconds, nanos).expect("it is in range");
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Boolean),
        any::<i64>().prop_map(Value::Integer),
        any::<f64>()
            .prop_filter("a number", |number| !number.is_nan())
            .prop_map(Value::from_f64_or_zero),
        any::<String>().prop_map(Value::from),
        any::<Vec<u8>>().prop_map(|bytes| Value::Bytes(Bytes::from(bytes))),
        (-62_135_596_800_i64..253_402_300_799, 0..1_000_000_000_u32)
            .prop_map(time)
            .prop_map(Value::Timestamp),
    ];
    leaf.prop_recursive(5, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::Array),
            objects(inner).prop_map(Value::Object),
        ]
    })
}

fn objects(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = ObjectMap> {
    prop::collection::btree_map(any::<String>().prop_map(KeyString::from), inner, 0..8)
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let origin = (any::<String>(), objects(values()))
        .prop_map(|(name, metadata)| Origin::new(name, Value::Object(metadata)));
    let event = (values(), any::<u16>(), prop::option::of(values()));
    let batch = (origin, prop::collection::vec(event, 0..4));
    prop::collection::vec(batch, 0..4).prop_map(|batches| {
        let mut events = Vec::new();
        for (origin, contents) in batches {
            for (value, byte_size, metadata) in contents {
                let (origin, ack) = (Arc::clone(&origin), EventAck::unattended());
                let mut event = Event::new(value, byte_size.into(), origin, ack);
                if let Some(metadata) = metadata {
                    event.set_metadata(&OwnedValuePath::root(), metadata);
                }
                events.push(event);
            }
        }
        events
    })
}

proptest! {
    #[test]
    fn events_come_back_without_loss(events in events()) {
        check_comes_back(events);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in any::<Vec<u8>>(), events in events(), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        prop_assert!(decode(&bytes).is_err() || bytes.is_empty());
        let mut plain = zstd::stream::decode_all(encode(&events).as_slice()).expect("it was packed");
        let at = at.index(plain.len());
        plain[at] ^= 1_u8 << bit;
        // Whatever comes of it.
        let packed = zstd::bulk::compress(&plain, 1).expect("it is packed");
        decode(&packed).map(drop).unwrap_or_default();
    }
}
