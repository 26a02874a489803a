//! What could not be delivered is kept, told, and sent again once its cause is mended: each event once, whatever is killed.

use std::{
    collections::BTreeSet,
    fs,
    path::PathBuf,
    process::{Command, Output, Stdio},
    time::Duration,
};

use serde_json::Value;

use crate::{
    rig::{Rig, ids_in},
    services::{self, Elasticsearch},
};

const TENANT: [&str; 6] = ["--blobs-per-hour", "0.2", "--records-min", "20", "--records-max", "40"];

/// Ids that begin with one of these digits give `odd` a text where the index has a number.
const ODD: &str = r#"
[transforms.mark]
type = "remap"
inputs = ["map"]
source = '''.odd = if contains("01234567", slice!(.event.id, 0, 1)) { "seven" } else { 7 }'''
"#;

fn run(mut command: Command) -> Output {
    command.output().expect("the program starts")
}

fn said(output: &Output) -> String {
    format!(
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Runs a command of `dead-letter` that must end with `code`.
fn dead_letter(rig: &Rig, action: &str, arguments: &[&str], code: i32) -> Output {
    let output = run(rig.command(&format!("dead-letter {action}"), arguments));
    assert_eq!(output.status.code(), Some(code), "{}", said(&output));
    output
}

/// What `dead-letter list` tells as JSON.
fn listed(rig: &Rig) -> Vec<Value> {
    let output = dead_letter(rig, "list", &["--format", "json"], 0);
    serde_json::from_slice(&output.stdout).expect("it is JSON")
}

fn letters(rig: &Rig) -> u64 {
    listed(rig).iter().map(|row| row["letters"].as_u64().expect("a number")).sum()
}

fn letter_files(rig: &Rig) -> Vec<PathBuf> {
    let folder = rig.folder.path().join("state/dead-letters");
    let entries = fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.to_string_lossy().contains(".ndjson")).collect()
}

/// A sink that writes to an alias, so that what is behind it can be mended.
fn sink(server: &Elasticsearch, alias: &str, more: &str) -> String {
    format!(
        r#"{ODD}
[sinks.elastic]
type = "elasticsearch"
inputs = ["mark"]
endpoints = ["{}"]
mode = "bulk"
bulk = {{ index = "{alias}", action = "create" }}
id_field = "event.id"
{more}
"#,
        server.url
    )
}

/// An index, in which `odd` is of type `odd`, behind an alias.
async fn create(server: &Elasticsearch, index: &str, alias: &str, odd: &str) {
    let body = format!(
        r#"{{"settings":{{"number_of_replicas":0}},"aliases":{{"{alias}":{{"is_write_index":true}}}},
            "mappings":{{"dynamic":false,"properties":{{"odd":{{"type":"{odd}"}},"event":{{"properties":{{"id":{{"type":"keyword"}}}}}}}}}}}}"#
    );
    server.done("PUT", &format!("/{index}"), &body).await;
}

/// The index that comes next takes what is written to the alias.
async fn mend(server: &Elasticsearch, from: &str, to: &str, alias: &str) {
    server.done("DELETE", &format!("/{from}/_alias/{alias}"), "").await;
    create(server, to, alias, "keyword").await;
}

fn assert_each_once(rig: &Rig, found: &[String]) {
    let distinct: BTreeSet<String> = found.iter().cloned().collect();
    assert_eq!(found.len(), distinct.len(), "some are there twice");
    assert_eq!(distinct, rig.expected());
}

