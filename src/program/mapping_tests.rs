//! What holds for every event that `vrl/ecs.vrl` makes, whatever the record was: it is described field by field in
//! `vrl/ecs/fields.csv`, its values are of the types given there, and those of `event.kind`, `event.category`,
//! `event.type` and `event.outcome` are ones that ECS allows together.

use std::{
    fs,
    net::IpAddr,
    path::Path,
    sync::{Arc, LazyLock},
    time::Duration,
};

use pipeline_core::{Event, EventAck, Fit, Need, Origin};
use proptest::{prelude::*, sample::Index};
use serde_json::Value as Json;
use vrl::{
    owned_value_path,
    value::{Kind, ObjectMap, Value},
};

use super::{
    Program, Runner, Surroundings,
    tables::Tables,
    tests::{compiled, compiled_in, json},
};
use crate::fields::{Shape, Type, field};

/// Compiled once: that takes seconds.
static ECS: LazyLock<Arc<Program>> = LazyLock::new(|| Arc::new(compiled("vrl/ecs.vrl")));

/// The categories of ECS and the types that it expects with each.
const TYPES_BY_CATEGORY: &[(&str, &[&str])] = &[
    (
        "api",
        &[
            "access", "admin", "allowed", "change", "creation", "deletion", "denied", "end",
            "info", "start", "user",
        ],
    ),
    ("authentication", &["start", "end", "info"]),
    ("configuration", &["access", "change", "creation", "deletion", "info"]),
    ("database", &["access", "change", "info", "error"]),
    ("email", &["info"]),
    ("file", &["access", "change", "creation", "deletion", "info"]),
    ("host", &["access", "change", "end", "info", "start"]),
    ("iam", &["admin", "change", "creation", "deletion", "group", "info", "user"]),
    ("intrusion_detection", &["allowed", "denied", "info"]),
    ("malware", &["info"]),
    ("network", &["access", "allowed", "connection", "denied", "end", "info", "protocol", "start"]),
    ("package", &["access", "change", "deletion", "info", "installation", "start"]),
    ("process", &["access", "change", "end", "info", "start"]),
    ("session", &["start", "end", "info"]),
    ("threat", &["indicator"]),
    ("vulnerability", &["info"]),
    ("web", &["access", "error", "info"]),
];

const KINDS: &[&str] = &["alert", "event", "signal", "state"];

const OUTCOMES: &[&str] = &["failure", "success", "unknown"];

/// The records that lie beside the parts.
fn records() -> Vec<Json> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vrl/ecs");
    let files = fs::read_dir(folder).expect("the folder of the parts").flatten();
    let mut paths = files.map(|file| file.path()).collect::<Vec<_>>();
    paths.retain(|path| path.to_string_lossy().ends_with(".input.ndjson"));
    paths.sort();
    let texts = paths.iter().map(|path| fs::read_to_string(path).expect("records"));
    let lines = texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
    lines
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_str(&line).expect("a record"))
        .collect()
}

fn mapped(record: &Json) -> Value {
    mapped_by(&ECS, record)
}

fn mapped_by(program: &Arc<Program>, record: &Json) -> Value {
    let value: Value = serde_json::from_value(record.clone()).expect("a record");
    let origin = Origin::new("test", Value::Object(ObjectMap::new()));
    let mut event = Event::new(value, 0, origin, EventAck::unattended());
    let ended = Runner::new(Arc::clone(program), Duration::from_mins(1)).run(&mut event);
    assert!(ended.is_ok(), "{ended:?}: {record}");
    event.value().clone()
}

/// Checks all fields of `event` but those of the record.
fn check(event: &Value, record: &Json) {
    let Value::Object(fields) = event else { panic!("{event}") };
    for (name, value) in fields {
        if name.as_str() != "o365" {
            check_field(name.as_str(), value, record);
        }
    }
    let texts = |path: &str| {
        let path = vrl::path::parse_value_path(path).expect("a path");
        match event.get(&path) {
            Some(Value::Array(values)) => {
                values.iter().filter_map(Value::to_str).map(str::to_owned).collect()
            }
            Some(value) => vec![value.to_str().expect("text").to_owned()],
            None => Vec::new(),
        }
    };
    for (path, allowed) in [("event.kind", KINDS), ("event.outcome", OUTCOMES)] {
        let found = texts(path);
        let [one] = &found[..] else { panic!("{path}: {found:?}: {record}") };
        assert!(allowed.contains(&one.as_str()), "{path}: {one}: {record}");
    }
    let categories = texts("event.category");
    let types = texts("event.type");
    assert!(!categories.is_empty() && !types.is_empty(), "{record}");
    let expected = |category: &String| {
        let found = TYPES_BY_CATEGORY.iter().find(|(name, _)| name == category);
        found.unwrap_or_else(|| panic!("category {category}: {record}")).1
    };
    let expected = categories.iter().flat_map(expected).collect::<Vec<_>>();
    for kind in &types {
        assert!(expected.contains(&&kind.as_str()), "{kind} with {categories:?}: {record}");
    }
}

