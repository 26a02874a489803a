//! The source `file` in the program as its users run it, killed at any instant.

use std::{
    collections::BTreeMap,
    fs,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::Value;

const RECORDS: usize = 60_000;

const KILLS: usize = 8;

/// `max_in_flight_bytes` of the configuration, and what one record takes of it.
const IN_FLIGHT_BYTES: usize = 200_000;
const RECORD_BYTES: usize = 200;

fn record(number: usize) -> String {
    let padding = "x".repeat(RECORD_BYTES - 60);
    format!(
        "{{\"Id\":\"{number:07}\",\"CreationTime\":\"2024-01-01T00:00:00\",\"Pad\":\"{padding}\"}}"
    )
}

#[tokio::test]
async fn sigkill_at_random_instants_loses_nothing_and_repeats_little() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().display();
    let records: Vec<String> = (0..RECORDS).map(record).collect();
    let third = RECORDS / 3;
    let rows =
        records[third..2 * third].iter().map(|it| format!("\"{}\"\r\n", it.replace('"', "\"\"")));
    for (name, content) in [
        ("a.ndjson", records[..third].join("\n")),
        ("b.csv", format!("AuditData\r\n{}", rows.collect::<String>())),
        ("c.json", format!("[{}]", records[2 * third..].join(","))),
    ] {
        fs::write(folder.path().join(name), content).expect("it is written");
    }
    let config = format!(
        r#"
data_dir = "{root}/state"
[sources.exports]
type = "file"
include = ["{root}/*.ndjson", "{root}/*.csv", "{root}/*.json"]
exclude = ["{root}/out*"]
max_in_flight_bytes = "{IN_FLIGHT_BYTES}B"
[transforms.all]
type = "filter"
inputs = ["exports"]
condition = "true"
[sinks.out]
type = "file"
inputs = ["all"]
path = "{root}/out"
"#
    );
    let path = folder.path().join("o365flow.toml");
    fs::write(&path, config).expect("it is written");
    let run = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_o365flow"));
        command.args(["run", "--no-strict-permissions", "--config"]).arg(&path);
        command.stderr(Stdio::piped());
        command
    };
    let mut random = fastrand::Rng::with_seed(20);
    for _ in 0..KILLS {
        let mut running = run().stderr(Stdio::null()).spawn().expect("the program starts");
        tokio::time::sleep(Duration::from_millis(random.u64(60..260))).await;
        running.kill().expect("it is our child");
        running.wait().expect("it is our child");
    }
    let before = fs::read_to_string(folder.path().join("out")).unwrap_or_default().lines().count();
    let output = run().arg("--once").output().expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for line in fs::read_to_string(folder.path().join("out")).expect("a file").lines() {
        let event: Value = serde_json::from_str(line).expect("a line is JSON");
        *found.entry(event["Id"].as_str().expect("an id").to_owned()).or_default() += 1;
    }
    assert_eq!(found.len(), RECORDS, "records are missing; {before} lines before the last run");
    let repeats = found.values().sum::<usize>() - RECORDS;
    assert!(before > 0, "the kills came before anything was delivered");
    // A chunk may begin when there is little room left.
    let bound = KILLS * (IN_FLIGHT_BYTES / RECORD_BYTES + 256);
    assert!(
        repeats <= bound,
        "{repeats} repeats, and {bound} could be on their way at {KILLS} kills"
    );
}

#[tokio::test]
async fn more_files_than_the_system_lets_be_open_are_followed() {
    const FILES: usize = 600;
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().display();
    for number in 0..FILES {
        let path = folder.path().join(format!("{number}.ndjson"));
        fs::write(path, record(number) + "\n").expect("it is written");
    }
    let path = folder.path().join("o365flow.toml");
    let config = format!(
        r#"
data_dir = "{root}/state"
[sources.exports]
type = "file"
include = ["{root}/*.ndjson"]
[sinks.out]
type = "file"
inputs = ["exports"]
path = "{root}/out"
"#
    );
    fs::write(&path, config).expect("it is written");
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 400; exec \"$0\" run --no-strict-permissions --config \"$1\""]);
    command.arg(env!("CARGO_BIN_EXE_o365flow")).arg(&path).stderr(Stdio::null());
    let mut running = command.spawn().expect("the program starts");
    let lines =
        || fs::read_to_string(folder.path().join("out")).unwrap_or_default().lines().count();
    for _ in 0..300 {
        if lines() >= FILES {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    running.kill().expect("it is our child");
    running.wait().expect("it is our child");
    assert_eq!(lines(), FILES);
}
