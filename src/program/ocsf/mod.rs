//! Whether what `vrl/ocsf.vrl` makes is OCSF: each attribute one that its class or object has, of its type and with one of its
//! values, and none missing that is required.
//!
//! The facts are in `schema.csv`: of version 1.8.0 of the schema the attributes that the program sets, and all that are
//! required of the classes and objects that it makes. A program that sets another one needs a row more.

mod schema;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
    time::Duration,
};

use proptest::{collection::vec, prelude::*, test_runner::RngSeed};
use serde_json::Value as Json;

use super::{Program, Root, Runner, tests};
use schema::Schema;

static SCHEMA: LazyLock<Schema> = LazyLock::new(Schema::new);

static PROGRAM: LazyLock<Arc<Program>> =
    LazyLock::new(|| Arc::new(tests::compiled("vrl/ocsf.vrl")));

static RECORDS: LazyLock<Vec<Json>> =
    LazyLock::new(|| lines("input.ndjson").into_iter().map(|(_, record)| record).collect());

/// The lines of the files of this ending beside the program and its parts, each with its place.
fn lines(ending: &str) -> Vec<(String, Json)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vrl");
    let mut paths = vec![folder.join(format!("ocsf.{ending}"))];
    for entry in fs::read_dir(folder.join("ocsf")).expect("a folder") {
        paths.push(entry.expect("an entry").path());
    }
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("it can be read");
        let parse = |(index, line)| {
            let place = format!("{}:{}", path.display(), index + 1);
            (place, serde_json::from_str(line).expect("JSON"))
        };
        text.lines().enumerate().map(parse).collect::<Vec<_>>()
    };
    paths.retain(|path| path.to_string_lossy().ends_with(ending));
    paths.into_iter().flat_map(read).collect()
}

#[test]
fn the_outputs_that_are_accepted_keep_to_the_schema() {
    let outputs = lines("output.ndjson");
    assert!(outputs.len() >= RECORDS.len(), "{} of {}", outputs.len(), RECORDS.len());
    let findings: Vec<String> = outputs
        .iter()
        .flat_map(|(place, output)| {
            SCHEMA.findings(output).into_iter().map(move |finding| format!("{place}: {finding}"))
        })
        .collect();
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn the_records_reach_every_class_and_nearly_every_activity() {
    let outputs = lines("output.ndjson");
    let mut reached: Vec<u64> =
        outputs.iter().filter_map(|(_, o)| o["type_uid"].as_u64()).collect();
    reached.sort_unstable();
    reached.dedup();
    let mut classes: Vec<u64> = reached.iter().map(|type_uid| type_uid / 100).collect();
    classes.dedup();
    assert_eq!(classes, [2004, 3001, 3002, 3005, 3006, 4009, 6002, 6003, 6006]);
    assert!(reached.len() >= 40, "{reached:?}");
}

#[test]
fn what_is_no_ocsf_is_found() {
    let (_, output) = lines("output.ndjson").swap_remove(0);
    assert_eq!(SCHEMA.findings(&output), [""; 0]);
    let finding = |change: fn(&mut Json)| {
        let mut output = output.clone();
        change(&mut output);
        SCHEMA.findings(&output).join("; ")
    };
    assert_eq!(
        finding(|o| drop(o["metadata"].as_object_mut().map(|m| m.remove("version")))),
        "metadata.version: is required"
    );
    assert_eq!(finding(|o| o["severity_id"] = 7.into()), "severity_id: 7 is none of its values");
    assert_eq!(finding(|o| o["time"] = "now".into()), "time: \"now\" is no timestamp_t");
    assert_eq!(finding(|o| o["nonsense"] = 1.into()), "nonsense: the schema has no such attribute");
    assert_eq!(
        finding(|o| o["type_uid"] = 300_299.into()),
        "type_uid: is not class_uid and activity_id"
    );
    assert_eq!(finding(|o| o["class_uid"] = 1.into()), "class_uid: 1 is no class");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: RngSeed::Fixed(365), ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_field_holds_an_event_comes_out_that_keeps_to_the_schema(
        index in any::<prop::sample::Index>(),
        changes in vec((any::<prop::sample::Index>(), tests::json()), 1..4),
    ) {
        let mut record = index.get(&RECORDS).clone();
        let fields = record.as_object_mut().expect("an object");
        let names: Vec<String> = fields.keys().filter(|name| *name != "Id" && *name != "CreationTime").cloned().collect();
        for (index, value) in changes {
            fields.insert(index.get(&names).clone(), value);
        }
        let mut event = tests::event(&record);
        let ended = Runner::new(Arc::clone(&PROGRAM), Duration::from_mins(1)).run(&mut event);
        prop_assert_eq!(ended, Ok(Root::Object));
        let output = serde_json::json!(event.value());
        prop_assert_eq!(SCHEMA.findings(&output), [""; 0], "{}", output);
    }
}
