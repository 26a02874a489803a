//! Whatever a record holds, its normal form is what the description says.

use std::collections::HashSet;

use proptest::{collection::vec, prelude::*, sample::select, test_runner::RngSeed};
use serde_json::{Map, Value as Json};

use super::*;
use crate::fields::{Field, Shape, Type, field, fields};

/// Any JSON, with texts that mean something to some type.
fn json() -> impl Strategy<Value = Json> {
    let text = prop_oneof![
        select(vec![
            "",
            " ",
            "null",
            "True",
            "0",
            "1e9",
            "-5",
            "1.5",
            "ExchangeAdmin",
            "Owner",
            "192.0.2.1",
            "2024-02-07T20:49:49",
            "2024-02-07 20:49:49",
            "2/7/2024 8:49:49 PM",
            "{\"a\":1,\"a\":2}",
            "[{\"Name\":\"A\",\"Value\":\"b\"}]",
            "[1,[2]]",
            "{\"a\":",
            "\u{e4}\u{0}\u{1f600}",
        ])
        .prop_map(str::to_owned),
        ".{0,12}",
        Just("\u{e4}x".repeat(15_000)),
    ];
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        text.prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let name = prop_oneof![
            select(vec![
                "Name",
                "Value",
                "Key",
                "NewValue",
                "OldValue",
                "ID",
                "Type",
                "_raw",
                "_more",
                "_unparsed",
                "_truncated",
                "a.b",
                "a_b",
                "",
                ".",
                "Rules",
                "SizeInBytes",
            ])
            .prop_map(str::to_owned),
            ".{0,6}",
        ];
        let object = vec((name, inner.clone()), 0..5)
            .prop_map(|fields| Json::Object(fields.into_iter().collect::<Map<_, _>>()));
        prop_oneof![vec(inner, 0..5).prop_map(Json::from), object]
    })
}

/// The names of fields that a record has, and others.
fn name() -> impl Strategy<Value = String> {
    let known: Vec<String> = fields()
        .iter()
        .filter_map(|field| field.name.strip_prefix("o365.audit."))
        .filter(|name| !name.contains('.'))
        .map(str::to_owned)
        .collect();
    prop_oneof![8 => select(known), 1 => ".{0,8}".prop_map(|name: String| name)]
}

/// Says what is wrong with a normal value by the description, if anything is.
fn mistake(value: &Json, described: Option<&Field>, path: &str) -> Option<String> {
    let wrong = || Some(format!("{path}: {value}"));
    let leaf = |value: &Json, field: &Field| match field.field_type {
        Type::Boolean => value.is_boolean(),
        Type::Code | Type::Long => value.is_i64(),
        Type::Float => value.is_f64(),
        _ => value.is_string(),
    };
    let Some(field) = described else { return anything(value, path) };
    match field.shape {
        Shape::Scalar if leaf(value, field) => text(value, field, path),
        Shape::Array => {
            let elements = value.as_array().filter(|elements| !elements.is_empty());
            let Some(elements) = elements else { return wrong() };
            if !elements.iter().all(|element| leaf(element, field)) {
                return wrong();
            }
            elements.iter().find_map(|element| text(element, field, path))
        }
        Shape::Object | Shape::Json => object(value, path),
        Shape::Objects => {
            let Some(elements) = value.as_array() else { return wrong() };
            elements.iter().find_map(|element| object(element, path))
        }
        Shape::Pairs | Shape::Changes if !value.is_object() => wrong(),
        Shape::Pairs => anything(value, path),
        Shape::Changes => {
            let fields = value.as_object()?;
            let plain = fields.iter().find(|(name, value)| {
                !["_raw", "_more"].contains(&name.as_str())
                    && (value.is_string() || value.is_number())
            });
            if plain.is_some() { wrong() } else { anything(value, path) }
        }
        Shape::Scalar | Shape::Any => wrong(),
    }
}

fn object(value: &Json, path: &str) -> Option<String> {
    let Some(fields) = value.as_object() else { return Some(format!("{path}: {value}")) };
    fields.iter().find_map(|(name, value)| {
        let path = format!("{path}.{name}");
        name_mistake(name).or_else(|| mistake(value, field(&path), &path))
    })
}

