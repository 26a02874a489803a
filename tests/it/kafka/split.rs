//! The program itself: a topology that is split over two processes, and one that is killed.

use std::{collections::BTreeSet, fs, process::Stdio, time::Duration};

use super::rig::unique;
use crate::{
    rig::{Rig, write_private},
    services::kafka::{Listener, broker},
};

/// The ids in a topic, repeats included.
fn ids(topic: &str) -> Vec<String> {
    let id = |message: crate::services::kafka::Message| {
        let value: serde_json::Value = serde_json::from_slice(&message.value).expect("an event");
        let id = value["event"]["id"].as_str().or(value["Id"].as_str()).expect("an id").to_owned();
        assert_eq!(message.key.as_deref(), Some(id.as_bytes()));
        id
    };
    broker().messages(topic).into_iter().map(id).collect()
}

#[tokio::test]
async fn a_topology_split_over_two_processes_delivers_each_record_once() {
    let topic = unique("split");
    broker().create_topic(&topic, 3, &[]).await;
    let servers = broker().bootstrap(Listener::Plaintext);
    let rig = Rig::new(&["--blobs-per-hour", "0.3", "--duplicates", "0.02"]);
    rig.configure(&format!(
        "[sinks.none]\ntype = \"blackhole\"\ninputs = [\"map\"]\n\
         [sinks.kafka]\ntype = \"kafka\"\ninputs = [\"office365\"]\nkey_field = \"Id\"\n\
         bootstrap_servers = {servers:?}\ntopic = {topic:?}\n"
    ));
    rig.run_once();
    let expected = rig.expected();
    let stored = ids(&topic);
    assert_eq!(stored.len(), expected.len());
    assert_eq!(stored.into_iter().collect::<BTreeSet<_>>(), expected);

    let folder = rig.folder.path();
    let deliver = folder.join("deliver.toml");
    let text = format!(
        "data_dir = \"{folder}/deliver\"\n[sources.kafka]\ntype = \"kafka\"\n\
         bootstrap_servers = {servers:?}\ntopics = [{topic:?}]\ngroup_id = {topic:?}\n\
         [transforms.map]\ntype = \"remap\"\ninputs = [\"kafka\"]\nfile = \"vrl/o365beat.vrl\"\n\
         [sinks.file]\ntype = \"file\"\ninputs = [\"map\"]\npath = \"{folder}/out.ndjson\"\n",
        folder = folder.display()
    );
    write_private(&deliver, &text);
    let program = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_o365flow"));
        command.args(["run", "--once", "--config"]).arg(&deliver);
        command.current_dir(env!("CARGO_MANIFEST_DIR"));
        let output = command.output().expect("the program starts");
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(!log.contains("end of partition"), "that all is read is no failure: {log}");
        crate::rig::summary(&output)
    };
    program();
    let delivered = || -> Vec<String> {
        let text = fs::read_to_string(folder.join("out.ndjson")).expect("a file");
        let id = |line: &str| {
            let value: serde_json::Value = serde_json::from_str(line).expect("an event");
            value["event"]["id"].as_str().expect("an id").to_owned()
        };
        text.lines().map(id).collect()
    };
    assert_eq!(delivered().len(), expected.len());
    assert_eq!(delivered().into_iter().collect::<BTreeSet<_>>(), expected);
    program();
    assert_eq!(delivered().len(), expected.len(), "a second run delivers nothing again");
}

#[tokio::test]
async fn sigkill_loses_nothing_and_repeats_what_was_under_way_at_most() {
    const KILLS: usize = 8;
    const BATCH: usize = 100;
    const CONCURRENCY: usize = 2;
    let topic = unique("kill");
    broker().create_topic(&topic, 3, &[]).await;
    let rig = Rig::new(&[
        "--blobs-per-hour",
        "0.6",
        "--records-min",
        "60",
        "--records-max",
        "140",
        "--latency-ms",
        "60",
        "--page-size",
        "20",
    ]);
    rig.configure(&format!(
        "[sinks.kafka]\ntype = \"kafka\"\ninputs = [\"map\"]\nbootstrap_servers = {:?}\n\
         topic = {topic:?}\nbatch.max_events = {BATCH}\nbatch.timeout = \"20ms\"\n\
         request.concurrency = {CONCURRENCY}\n",
        broker().bootstrap(Listener::Plaintext)
    ));
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..KILLS {
        let mut running =
            rig.program(&[]).stderr(Stdio::null()).spawn().expect("the program starts");
        tokio::time::sleep(Duration::from_millis(random.u64(400..1500))).await;
        assert!(running.try_wait().expect("it is our child").is_none(), "it ended by itself");
        running.kill().expect("it is our child");
        running.wait().expect("it is our child");
    }
    let before = ids(&topic).len();
    rig.run_once();
    let stored = ids(&topic);
    let expected = rig.expected();
    let distinct: BTreeSet<String> = stored.iter().cloned().collect();
    let repeats = stored.len() - distinct.len();
    println!(
        "{repeats} repeats of {} records after {KILLS} kills; {before} were stored before the last run",
        expected.len()
    );
    assert_eq!(distinct, expected);
    // On a quick machine all is there before the last kill; then the repeats tell of the kills before.
    let fell_into_it = before > 0 && (before < expected.len() || repeats > 0);
    assert!(fell_into_it, "no kill fell into the delivery");
    // A batch counts as stored with its reports, and as delivered once the ledger has it.
    assert!(repeats <= KILLS * BATCH * (CONCURRENCY + 2), "{repeats} repeats");
}
