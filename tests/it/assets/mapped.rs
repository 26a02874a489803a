//! What the programs make, held against the description of the fields: the golden pairs beside them, and on the server.

use std::{collections::BTreeSet, fs, path::Path};

use o365flow::fields::{self, Field, Shape, Type};
use serde_json::Value;

use super::{panels::events, refusals, templates};
use crate::{elasticsearch::each, reference::ROOT};

/// What every golden pair of `vrl/ecs` expects.
fn golden() -> Vec<Value> {
    let folder = Path::new(ROOT).join("vrl/ecs");
    let files = fs::read_dir(folder).expect("the folder is there");
    let paths = files.map(|file| file.expect("it can be read").path());
    let outputs = paths.filter(|path| path.to_string_lossy().ends_with(".output.ndjson"));
    let outputs: Vec<Value> = outputs.flat_map(|path| events(&path)).collect();
    assert!(outputs.len() > 50, "only {} golden events", outputs.len());
    outputs
}

/// Tells of each field of an event that is not as it is described.
fn strangers(name: &str, value: &Value, found: &mut BTreeSet<String>) {
    let is_record = name.starts_with("o365");
    match fields::field(name) {
        // Microsoft's fields need no description, nor does what lies in an object by name.
        None if is_record => {}
        Some(field) if field.shape.is_container() || field.field_type == Type::GeoPoint => {
            let fits = match field.shape {
                Shape::Objects => value.is_array(),
                _ => value.is_object(),
            };
            if !fits {
                found.insert(format!("{name} is no {}: {value}", field.shape));
            }
            if !is_record && field.shape == Shape::Objects {
                for inner in value.as_array().into_iter().flatten() {
                    children(name, inner, found);
                }
            }
        }
        Some(field) if is_leaf_of(field, value) => {}
        Some(field) => {
            found.insert(format!("{name} is no {} {}: {value}", field.shape, field.field_type));
        }
        None if value.is_object() => children(name, value, found),
        None => {
            found.insert(format!("{name} is not described: {value}"));
        }
    }
}

fn children(name: &str, object: &Value, found: &mut BTreeSet<String>) {
    for (key, value) in object.as_object().into_iter().flatten() {
        let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
        strangers(&name, value, found);
    }
}

fn is_leaf_of(field: &Field, value: &Value) -> bool {
    let is_one = |value: &Value| match field.field_type {
        Type::Boolean => value.is_boolean(),
        Type::Code | Type::Long => value.is_i64() || value.is_u64(),
        Type::Float => value.is_number(),
        Type::Date => {
            value.as_str().is_some_and(|text| chrono::DateTime::parse_from_rfc3339(text).is_ok())
        }
        Type::Ip => value.as_str().is_some_and(|text| text.parse::<std::net::IpAddr>().is_ok()),
        Type::ConstantKeyword | Type::Keyword | Type::MatchOnlyText | Type::Wildcard => {
            value.is_string()
        }
        Type::Flattened | Type::GeoPoint | Type::Object => value.is_object(),
    };
    match (field.shape, value) {
        (Shape::Scalar, value) => is_one(value),
        (_, Value::Array(values)) => values.iter().all(is_one),
        (Shape::Any, value) => is_one(value),
        _ => false,
    }
}

#[test]
fn golden_events_have_the_described_fields_in_their_types() {
    let mut found = BTreeSet::new();
    for event in golden() {
        children("", &event, &mut found);
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// Each field of ECS is indexed under its own name, as what it is described as.
#[tokio::test(flavor = "multi_thread")]
async fn golden_events_are_stored_under_the_described_types() {
    let golden = golden();
    for server in each() {
        let stream = refusals::stream(server, "golden").await;
        assert_eq!(
            refusals::store(server, &stream, &golden).await,
            [""; 0],
            "{:?}",
            server.product
        );
        let answer = server.done("GET", &format!("/{stream}/_field_caps?fields=*"), "").await;
        for field in fields::fields() {
            if templates::is_of_record(field) || !templates::is_leaf(field) {
                continue;
            }
            let types = answer["fields"][&field.name].as_object().expect(&field.name);
            let expected = templates::indexed_type(field);
            assert_eq!(types.keys().collect::<Vec<_>>(), [&expected], "{}", field.name);
        }
    }
}
