//! Two values in one place.

use std::collections::btree_map::Entry;

use vrl::prelude::*;

/// Sets a field; where it is set, it becomes an array of both, unless they are the same.
pub(super) fn merge(object: &mut ObjectMap, name: KeyString, value: Value) {
    let mut before = match object.entry(name) {
        Entry::Vacant(place) => {
            place.insert(value);
            return;
        }
        Entry::Occupied(place) => place,
    };
    match before.get_mut() {
        same if *same == value => {}
        Value::Array(values) => values.push(value),
        once => {
            let first = std::mem::replace(once, Value::Null);
            *once = Value::Array(vec![first, value]);
        }
    }
}

/// Sets a field some way down, with the objects on the way.
pub(super) fn merge_at(object: &mut ObjectMap, names: &[&str], value: Value) {
    let Some((first, rest)) = names.split_first() else { return };
    if rest.is_empty() {
        merge(object, (*first).into(), value);
        return;
    }
    let below = object.entry((*first).into()).or_insert_with(|| Value::Object(ObjectMap::new()));
    match below {
        Value::Object(below) => merge_at(below, rest, value),
        _ => merge(object, names.join("_").into(), value),
    }
}