#[tokio::test]
async fn events_that_did_not_fit_a_mapping_arrive_once_it_is_mended() {
    let server = services::plain();
    let (before, after, alias) = ("letters-before", "letters-after", "letters");
    create(server, before, alias, "long").await;
    let rig = Rig::new(&TENANT);
    rig.configure(&sink(server, alias, ""));
    rig.run_once();
    let arrived = ids_in(server, before).await;
    let missing = rig.expected().len() - arrived.len();
    assert!(missing > 10 && arrived.len() > 10, "{missing} of {}", rig.expected().len());

    // One row: the reasons differ in what they quote alone.
    let rows = listed(&rig);
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0]["component_id"], "elastic");
    assert_eq!(rows[0]["kind"], "mapping_conflict");
    assert_eq!(rows[0]["letters"], missing);
    assert!(rows[0]["reason"].as_str().expect("text").contains("[odd]"), "{rows:?}");
    let events = dead_letter(&rig, "list", &["--events"], 0);
    assert_eq!(String::from_utf8_lossy(&events.stdout).lines().count(), missing);
    let unknown = dead_letter(&rig, "list", &["--component", "elastik"], 2);
    assert!(said(&unknown).contains("there are some of: elastic"), "{}", said(&unknown));

    // Nothing is mended: they are refused again, with as many new letters, and nothing arrives.
    let dry = dead_letter(&rig, "replay", &["--dry-run"], 0);
    assert!(said(&dry).contains("mapping_conflict"), "{}", said(&dry));
    let refused = dead_letter(&rig, "replay", &[], 1);
    assert!(said(&refused).contains(&format!("{missing} refused again")), "{}", said(&refused));
    assert_eq!(letters(&rig), missing as u64);

    mend(server, before, after, alias).await;
    assert_eq!(dead_letter(&rig, "replay", &["--kind", "too_large"], 0).status.code(), Some(0));
    assert_eq!(letters(&rig), missing as u64, "no letter is of that kind");
    let replayed = dead_letter(&rig, "replay", &[], 0);
    assert!(said(&replayed).contains(&format!("{missing} delivered")), "{}", said(&replayed));
    let found = [arrived, ids_in(server, after).await].concat();
    assert_each_once(&rig, &found);
    assert_eq!(letter_files(&rig), [] as [PathBuf; 0]);
    let none = dead_letter(&rig, "replay", &[], 0);
    assert!(said(&none).contains("there are no dead letters"), "{}", said(&none));
}

#[tokio::test]
async fn a_replay_that_is_killed_loses_and_repeats_nothing() {
    let server = services::plain();
    let (before, after, alias) = ("killed-before", "killed-after", "killed");
    create(server, before, alias, "long").await;
    let rig = Rig::new(&["--blobs-per-hour", "0.5", "--records-min", "20", "--records-max", "40"]);
    rig.configure(&sink(server, alias, ""));
    rig.run_once();
    let arrived = ids_in(server, before).await;
    let missing = (rig.expected().len() - arrived.len()) as u64;
    mend(server, before, after, alias).await;
    // Slow enough that every kill finds it at work.
    let slow = "batch = { max_events = 20, timeout = \"10ms\" }\nrequest = { concurrency = 1, rate_limit = \"20/s\" }";
    rig.configure(&sink(server, alias, slow));
    let (mut random, mut at_work) = (fastrand::Rng::with_seed(7), 0);
    for _ in 0..5 {
        let mut replay = rig.command("dead-letter replay", &[]);
        let mut replay = replay.stderr(Stdio::null()).spawn().expect("the program starts");
        tokio::time::sleep(Duration::from_millis(random.u64(100..900))).await;
        at_work += u32::from(replay.try_wait().expect("it is our child").is_none());
        replay.kill().expect("it is our child");
        replay.wait().expect("it is our child");
        let (left, there) = (letters(&rig), ids_in(server, after).await.len() as u64);
        assert!(left + there >= missing, "{left} letters and {there} events of {missing}");
    }
    assert_eq!(at_work, 5, "it ended before it was killed");
    let there = ids_in(server, after).await.len() as u64;
    assert!(there > 0 && there < missing, "the kills came too early or too late: {there}");
    dead_letter(&rig, "replay", &[], 0);
    let found = [arrived, ids_in(server, after).await].concat();
    assert_each_once(&rig, &found);
    assert_eq!(letter_files(&rig), [] as [PathBuf; 0]);
}

/// A transform that fails on some records, or, mended, reads of them what only their metadata has.
fn transform(rig: &Rig, program: &str) -> String {
    let folder = rig.folder.path().display();
    format!(
        r#"
[transforms.faulty]
type = "remap"
inputs = ["office365"]
source = '''{program}'''
[sinks.out]
type = "file"
inputs = ["faulty"]
path = "{folder}/out.ndjson"
[sinks.other]
type = "file"
inputs = ["map"]
path = "{folder}/other.ndjson"
"#
    )
}

fn lines(rig: &Rig, file: &str) -> Vec<Value> {
    let text = fs::read_to_string(rig.folder.path().join(file)).expect("a file");
    text.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect()
}

