//! While a server is away the program waits, in bounded memory, and delivers all when it is back.

use std::{collections::BTreeSet, process::Stdio, time::Duration};

use crate::{
    rig::{Rig, ids_in, resident_kilobytes, summary},
    services,
};

/// What the program may hold while it waits: the bound of the source, in values and as JSON, and itself.
const RESIDENT_KILOBYTES_MAX: u64 = 100_000;

#[tokio::test]
async fn nothing_is_lost_while_elasticsearch_is_down() {
    let mut server = services::own().await;
    let index = "o365-outage";
    server.create_index(index).await;
    let rig =
        Rig::new(&["--blobs-per-hour", "0.3", "--records-min", "200", "--records-max", "400"]);
    rig.configure(&format!(
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
"#,
        server.url
    ));
    server.stop();
    let running = rig
        .program(&["--once"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut highest = 0;
    for _ in 0..30 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        highest = highest.max(resident_kilobytes(running.id()).expect("it runs").0);
    }
    assert!(highest < RESIDENT_KILOBYTES_MAX, "{highest} kB resident while Elasticsearch is away");
    server.start_again();
    let output = running.wait_with_output().expect("it ends");
    summary(&output);
    let found = ids_in(&server, index).await;
    let distinct: BTreeSet<String> = found.iter().cloned().collect();
    assert_eq!(found.len(), distinct.len(), "some records are there twice");
    let missing = rig.expected().difference(&distinct).count();
    assert_eq!(missing, 0, "{missing} records are missing");
}
