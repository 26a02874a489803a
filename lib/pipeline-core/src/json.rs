//! Values as JSON, byte for byte as `serde_json` writes them, for less: most texts need no escape, which is seen many
//! bytes at a time, and are then copied as they are.

use vrl::value::{ObjectMap, Value};

/// Appends `value` to `out` as JSON, in one line.
pub fn write_json(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Object(fields) => write_object(fields, out),
        Value::Array(values) => {
            out.push(b'[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_json(value, out);
            }
            out.push(b']');
        }
        Value::String(_) | Value::Bytes(_) => {
            write_json_text(&value.to_str_lossy().unwrap_or_default(), out);
        }
        Value::Boolean(true) => out.extend_from_slice(b"true"),
        Value::Boolean(false) => out.extend_from_slice(b"false"),
        Value::Null => out.extend_from_slice(b"null"),
        Value::Integer(_) | Value::Float(_) | Value::Timestamp(_) | Value::Regex(_) => {
            by_serde(value, out);
        }
    }
}

fn write_object(fields: &ObjectMap, out: &mut Vec<u8>) {
    out.push(b'{');
    for (index, (name, value)) in fields.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_json_text(name, out);
        out.push(b':');
        write_json(value, out);
    }
    out.push(b'}');
}

/// Appends `text` to `out` as a string of JSON.
pub fn write_json_text(text: &str, out: &mut Vec<u8>) {
    if text.bytes().fold(false, |found, byte| found | needs_escape(byte)) {
        return by_serde(text, out);
    }
    out.reserve(text.len() + 2);
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

fn needs_escape(byte: u8) -> bool {
    matches!(byte, 0..0x20 | b'"' | b'\\')
}

fn by_serde<T: serde::Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    // A value of VRL's always has a JSON form, and a Vec takes all that is written to it.
    serde_json::to_writer(out, value).expect("a VRL value is written to memory as JSON");
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<String>().prop_map(Value::from),
            prop::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| Value::Bytes(bytes.into())),
            "[ -~]{0,40}".prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from_f64_or_zero),
            any::<bool>().prop_map(Value::from),
            (0..i64::from(u32::MAX)).prop_map(|second| Value::from(
                DateTime::from_timestamp(second, 5_000_000).expect("a time")
            )),
            Just(Value::Null),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::Array),
                prop::collection::btree_map(any::<String>(), inner, 0..8).prop_map(|fields| {
                    Value::Object(
                        fields.into_iter().map(|(name, value)| (name.into(), value)).collect(),
                    )
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_is_what_serde_json_writes(value in value()) {
            let mut written = Vec::new();
            write_json(&value, &mut written);
            prop_assert_eq!(written, serde_json::to_vec(&value).expect("it has a JSON form"));
        }
    }
}
