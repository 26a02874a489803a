//! The demo proves what it says.

use std::{collections::BTreeSet, fs, process::Command};

use serde_json::Value;

use crate::rig::{row, summary};

#[test]
fn the_demo_delivers_every_record_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = || {
        let output = Command::new(env!("CARGO_BIN_EXE_o365flow"))
            .args(["demo", "--blobs-per-hour", "0.1", "--output"])
            .arg(folder.path())
            .env_remove("ELASTICSEARCH_URL")
            .output()
            .expect("the program starts");
        summary(&output)
    };
    // A second demo replaces the first one's output.
    for _ in 0..2 {
        let shown = run();
        let text =
            fs::read_to_string(folder.path().join("o365.ndjson")).expect("the output is there");
        let events: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
        let ids: BTreeSet<&str> =
            events.iter().map(|event| event["event"]["id"].as_str().expect("an id")).collect();
        assert_eq!(ids.len(), events.len(), "some records are there twice");
        assert_eq!(row(&shown, "records out"), events.len() as u64);
        assert_eq!(
            row(&shown, "records in") - row(&shown, "duplicates removed"),
            events.len() as u64
        );
        assert!(
            row(&shown, "duplicates removed") > 0,
            "the demo's tenant has duplicates:\n{shown}"
        );
        assert_eq!(row(&shown, "blobs listed"), row(&shown, "blobs delivered"));
        assert_eq!(row(&shown, "blobs lost"), 0);
        assert!(shown.contains(&format!("Of {} distinct records", events.len())), "{shown}");
    }
}

#[test]
fn the_demo_delivers_every_record_once_whatever_goes_wrong() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new(env!("CARGO_BIN_EXE_o365flow"))
        .args(["demo", "--chaos", "--blobs-per-hour", "0.2", "--output"])
        .arg(folder.path())
        .env_remove("ELASTICSEARCH_URL")
        .output()
        .expect("the program starts");
    let shown = summary(&output);
    let text = fs::read_to_string(folder.path().join("o365.ndjson")).expect("the output is there");
    let ids: BTreeSet<String> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON"))
        .map(|event| event["event"]["id"].as_str().expect("an id").to_owned())
        .collect();
    assert_eq!(ids.len(), text.lines().count(), "some records are there twice");
    let verdict = format!(
        "Of {} distinct records that the tenant served, 0 are missing in the file and 0 are there twice.",
        ids.len()
    );
    assert!(shown.contains(&verdict), "{shown}");
    // The restart leaves everything at once: what the ledger had just taken may not be counted any more.
    let (listed, delivered) = (row(&shown, "blobs listed"), row(&shown, "blobs delivered"));
    assert!(listed.abs_diff(delivered) <= 20, "{shown}");
    assert_eq!(row(&shown, "blobs lost"), 0);
    for fault in ["server error", "reset", "truncate", "not json", "missing rows", "gone"] {
        assert!(row(&shown, fault) > 0, "{fault}: {shown}");
    }
    assert_eq!(row(&shown, "restarts"), 1);
}
