//! Gives back to an event that was kept as JSON what JSON has no form for: times.
//!
//! Only where the kinds that programs were checked against say that a field is a time and nothing else: such a program need
//! not expect text there. Wherever else a time could have been, the program has to do with text as well.

use chrono::{DateTime, Utc};
use vrl::value::{Kind, Value};

/// Makes times of the texts in `value` that are times by its `kind`.
pub(super) fn restore_times(value: &mut Value, kind: &Kind) {
    if kind.is_timestamp() {
        if let Some(time) = value.to_str_lossy().and_then(|text| text.parse::<DateTime<Utc>>().ok())
        {
            *value = Value::Timestamp(time);
        }
        return;
    }
    if let (Value::Object(fields), Some(known)) = (value, kind.as_object()) {
        for (name, kind) in known.known() {
            if let Some(value) = fields.get_mut(name.as_str()) {
                restore_times(value, kind);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_text_is_a_time_where_it_can_be_nothing_else() {
        let times = Kind::object(BTreeMap::from([
            ("only".into(), Kind::timestamp()),
            ("maybe".into(), Kind::timestamp().or_bytes()),
            ("inner".into(), Kind::object(BTreeMap::from([("at".into(), Kind::timestamp())]))),
        ]));
        let text = "2026-01-02T03:04:05.678Z";
        let json = serde_json::json!({
            "only": text, "maybe": text, "other": text, "inner": {"at": text, "x": 1}, "n": null
        });
        let mut value: Value = serde_json::from_value(json).expect("it is JSON");
        restore_times(&mut value, &times);
        let is_time = |path: &str| {
            let path = vrl::path::parse_value_path(path).expect("a path");
            matches!(value.get(&path), Some(Value::Timestamp(time)) if time.to_rfc3339().starts_with("2026-01-02T03:04:05.678"))
        };
        assert_eq!(["only", "maybe", "other", "inner.at"].map(is_time), [true, false, false, true]);
    }
}
