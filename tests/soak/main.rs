//! A million events through each sink at full speed, with a fault every few seconds, in memory that does not grow.
//!
//! The number is `O365FLOW_TEST_SOAK_EVENTS`; without it, a tenth of that, which takes seconds. One test at a time runs:
//! memory and speed are what they look at.

#[path = "../it/rig.rs"]
#[expect(dead_code, reason = "it serves other tests too")]
mod rig;
#[path = "../it/services/mod.rs"]
#[expect(dead_code, unused_imports, reason = "they serve other tests too")]
mod services;
#[path = "../faults/target/mod.rs"]
#[expect(dead_code, reason = "they serve other tests too")]
mod target;
#[path = "../faults/toxiproxy.rs"]
#[expect(dead_code, reason = "it serves other tests too")]
mod toxiproxy;
mod trouble;
mod watch;

use std::{
    collections::BTreeSet,
    fs::{self, File},
    process::Stdio,
    time::Duration,
};

use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};

use crate::{
    rig::Rig,
    services::kafka::broker,
    target::{Index, Receiver, Resent, Settings, Target, Topic},
    toxiproxy::toxiproxy,
    trouble::Troublemaker,
    watch::Memory,
};

/// Events without a word of the test runner.
const EVENTS_MIN: usize = 100_000;

/// Records in a blob.
const RECORDS: usize = 1000;

/// Feeds times hours that the fake tenant has content of.
const FEED_HOURS: f64 = 5.0 * 6.9 * 24.0;

/// How often memory is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Longest time for a million events.
const WAIT_MAX: Duration = Duration::from_mins(15);

/// Small events, so that a million of them fit into any test machine.
const MAPPING: &str = r#"
source = '''
. = {
    "@timestamp": string!(.CreationTime),
    "event": { "id": string!(.Id), "action": .Operation },
    "organization": { "id": .OrganizationId },
}
'''
"#;

/// As users have it, with a shorter patience.
const SETTINGS: Settings = Settings { batch_events: 2000, concurrency: 4 };

/// One sink at a time.
static TURN: Mutex<()> = Mutex::const_new(());

#[tokio::test]
async fn elasticsearch() {
    let _turn = TURN.lock().await;
    let index = Index::on(services::plain()).await.with_settings(SETTINGS);
    let settings =
        r#"{"refresh_interval":"30s","translog.durability":"async","number_of_replicas":0}"#;
    index.server.done("PUT", &format!("/{}/_settings", index.name), settings).await;
    soak(index).await;
}

#[tokio::test]
async fn kafka() {
    let _turn = TURN.lock().await;
    soak(Topic::on(broker()).await.with_settings(SETTINGS)).await;
}

#[tokio::test]
async fn lumberjack() {
    let _turn = TURN.lock().await;
    soak(Receiver::start(&[]).with_settings(SETTINGS)).await;
}

async fn soak(target: impl Target) {
    let (rig, expected) = tenant();
    let proxy = toxiproxy().proxy_for(&target).await;
    let sink = format!("[sinks.out]\ninputs = [\"map\"]\n{}", target.sink(&proxy.address));
    rig.configure_mapped(MAPPING, &sink);
    let log = File::create(rig.folder.path().join("log")).expect("a log");
    let output = log.try_clone().expect("a log");
    let mut command = rig.program(&["--once"]);
    let mut running =
        command.stdout(Stdio::from(output)).stderr(log).spawn().expect("the program starts");
    let said = || fs::read_to_string(rig.folder.path().join("log")).expect("there is a log");

    let (start, mut memory, mut troublemaker) =
        (Instant::now(), Memory::new(), Troublemaker::new());
    let status = loop {
        if let Some(status) = running.try_wait().expect("it is our child") {
            break status;
        }
        memory.look(running.id());
        troublemaker.act(&proxy).await;
        if start.elapsed() > WAIT_MAX {
            running.kill().expect("it is our child");
        }
        sleep(LOOK_INTERVAL).await;
    };
    let took = start.elapsed();
    assert!(status.success(), "the run failed, {status}:\n{}", said());
    proxy.heal().await;
    let found = target.ids().await;
    let distinct: BTreeSet<&String> = found.iter().collect();
    let missing = expected.iter().filter(|id| !distinct.contains(id)).count();
    assert_eq!(missing, 0, "{missing} of {} events are missing:\n{}", expected.len(), said());
    let repeats = found.len() - distinct.len();
    let most = target.repeats_max(Resent::InFlight(troublemaker.resends()));
    report(&format!(
        "{} events in {:.1} s with {} faults: {repeats} arrived again, {most} may; {memory}",
        expected.len(),
        took.as_secs_f64(),
        troublemaker.faults(),
    ));
    assert!(repeats <= most, "too many repeats");
    assert!(troublemaker.faults() > 0, "nothing went wrong");
    memory.check(expected.len());
    let letters = rig.folder.path().join("state/dead-letters/out.ndjson");
    assert!(!letters.exists(), "there are dead letters");
}

/// A tenant with as many records as are asked for, and their ids.
fn tenant() -> (Rig, BTreeSet<String>) {
    let wanted = std::env::var("O365FLOW_TEST_SOAK_EVENTS").ok();
    let wanted = wanted.map_or(EVENTS_MIN, |text| text.parse().expect("a number"));
    // Some more blobs, as their number is drawn.
    let blobs_per_hour =
        f64::from(u32::try_from(wanted / RECORDS).expect("it is small")) * 1.1 / FEED_HOURS;
    let (blobs_per_hour, records) = (format!("{blobs_per_hour:.4}"), RECORDS.to_string());
    let rig = Rig::new(&[
        "--blobs-per-hour",
        &blobs_per_hour,
        "--records-min",
        &records,
        "--records-max",
        &records,
    ]);
    let expected = rig.expected();
    assert!(expected.len() >= wanted, "{} events are too few", expected.len());
    (rig, expected)
}

/// Prints, which the test runner shows when it is told to.
#[expect(clippy::print_stdout, reason = "figures for people")]
fn report(line: &str) {
    println!("{line}");
}
