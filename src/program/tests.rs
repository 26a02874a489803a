//! What holds for every program in the binary, whatever the records are.

use std::{
    io,
    path::Path,
    sync::{Arc, LazyLock},
    time::Duration,
};

use pipeline_core::{Event, EventAck, Fit, Need, Origin, Record, Schema};
use proptest::{collection::vec, prelude::*};
use serde_json::{Map, Value as Json};
use vrl::{
    owned_value_path,
    value::{Kind, ObjectMap, Value, kind::Collection},
};

use super::functions::tests::fits;
use super::{Place, Program, Runner, Source, Surroundings, builtin, compile_source};

const PROGRAMS: [&str; 5] =
    ["vrl/ecs.vrl", "vrl/flatten.vrl", "vrl/o365beat.vrl", "vrl/ocsf.vrl", "vrl/redact.vrl"];

/// What the source promises of a record: an `Id` and a `CreationTime` that are strings, and nothing else.
pub(crate) fn record_schema() -> Schema {
    let record =
        Collection::any().with_known("Id", Kind::bytes()).with_known("CreationTime", Kind::bytes());
    Schema { event: Kind::object(record), metadata: Kind::any_object() }
}

pub(super) fn compiled(path: &str) -> Program {
    compiled_with(path, "", &record_schema())
}

/// Its path, a program, and the same with an `abort` at its end.
type Compiled = (&'static str, Arc<Program>, Arc<Program>);

/// Each program, and the same with an `abort` at its end, compiled once for all cases.
static COMPILED: LazyLock<Vec<Compiled>> = LazyLock::new(|| {
    let both = |path| (path, Arc::new(compiled(path)), Arc::new(aborting(path)));
    PROGRAMS.into_iter().map(both).collect()
});

/// The same program with an `abort` at its end.
fn aborting(path: &str) -> Program {
    compiled_with(path, "\nabort", &record_schema())
}

/// The built-in program `path` with `more` at its end, behind what leaves events of `input`.
fn compiled_with(path: &str, more: &str, input: &Schema) -> Program {
    compile_source(source(path, more), input, &Surroundings::default())
        .unwrap_or_else(|error| panic!("{}", error.diagnostic))
}

/// The built-in program `path` with these settings and tables.
pub(super) fn compiled_in(path: &str, surroundings: &Surroundings) -> Program {
    compile_source(source(path, ""), &record_schema(), surroundings)
        .unwrap_or_else(|error| panic!("{}", error.diagnostic))
}

fn source(path: &str, more: &str) -> Source {
    let text = builtin(path.as_ref()).expect("a built-in program");
    let nothing = |_: &Path| Err(io::ErrorKind::NotFound.into());
    Source::new(&format!("{text}{more}"), &Place::File(path.into()), &nothing)
        .unwrap_or_else(|error| panic!("{}", error.diagnostic))
}

pub(super) fn event(record: &Json) -> Event {
    let record = Record::read(record.to_string().as_bytes()).expect("a record");
    let origin = Origin::new("test", Value::Object(ObjectMap::new()));
    Event::of(record, origin, EventAck::unattended())
}

/// What is at the root after a run: an error where the run failed.
fn run(program: &Arc<Program>, record: &Json) -> Result<Value, Value> {
    let mut event = event(record);
    let ended = Runner::new(Arc::clone(program), Duration::from_mins(1)).run(&mut event);
    match ended {
        Ok(_) => Ok(event.value().clone()),
        Err(_) => Err(event.value().clone()),
    }
}

#[test]
fn the_programs_cannot_fail_and_compile_without_a_warning() {
    for path in PROGRAMS {
        let program = compiled(path);
        assert!(!program.is_fallible() && !program.is_abortable(), "{path}");
        assert_eq!(program.warnings(), None, "{path}");
    }
}

#[test]
fn o365beat_promises_what_sinks_need() {
    let program = compiled("vrl/o365beat.vrl");
    let needs = [
        (owned_value_path!("event", "id"), Kind::bytes()),
        (owned_value_path!("@timestamp"), Kind::timestamp()),
    ];
    for (path, kind) in needs {
        let need = Need { path, kind, option: "test" };
        assert_eq!(need.fit(&program.output().event), Fit::Always, "{}", need.path);
    }
}

#[test]
fn the_programs_can_follow_each_other() {
    for [first, second] in
        [["vrl/flatten.vrl", "vrl/o365beat.vrl"], ["vrl/o365beat.vrl", "vrl/flatten.vrl"]]
    {
        let after = compiled_with(second, "", compiled(first).output());
        assert!(!after.is_fallible(), "{second} after {first}");
    }
}

#[test]
fn a_time_that_cannot_be_read_is_tagged() {
    let record = serde_json::json!({ "Id": "1", "CreationTime": "yesterday" });
    let event =
        run(&Arc::new(compiled("vrl/o365beat.vrl")), &record).expect("the program cannot fail");
    assert_eq!(
        event.get(&owned_value_path!("tags")),
        Some(&Value::from(vec!["creation_time_invalid"]))
    );
    assert!(
        matches!(event.get(&owned_value_path!("@timestamp")), Some(Value::Timestamp(_))),
        "{event}"
    );
}

/// Every field that the programs read, and what they could collide with.
const FIELDS: [&str; 24] = [
    "Operation",
    "RecordType",
    "Workload",
    "ResultStatus",
    "Severity",
    "OrganizationId",
    "UserId",
    "ClientIP",
    "Parameters",
    "ExtendedProperties",
    "ModifiedProperties",
    "ExtraProperties",
    "AuthDetails",
    "DeviceProperties",
    "OperationProperties",
    "event",
    "cloud",
    "user",
    "client",
    "tags",
    "@timestamp",
    "time",
    "",
    "a.b",
];

/// Text as audit records have it, and text as nobody would expect it.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        ".*",
        "[\\[:\\]0-9a-f.%() ]{0,24}",
        "[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{0,12})?(Z|[+-][0-9]{2}:?[0-9]{2})?",
        "[a-z@]{0,8}",
        "\\[\\{\"Name\":\"[a-z. ]{0,3}\",\"Value\":[0-9]\\}\\]?",
    ]
}

pub(super) fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        text().prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        let key = prop_oneof![Just("Name"), Just("Key"), Just("Value"), Just("NewValue"), Just("")];
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Json::from),
            vec((key, inner), 0..4).prop_map(|fields| {
                let fields = fields.into_iter().map(|(key, value)| (key.to_owned(), value));
                Json::Object(fields.collect())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn no_record_makes_a_program_fail_or_an_undo_leave_traces(
        fields in vec((prop::sample::select(&FIELDS[..]), json()), 0..8),
        id in ".+",
        time in text(),
    ) {
        let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value));
        let mut record: Map<String, Json> = fields.collect();
        record.insert("Id".to_owned(), id.into());
        record.insert("CreationTime".to_owned(), time.into());
        let record = Json::Object(record);
        for (path, program, aborting) in COMPILED.iter() {
            let made = run(program, &record).expect("the program cannot fail");
            prop_assert!(fits(&program.output().event, &made), "{path}: {made}");
            prop_assert_eq!(run(aborting, &record), Err(event(&record).value().clone()));
        }
    }
}
