//! `backfill` and `replay`, as processes beside a fake tenant.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use fake_tenant::{ContentType, Fault, FaultTarget, Filter, Operation};
use serde_json::Value;

use crate::{
    clinic::{CONTOSO, Clinic},
    rig::{Rig, row, write_private},
};

/// Beside the mapped records, which nobody looks at: where each record came from.
const SINKS: &str = r#"
[transforms.origin]
type = "remap"
inputs = ["office365"]
source = '''. = {"id": .Id, "created": to_string(%content_created), "blob": %content_id, "type": %content_type}'''
[sinks.unused]
type = "blackhole"
inputs = ["map"]
[sinks.again]
type = "console"
inputs = ["origin"]
"#;

/// A record as the console shows it.
#[derive(Clone, Debug, PartialEq)]
struct Shown {
    id: String,
    created: DateTime<Utc>,
    blob: String,
    content_type: String,
}

fn run(mut command: Command) -> Output {
    command.output().expect("the program starts")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The records on standard output.
fn shown(output: &Output) -> Vec<Shown> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let read = |line: &str| {
        let event: Value = serde_json::from_str(line).expect("a line is an event");
        Shown {
            id: text(&event["id"]),
            created: text(&event["created"]).parse().expect("a time"),
            blob: text(&event["blob"]),
            content_type: text(&event["type"]),
        }
    };
    String::from_utf8_lossy(&output.stdout).lines().map(read).collect()
}

fn sorted(mut records: Vec<Shown>) -> Vec<String> {
    records.sort_by(|a, b| (&a.id, &a.blob).cmp(&(&b.id, &b.blob)));
    records.into_iter().map(|record| format!("{} {}", record.id, record.blob)).collect()
}

/// Each file below a folder with what is in it.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).expect("a folder");
    let file = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.expect("an entry").path();
        (path.display().to_string(), fs::read(&path).expect("a file"))
    };
    entries.map(file).collect()
}

#[test]
fn a_span_is_shipped_again_and_the_ledger_stays_as_it_is() {
    let rig = Rig::new(&["--blobs-per-hour", "0.2", "--duplicates", "0.1"]);
    rig.configure(SINKS);
    let first = run(rig.program(&["--once"]));
    assert!(first.status.success(), "{}", stderr(&first));
    let all = shown(&first);
    let ledger = rig.folder.path().join("state/office365");
    let before = contents(&ledger);

    let now = all.iter().map(|record| record.created).max().expect("there are records");
    let (since, until) = (now - TimeDelta::hours(60), now - TimeDelta::hours(20));
    let span = [since, until].map(|time| time.to_rfc3339());
    let arguments = ["--since", &span[0], "--until", &span[1], "--sink", "again"];
    let output = run(rig.command("backfill", &arguments));
    assert!(output.status.success(), "{}", stderr(&output));
    let again = shown(&output);
    let is_inside = |record: &&Shown| (since..until).contains(&record.created);
    let expected: Vec<Shown> = all.iter().filter(is_inside).cloned().collect();
    assert!(
        expected.len() > 100 && expected.len() < all.len(),
        "{} of {}",
        expected.len(),
        all.len()
    );
    // The first run has left copies out, which are shipped here.
    let ids = |records: &[Shown]| {
        let mut ids: Vec<String> = records.iter().map(|record| record.id.clone()).collect();
        ids.sort();
        ids.dedup();
        ids
    };
    for id in ids(&expected) {
        assert!(again.iter().any(|record| record.id == id), "{id} is missing");
    }
    assert!(again.iter().all(|record| (since..until).contains(&record.created)));
    assert!(again.len() > expected.len(), "copies are shipped as well");
    assert_eq!(row(&stderr(&output), "duplicates removed"), 0);
    assert_eq!(row(&stderr(&output), "records in"), again.len() as u64);
    assert_eq!(row(&stderr(&output), "records out"), again.len() as u64, "one sink is left");

    assert_eq!(contents(&ledger), before, "the ledger was touched");
    let second = run(rig.program(&["--once"]));
    assert!(second.status.success(), "{}", stderr(&second));
    assert_eq!(shown(&second), [], "what was shipped again is not new");

    // The ledger of a replay does not tell the next one that all is done.
    let repeated = run(rig.command("backfill", &arguments));
    assert_eq!(sorted(shown(&repeated)), sorted(again));
}

