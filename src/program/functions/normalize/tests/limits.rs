//! Names and values that no index could take.

use super::*;

const TEXT_BYTES_MAX: usize = 32_766;

#[test]
fn names_are_such_as_an_index_takes() {
    check(
        json!({ "": 1, "  ": 2, ".": 3, "..": 4, "a.b": 5, "c\u{0}d\n": 6, "Data State": "x" }),
        json!({ "_": [1, 2, 3], "__": 4, "a_b": 5, "c_d_": 6, "Data State": "x" }),
    );
    check(json!({ "a.b": 1, "a_b": 2 }), json!({ "a_b": [2, 1] }));
    check(json!({ "a.b": 1, "a": { "b": 2 } }), json!({ "a_b": 1, "a": { "b": 2 } }));
    check(json!({ ".more": "x" }), json!({ "__more": "x" }));
    check(json!({ "a": { "b.c": 1 } }), json!({ "a": { "b_c": 1 } }));
}

#[test]
fn long_names_are_cut_at_a_letter() {
    let name = "\u{e4}".repeat(300);
    let cut = "\u{e4}".repeat(256);
    check(json!({ &name: 1 }), json!({ &cut: 1 }));
    check(
        json!({ "Parameters": [{ "Name": name, "Value": "x" }] }),
        json!({ "Parameters": { &cut: "x" } }),
    );
}

#[test]
fn long_text_is_cut_at_a_letter_and_leaves_a_mark() {
    let long = format!("a{}", "\u{e4}".repeat(20_000));
    let cut = format!("a{}", "\u{e4}".repeat((TEXT_BYTES_MAX - 1) / 2));
    assert!(cut.len() <= TEXT_BYTES_MAX);
    check(
        json!({ "ModifiedProperties": [{ "Name": "X", "NewValue": &long, "OldValue": "" }], "Other": [&long] }),
        json!({
            "ModifiedProperties": { "X": { "NewValue": &cut, "OldValue": "" } },
            "Other": [&cut],
            "_truncated": ["ModifiedProperties.X.NewValue: 40001 bytes", "Other: 40001 bytes"],
        }),
    );
    let most = "a".repeat(TEXT_BYTES_MAX);
    check(json!({ "Operation": &most }), json!({ "Operation": &most }));
    check(json!({ "PromptText": &long }), json!({ "PromptText": &long }));
}

#[test]
fn names_beyond_the_limit_are_kept_as_text() {
    let record = |count: usize| -> serde_json::Map<String, serde_json::Value> {
        (0..count).map(|at| (format!("x{at:04}"), json!(at))).collect()
    };
    let made = normal(&json!(record(300)));
    let made = made.as_object().expect("an object");
    assert_eq!(made.len(), 257);
    let more: serde_json::Value =
        serde_json::from_str(made["_more"].as_str().expect("text")).expect("JSON");
    assert_eq!(more.as_object().map(serde_json::Map::len), Some(44));
    assert_eq!(more["x0299"], 299);

    let pairs: Vec<_> = record(300)
        .into_iter()
        .map(|(name, value)| json!({ "Name": name, "Value": value }))
        .collect();
    let made = normal(&json!({ "Parameters": pairs, "Operation": "x" }));
    assert_eq!(made["Parameters"].as_object().map(serde_json::Map::len), Some(257));
    let more = made["Parameters"]["_more"].as_str().expect("text");
    assert!(more.ends_with(r#"{"Name":"x0299","Value":299}]"#), "{more}");
}

#[test]
fn names_in_a_record_are_counted_together() {
    let object: serde_json::Map<_, _> =
        (0..200).map(|at| (format!("x{at:04}"), json!(at))).collect();
    let record: serde_json::Map<_, _> =
        (0..20).map(|at| (format!("y{at:02}"), json!(object.clone()))).collect();
    let made = normal(&json!(record));
    let fields: usize = made
        .as_object()
        .expect("an object")
        .values()
        .filter_map(|value| value.as_object())
        .map(serde_json::Map::len)
        .sum();
    assert!(fields <= 1024 + 20, "{fields}");
    // The same names in each element of an array are the same fields.
    let array: Vec<_> = (0..50).map(|_| json!({ "a": 1, "b": { "c": [{ "d": 2 }] } })).collect();
    check_field("Things", json!(array), json!(array));
}

#[test]
fn what_is_nested_deep_becomes_text() {
    let mut deep = json!("end");
    for _ in 0..100 {
        deep = json!({ "a": deep });
    }
    let made = normal(&json!({ "Deep": deep }));
    let mut at = &made["Deep"];
    let mut depth = 0;
    while at.is_object() {
        at = &at["a"];
        depth += 1;
    }
    assert_eq!(depth, 15);
    let rest: serde_json::Value = serde_json::from_str(at.as_str().expect("text")).expect("JSON");
    assert!(rest["a"].is_object());
}
