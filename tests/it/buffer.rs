//! Buffers on disk, with the program as its users run it and a real Elasticsearch that is away for a while.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader},
    process::{Child, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use crate::{
    rig::{Rig, ids_in, row},
    services::{self, Elasticsearch},
};

/// How often something that must happen is looked for, a tenth of a second apart.
const LOOKS_MAX: u32 = 600;

/// The sink with a buffer, and a file beside it.
fn sinks(rig: &Rig, server: &Elasticsearch, index: &str) -> String {
    format!(
        r#"
[sinks.elasticsearch]
type = "elasticsearch"
inputs = ["map"]
endpoints = ["{}"]
mode = "bulk"
bulk = {{ index = "{index}", action = "create" }}
id_field = "event.id"
batch.max_bytes = "900KB"
request.retry_max_backoff = "1s"
[sinks.elasticsearch.buffer]
type = "disk"
[sinks.live]
type = "file"
inputs = ["map"]
path = "{}"
"#,
        server.url,
        live(rig).display()
    )
}

/// The file that the live sink writes.
fn live(rig: &Rig) -> std::path::PathBuf {
    rig.folder.path().join("live.ndjson")
}

/// The ids in the live sink's file, repeats included.
fn live_ids(rig: &Rig) -> Vec<String> {
    let text = fs::read_to_string(live(rig)).unwrap_or_default();
    // The last line may be half written.
    let whole = text.rsplit_once('\n').map(|(whole, _)| whole).unwrap_or_default();
    let id = |line: &str| {
        let event: Value = serde_json::from_str(line).expect("a line is an event");
        event["event"]["id"].as_str().expect("an id").to_owned()
    };
    whole.lines().map(id).collect()
}

async fn until(mut is_so: impl FnMut() -> bool, what: &str) {
    for _ in 0..LOOKS_MAX {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{what}: that took too long");
}

/// Orders to drain, and gives what the program has written to its log.
fn terminate(mut running: Child) -> String {
    let id = i32::try_from(running.id()).expect("a process id");
    kill(Pid::from_raw(id), Signal::SIGTERM).expect("it is our child");
    let log = BufReader::new(running.stderr.take().expect("its log is piped"));
    let lines: Vec<String> = log.lines().map(|line| line.expect("the log can be read")).collect();
    assert!(running.wait().expect("it is our child").success(), "{}", lines.join("\n"));
    lines.join("\n")
}

async fn check_all_is_there_once(rig: &Rig, server: &Elasticsearch, index: &str) {
    let expected = rig.expected();
    let found = ids_in(server, index).await;
    let distinct: BTreeSet<String> = found.iter().cloned().collect();
    let missing = expected.difference(&distinct).count();
    assert_eq!(missing, 0, "{missing} of {} records are missing", expected.len());
    assert_eq!(found.len(), distinct.len(), "some records are there twice");
}

#[tokio::test]
async fn a_server_that_is_away_holds_no_other_sink_back_and_gets_all_after_a_restart() {
    let mut server = services::own().await;
    let index = "o365-buffer";
    server.create_index(index).await;
    let rig = Rig::new(&["--blobs-per-hour", "0.3", "--records-min", "50", "--records-max", "150"]);
    let sinks = sinks(&rig, &server, index);
    rig.configure(&sinks);
    // The drain must not wait for a server that is away.
    let config = rig.folder.path().join("o365flow.toml");
    let text = fs::read_to_string(&config).expect("the configuration");
    crate::rig::write_private(&config, &format!("shutdown_timeout = \"1s\"\n{text}"));
    server.stop();
    let expected = rig.expected();
    let running = rig.program(&[]).stderr(Stdio::piped()).spawn().expect("the program starts");
    let has_all = || live_ids(&rig).into_iter().collect::<BTreeSet<_>>().is_superset(&expected);
    until(has_all, "the live sink has everything while the other's server is away").await;
    let log = terminate(running);
    assert!(log.contains("events stay in the buffer for the next start"), "{log}");
    let live_before = live_ids(&rig).len();

    server.start_again();
    let summary = rig.run_once();
    check_all_is_there_once(&rig, &server, index).await;
    assert!(row(&summary, "records out") >= expected.len() as u64, "{summary}");
    let live_after = live_ids(&rig);
    let distinct: BTreeSet<&String> = live_after.iter().collect();
    assert_eq!(distinct.len(), live_after.len(), "the buffer made the source send some again");
    assert!(
        live_after.len() < live_before + expected.len() / 2,
        "{} {live_before}",
        live_after.len()
    );
}

#[tokio::test]
async fn a_buffer_that_no_sink_has_any_more_is_warned_of_and_kept() {
    let mut server = services::own().await;
    let index = "o365-buffer-orphan";
    server.create_index(index).await;
    let rig = Rig::new(&["--blobs-per-hour", "0.1"]);
    let both = sinks(&rig, &server, index);
    rig.configure(&both);
    server.stop();
    let mut running = rig.program(&[]).stderr(Stdio::null()).spawn().expect("the program starts");
    let expected = rig.expected();
    let has_all = || live_ids(&rig).into_iter().collect::<BTreeSet<_>>().is_superset(&expected);
    until(has_all, "the live sink has everything").await;
    running.kill().expect("it is our child");
    running.wait().expect("it is our child");
    // Without the sink.
    let (_, alone) = both.split_once("[sinks.live]").expect("there are two");
    rig.configure(&format!("[sinks.live]{alone}"));
    let output = rig.program(&["--once"]).output().expect("the program starts");
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    let warning = log.lines().find(|line| line.contains("a buffer on disk holds events"));
    let warning: Value = serde_json::from_str(warning.expect(&log)).expect("a line is JSON");
    assert_eq!(warning["sink"], "elasticsearch");
    assert!(warning["events"].as_u64().is_some_and(|events| events > 0), "{warning}");
    // With it again.
    server.start_again();
    rig.configure(&both);
    rig.run_once();
    check_all_is_there_once(&rig, &server, index).await;
}
