//! JSON in text, and values as JSON text.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, SeqAccess, Visitor},
};
use vrl::prelude::*;

use super::{limits::JSON_BYTES_MAX, merge::merge};

/// What a text holds that is an object or an array in JSON.
///
/// Where an object has a key twice, both values are kept, as an array.
pub(super) fn parsed(text: &str) -> Option<Value> {
    let can_be = text.len() <= JSON_BYTES_MAX && text.trim_start().starts_with(['{', '[']);
    if !can_be {
        return None;
    }
    // The reader refuses what is nested more than 128 deep.
    serde_json::from_str::<Json>(text).ok().map(|json| json.0)
}

/// A value as JSON text.
pub(super) fn written(value: &impl Serialize) -> Value {
    // A value of VRL's always has a JSON form.
    serde_json::to_string(value).map_or(Value::Null, Value::from)
}

/// A value as `Value` reads it, but for keys that stand twice.
struct Json(Value);

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(JsonVisitor).map(Json)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        #[expect(clippy::cast_precision_loss, reason = "what no integer of VRL's holds is a float")]
        let float = || float(value as f64);
        Ok(i64::try_from(value).map_or_else(|_| float(), Value::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Json(element)) = elements.next_element()? {
            array.push(element);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = ObjectMap::new();
        while let Some((key, Json(value))) = entries.next_entry::<String, Json>()? {
            merge(&mut object, key.into(), value);
        }
        Ok(Value::Object(object))
    }
}

fn float(value: f64) -> Value {
    NotNan::new(value).map_or(Value::Null, Value::Float)
}