#[test]
fn a_backfill_runs_beside_a_source_at_work() {
    let rig = Rig::new(&["--blobs-per-hour", "0.1"]);
    let listeners = "[metrics]\naddress = \"127.0.0.1:0\"\n";
    rig.configure(SINKS);
    let path = rig.folder.path().join("o365flow.toml");
    let text = fs::read_to_string(&path).expect("the configuration");
    write_private(&path, &format!("{text}{listeners}"));
    let mut main = rig
        .program(&[])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    // It holds the ledger before it says so.
    let said = std::io::BufReader::new(main.stderr.take().expect("it is piped"));
    let mut lines = std::io::BufRead::lines(said);
    assert!(lines.any(|line| line.expect("text").contains("running")));
    let output =
        run(rig.command("backfill", &["--since", "5d", "--content-type", "Audit.Exchange"]));
    assert!(output.status.success(), "{}", stderr(&output));
    let records = shown(&output);
    assert!(!records.is_empty());
    assert!(records.iter().all(|record| record.content_type == "Audit.Exchange"), "{records:?}");
    main.kill().expect("it still runs");
    main.wait().expect("it ends");
}

#[test]
fn what_cannot_be_had_any_more_is_said_and_is_an_error() {
    let rig = Rig::new(&["--blobs-per-hour", "0.05"]);
    rig.configure(SINKS);
    let output = run(rig.command("backfill", &["--since", "10d", "--sink", "again"]));
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("nothing can be shipped of"), "{said}");
    assert!(said.contains("the API lists it no more"), "{said}");
    let shipped: Vec<String> = shown(&output).into_iter().map(|record| record.id).collect();
    for id in rig.expected() {
        assert!(shipped.contains(&id), "{id} could be listed");
    }

    for (arguments, code, part) in [
        (&["--since", "20d", "--until", "9d"][..], 1, "lists nothing of the span"),
        (&["--since", "1d", "--until", "2d"], 2, "the span is empty"),
        (&["--since", "1d", "--until", "2999-01-01"], 2, "--until lies in the future"),
        (
            &["--since", "1d", "--sink", "none"],
            2,
            "there is no sink `none`; there are: unused, again",
        ),
    ] {
        let output = run(rig.command("backfill", arguments));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(part), "{arguments:?}: {}", stderr(&output));
        assert_eq!(shown(&output), []);
    }
    let output = run(rig.command("backfill", &["--since", "yesterday"]));
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}

#[test]
fn no_subscription_is_started_for_what_is_shipped_again() {
    let rig = Rig::new(&["--blobs-per-hour", "0.05", "--unsubscribed"]);
    rig.configure(SINKS);
    for _ in 0..2 {
        let output = run(rig.command("backfill", &["--since", "2d"]));
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("AF20022"), "{}", stderr(&output));
        assert_eq!(shown(&output), []);
    }
}

#[test]
fn events_that_are_refused_are_an_error_and_lie_with_those_of_the_source() {
    let rig = Rig::new(&["--blobs-per-hour", "0.05"]);
    rig.configure(
        r#"
[transforms.faulty]
type = "remap"
inputs = ["office365"]
source = '''if %content_type == "Audit.General" { . = parse_json!("no JSON") }'''
[sinks.unused]
type = "blackhole"
inputs = ["map"]
[sinks.out]
type = "blackhole"
inputs = ["faulty"]
[sinks.errors]
type = "console"
inputs = ["faulty.dropped"]
"#,
    );
    let output = run(rig.command("backfill", &["--since", "3d", "--sink", "out"]));
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let letters = rig.folder.path().join("state/dead-letters/faulty.ndjson");
    let refused = fs::read_to_string(&letters).expect("there are dead letters").lines().count();
    let said = stderr(&output);
    assert!(said.contains(&format!("{refused} events were refused")), "{said}");
    assert_eq!(row(&said, "dead letters"), refused as u64);

    // What leads elsewhere counts as filtered: nobody asked for it.
    let output = run(rig.command("backfill", &["--since", "3d", "--sink", "errors"]));
    assert!(output.status.success(), "{}", stderr(&output));
    let said = stderr(&output);
    assert_eq!(row(&said, "records out"), refused as u64);
    assert_eq!(row(&said, "events filtered") + refused as u64, row(&said, "records in"));
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), refused);
}

