//! Each rule of a normal record, and that no record breaks any.
#![expect(clippy::needless_pass_by_value, reason = "what is checked stands there as a literal")]

mod limits;
mod rules;
mod whatever;

use serde_json::json;
use vrl::value::Value;

use super::{super::tests::fits, *};

/// A record as it is made normal, and that making it normal once more changes nothing.
fn normal(record: &serde_json::Value) -> serde_json::Value {
    let value: Value = serde_json::from_value(record.clone()).expect("JSON");
    let once = normalize_record(value);
    assert_eq!(normalize_record(once.clone()), once, "{record}");
    json!(once)
}

#[track_caller]
fn check(record: serde_json::Value, expected: serde_json::Value) {
    assert_eq!(normal(&record), expected, "{record}");
}

/// Checks what becomes of a field with this value.
#[track_caller]
fn check_field(name: &str, value: serde_json::Value, expected: serde_json::Value) {
    check(json!({ name: value }), json!({ name: expected }));
}

/// Checks that a value is not taken for its field's, and where it is kept.
#[track_caller]
fn check_unparsed(name: &str, value: serde_json::Value, expected: serde_json::Value) {
    check(json!({ name: value }), json!({ "_unparsed": { name: expected } }));
}