/// What holds of values that nobody described.
fn anything(value: &Json, path: &str) -> Option<String> {
    match value {
        Json::Null => Some(format!("{path} is null")),
        Json::String(text) if text.len() > 32_766 && !path.ends_with("_more") => {
            Some(format!("{path} is long"))
        }
        Json::Array(elements) => {
            if elements.is_empty() {
                return Some(format!("{path} is empty"));
            }
            elements.iter().find_map(|element| anything(element, path))
        }
        Json::Object(fields) => {
            if fields.is_empty() {
                return Some(format!("{path} is empty"));
            }
            fields.iter().find_map(|(name, value)| {
                name_mistake(name).or_else(|| anything(value, &format!("{path}.{name}")))
            })
        }
        Json::Bool(_) | Json::Number(_) | Json::String(_) => None,
    }
}

fn text(value: &Json, field: &Field, path: &str) -> Option<String> {
    let text = value.as_str()?;
    let fits = match field.field_type {
        Type::Date => text.as_bytes().get(10) == Some(&b'T') && text.len() >= 19,
        Type::MatchOnlyText => true,
        _ => text.len() <= 32_766,
    };
    (!fits).then(|| format!("{path}: {text}"))
}

fn name_mistake(name: &str) -> Option<String> {
    let fits = !name.trim().is_empty()
        && !name.contains(|letter: char| letter == '.' || letter.is_control())
        && name.len() <= 513;
    (!fits).then(|| format!("a field is called `{name}`"))
}

/// The words in the texts that a value holds, and in the names of its fields if those count.
fn words(value: &Json, names_count: bool, found: &mut HashSet<String>) {
    match value {
        Json::String(text) => split(text, found),
        Json::Array(elements) => {
            for element in elements {
                words(element, names_count, found);
            }
        }
        Json::Object(fields) => {
            for (name, value) in fields {
                if names_count {
                    split(name, found);
                }
                words(value, names_count, found);
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

fn split(text: &str, found: &mut HashSet<String>) {
    found.extend(text.split(|letter: char| !letter.is_alphanumeric()).map(str::to_owned));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, rng_seed: RngSeed::Fixed(365), ..ProptestConfig::default() })]

    #[test]
    fn any_json_in_any_field_gives_a_normal_record(
        record in vec((name(), json()), 0..6)
    ) {
        let record: Map<String, Json> = record.into_iter().collect();
        let record = Json::Object(record);
        let value: Value = serde_json::from_value(record.clone()).expect("JSON");
        let made = normalize_record(value);
        let program = record.to_string();
        let kinds = Kind::object(schema::kinds(&program));
        prop_assert!(fits(&kinds, &made), "{made}");
        let written = serde_json::to_value(&made).expect("JSON");
        prop_assert_eq!(object(&written, "o365.audit"), None);
        prop_assert_eq!(normalize_record(made.clone()), made, "it changes again");
    }

    #[test]
    fn no_word_is_lost(name in name(), value in json()) {
        let value: Value = serde_json::from_value(serde_json::json!({ &name: value })).expect("JSON");
        let (mut before, mut after) = (HashSet::new(), HashSet::new());
        words(&serde_json::json!(value), false, &mut before);
        words(&serde_json::json!(normalize_record(value)), true, &mut after);
        // Times are written in another form; what is cut is told by a mark.
        let is_time = |word: &str| word.bytes().any(|byte| byte.is_ascii_digit());
        let lost = before.into_iter().find(|word| word.len() < 20 && !is_time(word) && !after.contains(word));
        let converted = ["", "True", "Owner", "ExchangeAdmin", "PM", "a", "Name", "Value", "null"];
        prop_assert!(lost.as_deref().is_none_or(|word| converted.contains(&word)), "{lost:?}");
    }
}

#[test]
fn nothing_is_described_below_named_values() {
    for parent in
        fields().iter().filter(|field| matches!(field.shape, Shape::Pairs | Shape::Changes))
    {
        let below = format!("{}.", parent.name);
        assert_eq!(fields().iter().find(|field| field.name.starts_with(&below)), None);
    }
}
