//! Records from JSON, also where a text in it was cut inside a letter.
//!
//! The texts of a record share one allocation, a copy of its JSON: so they cost neither an allocation each nor a copy
//! when a program hands them on, and a record keeps no more memory than its own. As the JSON is there anyway, it also
//! says what an event was before a program changed it ([`Event::unread`](crate::Event::unread)).
//!
//! .NET counts letters beyond U+FFFF as two and cuts between them; what it then writes, `"\ud83d"`, is no text for any
//! strict reader. Invariant: what is valid JSON is read as `serde_json` reads it.

use std::fmt;

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, IntoDeserializer, MapAccess, SeqAccess, Visitor},
};
use vrl::{
    path::OwnedValuePath,
    value::{KeyString, ObjectMap, Value},
};

/// Why bytes are no record.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// They are no text.
    #[error("not valid UTF-8")]
    NotUtf8,
    /// They are no JSON.
    #[error("not valid JSON: {0}")]
    NotJson(serde_json::Error),
    /// They are an array or a single value in JSON.
    #[error("not an object")]
    NotAnObject,
}

/// A JSON object as received, as a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    value: Value,
    /// What `value` was read from, while it is at the root.
    json: Option<Bytes>,
    byte_size: usize,
}

impl Record {
    /// Reads a JSON object. Half a letter, written as an escape, becomes U+FFFD.
    ///
    /// # Errors
    /// It is none.
    pub fn read(bytes: &[u8]) -> Result<Record, RecordError> {
        let json = Bytes::copy_from_slice(bytes);
        let value = read_json(&json)?;
        if value.is_object() {
            Ok(Record { value, json: Some(json), byte_size: bytes.len() })
        } else {
            Err(RecordError::NotAnObject)
        }
    }

    /// What the record holds.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// What the record holds.
    pub fn into_value(self) -> Value {
        self.value
    }

    /// The record at `path` of an object that holds nothing else.
    #[must_use]
    pub fn mounted(self, path: &OwnedValuePath) -> Record {
        if path.is_root() {
            return self;
        }
        let mut value = Value::Object(ObjectMap::new());
        value.insert(path, self.value);
        Record { value, json: None, byte_size: self.byte_size }
    }

    /// Value, the JSON that it was read from, and size as received.
    pub(crate) fn into_parts(self) -> (Value, Option<Bytes>, usize) {
        (self.value, self.json, self.byte_size)
    }
}

/// Reads a value whose texts are parts of `json`.
pub(crate) fn read_json(json: &Bytes) -> Result<Value, RecordError> {
    let text = simdutf8::basic::from_utf8(json).map_err(|_| RecordError::NotUtf8)?;
    read_parts(text, json).or_else(|error| match whole_letters(text) {
        Some(text) => serde_json::from_str(&text).map_err(RecordError::NotJson),
        None => Err(RecordError::NotJson(error)),
    })
}

fn read_parts(text: &str, json: &Bytes) -> Result<Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = PartOf(json).deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Reads a value as `Value` reads itself, but for texts without escapes: they are parts of the text that is read.
#[derive(Clone, Copy)]
struct PartOf<'a>(&'a Bytes);

impl<'de> DeserializeSeed<'de> for PartOf<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for PartOf<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any valid JSON value")
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

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Value::deserialize(value.into_deserializer())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Value::deserialize(value.into_deserializer())
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value, E> {
        Ok(Value::Bytes(self.0.slice_ref(text.as_bytes())))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(element) = elements.next_element_seed(self)? {
            array.push(element);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = ObjectMap::new();
        while let Some(key) = entries.next_key::<KeyString>()? {
            object.insert(key, entries.next_value_seed(self)?);
        }
        Ok(Value::Object(object))
    }
}

/// The text with an escape of U+FFFD for each escape of half a letter; none where there is no such half.
fn whole_letters(text: &str) -> Option<String> {
    let unit = |at: usize| {
        let digits = text.get(at..)?.strip_prefix("\\u")?.get(..4)?;
        u16::from_str_radix(digits, 16).ok()
    };
    let mut whole = String::with_capacity(text.len());
    let (mut at, mut done) = (0, 0);
    while let Some(found) = text.get(at..)?.find('\\') {
        at += found;
        match (unit(at), unit(at + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => at += 12,
            (Some(0xd800..=0xdfff), _) => {
                whole.push_str(text.get(done..at)?);
                whole.push_str("\\ufffd");
                at += 6;
                done = at;
            }
            // The letter behind a backslash can be one itself.
            _ => at += 1 + text.get(at + 1..)?.chars().next()?.len_utf8(),
        }
    }
    whole.push_str(text.get(done..)?);
    (done > 0).then_some(whole)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Option<Value> {
        read_json(&Bytes::copy_from_slice(text.as_bytes())).ok()
    }

    #[test]
    fn half_a_letter_costs_no_more_than_itself() {
        for (written, value) in [
            (r#""a\ud83d""#, "a\u{fffd}"),
            (r#""\ude00\ud83d\ude00\ud83d b""#, "\u{fffd}\u{1f600}\u{fffd} b"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
            (r#""\\ud83d \" \ud83d\\""#, "\\ud83d \" \u{fffd}\\"),
        ] {
            assert_eq!(read(written), Some(Value::from(value)), "{written}");
        }
    }

    #[test]
    fn what_is_no_json_stays_none() {
        for text in ["", r#""\ud83"#, r#""\ud83d"#, r#"{"a":"\ud83d",}"#, "\\", "\"\\é\"", "1 2"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_and_keys_are_read_as_serde_json_reads_them() {
        for text in [
            "[0,-1,9223372036854775807,9223372036854775808,18446744073709551616,-0.0,1.5,1e300,1E2]",
            r#"{"a":1,"b":null,"a":[true,false,{}]}"#,
            r#" { "\u0061\n" : "\u0062" , "é" : "é\t" } "#,
            "1e400",
        ] {
            assert_eq!(read(text), serde_json::from_str(text).ok(), "{text}");
        }
    }

    #[test]
    fn texts_are_parts_of_the_records_own_copy() {
        let record = Record::read(br#"{"a":"0123456789abcdef"}"#).expect("a record");
        let json = record.json.as_ref().expect("the record is at the root").as_ptr_range();
        let text = record
            .value()
            .get(&OwnedValuePath::single_field("a"))
            .and_then(Value::as_bytes)
            .expect("a text");
        assert!(json.contains(&text.as_ptr()));
    }

    proptest! {
        #[test]
        fn any_json_is_read_as_serde_json_reads_it(
            texts in proptest::collection::vec(".{0,12}", 4),
            number in any::<f64>(),
            integer in any::<i64>(),
        ) {
            let number = if number.is_finite() { number } else { 0.0 };
            let json = serde_json::json!({ &texts[0]: [&texts[1], number, { &texts[2]: &texts[3] }], "n": integer });
            let text = json.to_string();
            prop_assert_eq!(read(&text), serde_json::from_str(&text).ok());
        }
    }
}