#[test]
fn single_blobs_are_shipped_again_by_their_ids() {
    let rig = Rig::new(&["--blobs-per-hour", "0.05"]);
    rig.configure(SINKS);
    let first = run(rig.program(&["--once"]));
    let all = shown(&first);
    let blobs = [&all[0].blob, &all.last().expect("records").blob];
    let arguments = ["--content-id", blobs[0], "--content-id", blobs[1], "--sink", "again"];
    let output = run(rig.command("replay", &arguments));
    assert!(output.status.success(), "{}", stderr(&output));
    let is_wanted = |record: &&Shown| blobs.contains(&&record.blob);
    assert_eq!(sorted(shown(&output)), sorted(all.iter().filter(is_wanted).cloned().collect()));

    let output = run(rig.command("replay", &["--content-id", blobs[0], "--content-id", "no such"]));
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("the blob `no such` was not found"), "{}", stderr(&output));
    assert!(shown(&output).iter().all(|record| record.blob == *blobs[0]));
    assert!(!shown(&output).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_the_ledger_knows_needs_no_listing() {
    let clinic = Clinic::new().await;
    let sink = "[transforms.origin]\ntype = \"remap\"\ninputs = [\"office365\"]\n\
                source = '''. = {\"blob\": %content_id}'''\n\
                [sinks.out]\ntype = \"console\"\ninputs = [\"origin\"]\n";
    clinic.configure("", sink);
    let first = clinic.run(&["run", "--once"]).await;
    assert!(first.status.success(), "{}", stderr(&first));
    let first = String::from_utf8_lossy(&first.stdout).into_owned();
    let line: Value = serde_json::from_str(first.lines().next().expect("records")).expect("JSON");
    let blob = line["blob"].as_str().expect("a blob");
    let of_blob = first.lines().filter(|line| line.contains(blob)).count();
    let listings = || clinic.tenants.stats().requests_of(Operation::ListContent);
    let before = listings();
    let again = clinic.run(&["replay", "--content-id", blob]).await;
    assert!(again.status.success(), "{}", stderr(&again));
    assert_eq!(String::from_utf8_lossy(&again.stdout).lines().count(), of_blob);
    assert_eq!(listings(), before);
    let unknown = clinic.run(&["replay", "--content-id", blob, "--content-id", "none"]).await;
    assert_eq!(unknown.status.code(), Some(1));
    assert!(listings() > before, "what the ledger does not know is looked for");

    let none = clinic.run(&["replay", "--lost"]).await;
    assert!(none.status.success(), "{}", stderr(&none));
    assert!(stderr(&none).contains("0 blobs are lost or not delivered yet"), "{}", stderr(&none));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_delivered_is_shipped_as_one() {
    let clinic = Clinic::new().await;
    let sink = "[sinks.out]\ntype = \"console\"\ninputs = [\"office365\"]\n";
    clinic.configure("", sink);
    // As many fetches as there are side by side never end, and the process is killed.
    let target = FaultTarget::operation(Operation::FetchBlob).of_tenant(CONTOSO);
    clinic.tenants.script(target, Fault::Hang(Duration::from_hours(1)), 10);
    let mut main = clinic.start(&["run"]);
    let listings = || clinic.tenants.stats().requests_of(Operation::ListContent);
    while clinic.tenants.scripted_faults_left() > 0 || listings() < 2 * 3 * 7 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    main.kill().expect("it still runs");
    main.wait().expect("it ends");
    let again = clinic.run(&["replay", "--lost", "--tenant", "contoso"]).await;
    assert!(again.status.success(), "{}", stderr(&again));
    let expected: u64 = {
        let of = |content_type| Filter {
            tenant_id: Some(CONTOSO.to_owned()),
            content_type: Some(content_type),
            ..Filter::default()
        };
        let collected = [ContentType::Exchange, ContentType::General, ContentType::Dlp];
        collected.map(|of_type| clinic.tenants.records_with_repeats(&of(of_type))).iter().sum()
    };
    assert_eq!(row(&stderr(&again), "records out"), expected);
}

#[test]
fn a_file_that_another_process_writes_to_is_not_shared() {
    let rig = Rig::new(&["--blobs-per-hour", "0.05"]);
    let path = rig.folder.path().join("out.ndjson");
    let sink = format!("[sinks.out]\ntype = \"file\"\ninputs = [\"map\"]\npath = {path:?}\n");
    rig.configure(&sink);
    let file = fs::File::create(&path).expect("the file is made");
    file.lock().expect("it is locked");
    let output = run(rig.command("backfill", &["--since", "1d"]));
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("another process"), "{}", stderr(&output));
    drop(file);
    let output = run(rig.command("backfill", &["--since", "1d"]));
    assert!(output.status.success(), "{}", stderr(&output));
}
