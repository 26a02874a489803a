//! Killed at any instant, the program loses nothing and repeats nothing.

use std::{collections::BTreeSet, process::Stdio, time::Duration};

use crate::{
    rig::{Rig, ids_in, row},
    services,
};

const KILLS: u32 = 20;

/// Times between start and kill are drawn up to this, so that kills fall into start-up, listing, fetching, delivery.
const KILL_WITHIN_MILLIS: u64 = 400;

#[tokio::test]
async fn sigkill_at_random_instants_loses_and_repeats_nothing() {
    check_kills("o365-kill", "").await;
}

#[tokio::test]
async fn sigkill_while_a_buffer_on_disk_fills_and_drains_loses_and_repeats_nothing() {
    check_kills("o365-kill-buffer", "[sinks.elasticsearch.buffer]\ntype = \"disk\"\n").await;
}

/// Kills runs that deliver to `index`, with `buffer` in front.
async fn check_kills(index: &str, buffer: &str) {
    let server = services::plain();
    server.create_index(index).await;
    // Slow enough that all kills find it at work.
    let rig = Rig::new(&[
        "--blobs-per-hour",
        "0.6",
        "--records-min",
        "60",
        "--records-max",
        "140",
        "--duplicates",
        "0.03",
        "--latency-ms",
        "60",
        "--page-size",
        "20",
    ]);
    rig.configure(&format!(
        r#"
[sinks.elasticsearch]
type = "elasticsearch"
inputs = ["map"]
endpoints = ["{}"]
mode = "bulk"
bulk = {{ index = "{index}", action = "create" }}
id_field = "event.id"
batch.max_events = 500
batch.timeout = "50ms"
{buffer}
"#,
        server.url
    ));
    let seed =
        std::env::var("O365FLOW_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20);
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut at_work, mut within) = (0, KILL_WITHIN_MILLIS);
    for _ in 0..KILLS {
        let mut running =
            rig.program(&[]).stderr(Stdio::null()).spawn().expect("the program starts");
        tokio::time::sleep(Duration::from_millis(random.u64(5..within))).await;
        at_work += u32::from(running.try_wait().expect("it is our child").is_none());
        running.kill().expect("it is our child");
        running.wait().expect("it is our child");
        // A busy machine takes longer to get anywhere.
        if within < 10 * KILL_WITHIN_MILLIS && ids_in(server, index).await.is_empty() {
            within += within / 4;
        }
    }
    assert_eq!(at_work, KILLS, "the program ended by itself, with seed {seed}");
    let summary = rig.run_once();
    // Otherwise the kills came too late to test anything, or too early.
    let left = row(&summary, "records out");
    let expected = rig.expected();
    assert!(left > 0, "nothing was left after the kills:\n{summary}");
    assert!(left < expected.len() as u64, "nothing was delivered before the last run:\n{summary}");
    assert_eq!(row(&summary, "blobs lost"), 0);

    let found = ids_in(server, index).await;
    let distinct: BTreeSet<String> = found.iter().cloned().collect();
    let missing = expected.difference(&distinct).count();
    assert_eq!(missing, 0, "{missing} of {} records are missing, with seed {seed}", expected.len());
    assert_eq!(found.len(), distinct.len(), "some records are there twice, with seed {seed}");
    assert_eq!(distinct.len(), expected.len(), "there are records that the tenant does not have");
}
