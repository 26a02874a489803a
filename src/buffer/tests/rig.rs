//! Batches and files to try buffers with.

use std::sync::Arc;

use pipeline_core::{AckGroup, Batch, Event, Origin, Receipt};
use vrl::value::{ObjectMap, Value};

use crate::buffer::{codec, turn::Packed};

/// Events `first..first + count`, each of which says its number and fills some space.
pub(super) fn events(first: usize, count: usize, fill: usize) -> (Batch, Receipt) {
    let origin = Origin::new(format!("origin {first}"), Value::Object(ObjectMap::new()));
    let (group, receipt) = AckGroup::new(count);
    let event = |index: usize| {
        let number = first + index;
        // Not to be compressed to nothing.
        let mut random = fastrand::Rng::with_seed(number as u64);
        let filling: String = (0..fill).map(|_| random.alphanumeric()).collect();
        let fields: ObjectMap = [
            ("number".into(), Value::from(i64::try_from(number).expect("it is small"))),
            ("filling".into(), Value::from(filling)),
        ]
        .into();
        Event::new(Value::Object(fields), fill, Arc::clone(&origin), group.ack(index))
    };
    (Batch::from((0..count).map(event).collect::<Vec<_>>()), receipt)
}

/// The number of an event.
pub(super) fn number(event: &Event) -> usize {
    let number = event
        .value()
        .get(vrl::path!("number"))
        .and_then(Value::as_integer)
        .expect("it has a number");
    usize::try_from(number).expect("it is small")
}

/// A batch as it is stored.
pub(super) fn packed(first: usize, count: usize, fill: usize) -> Packed {
    let (batch, _receipt) = events(first, count, fill);
    let events = u32::try_from(count).expect("it is small");
    Packed { content: codec::encode(batch.events()), events }
}