fn check_field(name: &str, value: &Value, record: &Json) {
    let described = field(name);
    if let (None, Value::Object(fields)) = (described, value) {
        for (key, value) in fields {
            check_field(&format!("{name}.{key}"), value, record);
        }
        return;
    }
    let described = described.unwrap_or_else(|| panic!("{name} is not in fields.csv: {record}"));
    match (described.shape, value) {
        (Shape::Array, Value::Array(values)) => {
            assert!(!values.is_empty(), "{name} is empty: {record}");
            for value in values {
                check_value(name, described.field_type, value, record);
            }
        }
        (Shape::Scalar, Value::Array(_)) => panic!("{name} is an array: {record}"),
        (Shape::Scalar, value) => check_value(name, described.field_type, value, record),
        (Shape::Objects, Value::Array(values)) => {
            assert!(values.iter().all(Value::is_object), "{name}: {value}: {record}");
        }
        (Shape::Object, Value::Object(_)) => {}
        (shape, value) => panic!("{name} is no {shape}: {value}: {record}"),
    }
}

fn check_value(name: &str, expected: Type, value: &Value, record: &Json) {
    let is_right = match expected {
        Type::Keyword | Type::ConstantKeyword | Type::MatchOnlyText | Type::Wildcard => {
            value.to_str().is_some_and(|text| !text.is_empty())
        }
        Type::Ip => value.to_str().is_some_and(|text| text.parse::<IpAddr>().is_ok()),
        Type::Long | Type::Code => value.is_integer(),
        Type::Float => value.is_float() || value.is_integer(),
        Type::Boolean => value.is_boolean(),
        Type::Date => value.is_timestamp(),
        Type::GeoPoint | Type::Object | Type::Flattened => value.is_object(),
    };
    assert!(is_right, "{name} is no {expected}: {value}: {record}");
}

#[test]
fn the_mapping_promises_what_sinks_need() {
    let needs = [
        (owned_value_path!("event", "id"), Kind::bytes()),
        (owned_value_path!("@timestamp"), Kind::timestamp()),
    ];
    for (path, kind) in needs {
        let need = Need { path, kind, option: "test" };
        assert_eq!(need.fit(&ECS.output().event), Fit::Always, "{}", need.path);
    }
}

#[test]
fn every_field_of_an_event_is_as_described() {
    let records = records();
    assert!(records.len() > 100, "{} records", records.len());
    for record in &records {
        check(&mapped(record), record);
    }
}

#[test]
fn a_sign_in_that_failed_is_a_failure_whatever_the_status() {
    for status in ["Success", "Succeeded", "True", "Failed", "InProgress", "New", ""] {
        let record = serde_json::json!({
            "Id": "1",
            "CreationTime": "2024-05-06T07:08:09",
            "Operation": "UserLoginFailed",
            "RecordType": 15,
            "ResultStatus": status,
        });
        let event = mapped(&record);
        let outcome = event.get(&owned_value_path!("event", "outcome"));
        assert_eq!(outcome, Some(&Value::from("failure")), "{status}");
    }
}

/// What becomes of a record under these settings.
fn mapped_with(settings: &[(&str, Value)], record: &Json) -> Value {
    let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    let surroundings = Surroundings::new(settings.collect(), Tables::default());
    let program = compiled_in("vrl/ecs.vrl", &surroundings);
    assert!(!program.is_fallible() && program.warnings().is_none(), "{:?}", program.warnings());
    assert_eq!(surroundings.mistakes(), []);
    mapped_by(&Arc::new(program), record)
}

#[test]
fn settings_say_what_stays_of_the_record() {
    let record = serde_json::json!({
        "Id": "1",
        "CreationTime": "2024-05-06T07:08:09",
        "Operation": "Send",
        "Workload": "Exchange",
        "UserId": "alice@contoso.example",
        "ClientIP": "192.0.2.1",
        "UserAgent": "BAV2ROPC",
        "LogonError": "None",
        "Unheard": "of",
    });
    let rest = |event: &Value| {
        let audit = event.get(&owned_value_path!("o365", "audit")).and_then(Value::as_object);
        audit.map(|audit| audit.keys().map(ToString::to_string).collect::<Vec<_>>())
    };
    let renamed =
        mapped_with(&[("mode", "rename".into()), ("keep_original", true.into())], &record);
    assert_eq!(rest(&renamed), Some(vec!["LogonError".to_owned(), "Unheard".to_owned()]));
    let original = renamed.get(&owned_value_path!("event", "original")).and_then(Value::to_str);
    let original: Json = serde_json::from_str(original.expect("the original")).expect("JSON");
    assert_eq!(original, record);
    check(&renamed, &record);

    let bare =
        mapped_with(&[("mode", "ecs_only".into()), ("namespace", "contoso".into())], &record);
    assert_eq!(bare.get(&owned_value_path!("o365")), None);
    let namespace = bare.get(&owned_value_path!("data_stream", "namespace"));
    assert_eq!(namespace, Some(&Value::from("contoso")));
    check(&bare, &record);
}

#[test]
fn a_record_without_an_id_has_the_same_one_each_time() {
    let record = serde_json::json!({ "Operation": "Send", "Workload": "Exchange" });
    let id = || mapped(&record).get(&owned_value_path!("event", "id")).cloned();
    assert_eq!(id(), id());
    assert_eq!(id().and_then(|id| Some(id.to_str()?.len())), Some(64));
}

proptest! {
    #[test]
    fn any_json_in_the_place_of_any_field_leaves_an_event_that_is_as_described(
        which in any::<Index>(),
        changes in prop::collection::vec((any::<Index>(), json()), 1..4),
    ) {
            let mut record = which.get(&records()).clone();
        let fields = record.as_object_mut().expect("an object");
        let names = fields.keys().cloned().collect::<Vec<_>>();
        for (at, value) in changes {
            fields.insert(at.get(&names).clone(), value);
        }
        check(&mapped(&record), &record);
    }
}