#[test]
fn what_a_transform_dropped_goes_through_it_and_what_follows_and_nowhere_else() {
    let rig = Rig::new(&TENANT);
    let faulty = r#"if %content_type == "Audit.General" { . = parse_json!("no JSON") }"#;
    rig.configure(&transform(&rig, faulty));
    rig.run_once();
    let (all, other) = (rig.expected().len(), lines(&rig, "other.ndjson").len());
    let missing = all - lines(&rig, "out.ndjson").len();
    assert!(missing > 0 && other == all, "{missing} of {all}, {other}");
    assert_eq!(letters(&rig), missing as u64);
    assert_eq!(listed(&rig)[0]["kind"], "program_failed");

    // What is a time and no text keeps its kind, or this program would fail.
    let mended = r#".year = format_timestamp!(%content_created, "%Y")
        if exists(%dropped) { . = parse_json!("no JSON") }"#;
    rig.configure(&transform(&rig, mended));
    dead_letter(&rig, "replay", &[], 0);
    let out = lines(&rig, "out.ndjson");
    assert_eq!((out.len(), lines(&rig, "other.ndjson").len()), (all, other));
    let ids: BTreeSet<&str> = out.iter().filter_map(|event| event["Id"].as_str()).collect();
    assert_eq!(ids.len(), all);
    let mended = out.iter().filter(|event| event["year"].is_string()).count();
    assert_eq!(mended, missing);
    assert_eq!(letters(&rig), 0);
}

#[test]
fn letters_of_what_is_gone_stay_and_can_be_discarded() {
    let rig = Rig::new(&TENANT);
    rig.configure(&transform(&rig, r#". = parse_json!("no JSON")"#));
    rig.run_once();
    let all = letters(&rig);
    assert_eq!(all, rig.expected().len() as u64);
    rig.configure("[sinks.none]\ntype = \"blackhole\"\ninputs = [\"map\"]\n");
    let output = dead_letter(&rig, "replay", &[], 2);
    assert!(said(&output).contains("no component `faulty` any more"), "{}", said(&output));
    dead_letter(&rig, "discard", &[], 2);
    dead_letter(&rig, "discard", &["--yes", "--until", "1h"], 0);
    assert_eq!(letters(&rig), all, "none is that old, and none was lost before");
    let output = dead_letter(&rig, "discard", &["--yes", "--since", "1h"], 0);
    assert!(
        said(&output).contains(&format!("faulty: {all} letters discarded")),
        "{}",
        said(&output)
    );
    assert_eq!(letters(&rig), 0);
}

#[test]
fn letters_that_leave_no_room_are_replayed_and_none_goes_for_another() {
    for when_full in ["block", "drop_oldest"] {
        let rig = Rig::new(&TENANT);
        let failing = transform(&rig, r#". = parse_json!("no JSON")"#);
        rig.configure(&failing);
        rig.run_once();
        let all = rig.expected().len() as u64;
        let bytes: u64 =
            letter_files(&rig).iter().map(|path| fs::metadata(path).expect("a file").len()).sum();
        let full =
            format!("[dead_letter]\nmax_total_bytes = \"{bytes}B\"\nwhen_full = \"{when_full}\"\n");
        rig.configure(&(full.clone() + &failing));
        let output = dead_letter(&rig, "replay", &[], 1);
        assert!(said(&output).contains(&format!("{all} refused again")), "{}", said(&output));
        assert_eq!(letters(&rig), all);
        rig.configure(&(full + &transform(&rig, ".mended = true")));
        dead_letter(&rig, "replay", &[], 0);
        assert_eq!(lines(&rig, "out.ndjson").len() as u64, all);
    }
}

#[test]
fn a_replay_runs_beside_the_main_process() {
    let rig = Rig::new(&TENANT);
    let configure = |program: &str| {
        rig.configure(&format!(
            "[transforms.faulty]\ntype = \"remap\"\ninputs = [\"office365\"]\nsource = '''{program}'''\n\
             [sinks.out]\ntype = \"console\"\ninputs = [\"faulty\"]\n\
             [sinks.none]\ntype = \"blackhole\"\ninputs = [\"map\"]\n"
        ));
    };
    configure(r#". = parse_json!("no JSON")"#);
    let mut main = rig.program(&[]);
    let main = main.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut main = main.expect("the program starts");
    let all = rig.expected();
    // It has read its configuration once it rejects.
    for _ in 0..300 {
        if letters(&rig) > 0 {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    configure("");
    let mut found = Vec::new();
    // While the main process still rejects, and after.
    for _ in 0..200 {
        let output = run(rig.command("dead-letter replay", &[]));
        assert!(output.status.success(), "{}", said(&output));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        found.extend(events.filter_map(|event| event["Id"].as_str().map(str::to_owned)));
        if found.len() >= all.len() {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    main.kill().expect("it is our child");
    main.wait().expect("it is our child");
    assert_each_once(&rig, &found);
    assert_eq!(letters(&rig), 0);
}
