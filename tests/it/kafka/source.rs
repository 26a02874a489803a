//! What a source reads, commits, and reads again.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use chrono::DateTime;
use o365flow::{delivery::DeadLetterFiles, sources::kafka::Config};
use pipeline_core::{
    Batch, ComponentKind, Inlet, Outcome, RunMode, Shutdown, SourceConfig, SourceContext, edge,
    testing::{ManualClock, metrics},
};
use tempfile::TempDir;
use tokio::task::JoinSet;
use vrl::value::Value;

use super::rig::{Pipe, config, records, unique};
use crate::services::kafka::{Listener, broker};

/// A source, and what comes out of it.
struct Tap {
    input: Inlet,
    run: JoinSet<()>,
    shutdown: Shutdown,
    data_dir: TempDir,
}

impl Tap {
    /// Starts a source of `topics` in `group`.
    async fn of(topics: &str, group: &str, mode: RunMode) -> Tap {
        let servers = broker().bootstrap(Listener::Plaintext);
        let table = format!(
            "bootstrap_servers = {servers:?}\ntopics = [{topics:?}]\ngroup_id = {group:?}\n\
             schema = \"any\"\ncommit_interval = \"200ms\"\n\
             librdkafka_options = {{ \"topic.metadata.refresh.interval.ms\" = \"500\" }}\n"
        );
        let config: Config = toml::from_str(&table).expect("the table parses");
        assert_eq!(config.problems(), []);
        let data_dir = tempfile::tempdir().expect("a folder");
        let dead_letters = DeadLetterFiles::open(data_dir.path()).expect("it opens");
        let context = SourceContext {
            id: "kafka".into(),
            data_dir: data_dir.path().to_owned(),
            mode,
            clock: ManualClock::new(DateTime::UNIX_EPOCH),
            dead_letters: Arc::new(dead_letters),
            metrics: metrics(ComponentKind::Source, "kafka"),
        };
        let source = config.build(context).await.expect("it builds");
        let (outlet, input) = edge(NonZeroUsize::MIN, &metrics(ComponentKind::Sink, "test"));
        let shutdown = Shutdown::new();
        let order = shutdown.clone();
        let mut run = JoinSet::new();
        run.spawn(async move { source.run(outlet, order).await.expect("it runs") });
        Tap { input, run, shutdown, data_dir }
    }

    /// Batches with this many events together.
    async fn take(&mut self, events: usize) -> Vec<Batch> {
        let (mut batches, mut taken) = (Vec::new(), 0);
        while taken < events {
            let next = tokio::time::timeout(Duration::from_mins(1), self.input.next()).await;
            let batch = next.expect("events come").expect("the source runs");
            taken += batch.len();
            batches.push(batch);
        }
        batches
    }

    /// Tells the source to end as the program does; gives its dead letters.
    async fn end(mut self) -> String {
        self.shutdown.drain();
        while self.input.next().await.is_some() {}
        self.wait().await
    }

    async fn wait(&mut self) -> String {
        while let Some(ended) = self.run.join_next().await {
            ended.expect("the source does not panic");
        }
        let path = self.data_dir.path().join("dead-letters/kafka.ndjson");
        std::fs::read_to_string(path).unwrap_or_default()
    }
}

fn numbers(batches: &[Batch]) -> Vec<i64> {
    let path = vrl::path::parse_value_path("n").expect("a path");
    let events = batches.iter().flat_map(Batch::events);
    events.map(|event| event.at(&path).and_then(Value::as_integer).expect("a number")).collect()
}

fn settle(batches: Vec<Batch>, outcome: Outcome) {
    for batch in batches {
        batch.settle(outcome);
    }
}

/// A topic that holds the events of these numbers.
async fn filled(name: &str, partitions: i32, events: usize) -> String {
    let topic = unique(name);
    broker().create_topic(&topic, partitions, &[]).await;
    fill(&topic, 0..events).await;
    topic
}

async fn fill(topic: &str, numbers: std::ops::Range<usize>) {
    let config = config(&broker().bootstrap(Listener::Plaintext), topic, "");
    let pipe = Pipe::to(&config).await;
    pipe.send(&records(numbers)).await.await;
    assert_eq!(pipe.end().await, "");
}

#[tokio::test]
async fn what_was_not_acknowledged_is_read_again_after_a_start() {
    let topic = filled("acks", 1, 1800).await;
    let mut first = Tap::of(&topic, &topic, RunMode::Continuous).await;
    let mut batches = first.take(1800).await;
    assert_eq!(numbers(&batches), (0..1800).collect::<Vec<_>>());
    assert!(batches.len() > 2, "too few batches");
    // All are settled but the second batch: nothing behind it is committed.
    let behind = batches.split_off(2);
    let held = batches.split_off(1);
    let settled = i64::try_from(batches[0].len()).expect("few");
    settle(behind, Outcome::Delivered);
    settle(batches, Outcome::Delivered);
    for _ in 0..100 {
        if broker().committed(&topic, &topic) == [(0, settled)] {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    first.shutdown.abandon();
    drop(held);
    assert_eq!(first.wait().await, "");
    assert_eq!(broker().committed(&topic, &topic), [(0, settled)]);

    let mut second = Tap::of(&topic, &topic, RunMode::Continuous).await;
    let left: Vec<i64> = (settled..1800).collect();
    let batches = second.take(left.len()).await;
    assert_eq!(numbers(&batches), left);
    settle(batches, Outcome::Filtered);
    assert_eq!(second.end().await, "");
    assert_eq!(broker().committed(&topic, &topic), [(0, 1800)]);
}

#[tokio::test]
async fn what_was_not_delivered_is_read_again() {
    let topic = filled("errored", 1, 10).await;
    let mut tap = Tap::of(&topic, &topic, RunMode::Continuous).await;
    for batch in tap.take(10).await {
        for (index, event) in batch.into_events().into_iter().enumerate() {
            event.settle(if index == 4 { Outcome::Errored } else { Outcome::Delivered });
        }
    }
    let batches = tap.take(6).await;
    assert_eq!(numbers(&batches), [4, 5, 6, 7, 8, 9]);
    settle(batches, Outcome::Delivered);
    assert_eq!(tap.end().await, "");
    assert_eq!(broker().committed(&topic, &topic), [(0, 10)]);
}

#[tokio::test]
async fn a_run_that_is_to_end_reads_what_is_there() {
    let topic = filled("once", 3, 500).await;
    // The second run finds nothing left.
    for expected in [500, 0] {
        let mut tap = Tap::of(&topic, &topic, RunMode::Once).await;
        let mut found = 0;
        while let Some(batch) = tap.input.next().await {
            found += batch.len();
            batch.settle(Outcome::Delivered);
        }
        assert_eq!(tap.wait().await, "");
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn a_run_that_is_to_end_reads_again_what_was_not_delivered() {
    let topic = filled("once_again", 1, 10).await;
    let mut tap = Tap::of(&topic, &topic, RunMode::Once).await;
    settle(tap.take(10).await, Outcome::Errored);
    let mut found = Vec::new();
    while let Some(batch) = tap.input.next().await {
        found.extend(numbers(std::slice::from_ref(&batch)));
        batch.settle(Outcome::Delivered);
    }
    assert_eq!(tap.wait().await, "");
    assert_eq!(found, (0..10).collect::<Vec<_>>());
    assert_eq!(broker().committed(&topic, &topic), [(0, 10)]);
}

#[tokio::test]
async fn a_message_that_is_no_event_becomes_a_dead_letter() {
    use rdkafka::producer::{FutureProducer, FutureRecord};
    let topic = filled("bad", 1, 1).await;
    let producer: FutureProducer = broker().client().create().expect("a client");
    for payload in ["no JSON", "[1]", r#"{"n":1}"#] {
        let record = FutureRecord::<str, str>::to(&topic).payload(payload);
        producer.send(record, Duration::from_secs(30)).await.expect("it is stored");
    }
    let mut tap = Tap::of(&topic, &topic, RunMode::Continuous).await;
    let batches = tap.take(2).await;
    let path = vrl::path::parse_value_path("offset").expect("a path");
    let last = batches.last().and_then(|batch| batch.events().last()).expect("an event");
    assert_eq!(last.metadata().get(&path).and_then(Value::as_integer), Some(3));
    assert_eq!(numbers(&batches), [0, 1]);
    settle(batches, Outcome::Delivered);
    let letters = tap.end().await;
    assert_eq!(letters.lines().count(), 2, "{letters}");
    assert!(letters.contains(&format!("\"origin\":\"{topic}/0/1\"")), "{letters}");
    assert!(letters.contains("record is not valid JSON"), "{letters}");
    assert!(letters.contains("record is not an object"), "{letters}");
    assert_eq!(broker().committed(&topic, &topic), [(0, 4)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_move_between_consumers_and_nothing_is_lost() {
    let topic = filled("move", 4, 2000).await;
    let mut found = std::collections::BTreeMap::<i64, usize>::new();
    let mut first = Tap::of(&topic, &topic, RunMode::Continuous).await;
    let mut note = |batches: &[Batch]| {
        for n in numbers(batches) {
            *found.entry(n).or_default() += 1;
        }
    };
    let batches = first.take(500).await;
    note(&batches);
    settle(batches, Outcome::Delivered);
    // The second one joins while events of the first are under way; new ones come all the time.
    let mut second = Tap::of(&topic, &topic, RunMode::Continuous).await;
    let mut writer = JoinSet::new();
    let of_writer = topic.clone();
    writer.spawn(async move {
        for start in (2000..4000).step_by(200) {
            fill(&of_writer, start..start + 200).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let (mut of_second, mut is_quiet) = (0, false);
    while !(writer.is_empty() && is_quiet) {
        let batch = tokio::select! {
            Some(batch) = first.input.next() => batch,
            Some(batch) = second.input.next() => { of_second += batch.len(); batch }
            Some(written) = writer.join_next() => { written.expect("it is written"); continue }
            () = tokio::time::sleep(Duration::from_secs(4)) => { is_quiet = true; continue }
        };
        is_quiet = false;
        note(std::slice::from_ref(&batch));
        batch.settle(Outcome::Delivered);
    }
    assert_eq!((first.end().await, second.end().await), (String::new(), String::new()));
    let committed: i64 = broker().committed(&topic, &topic).iter().map(|(_, next)| next).sum();
    let repeats: usize = found.values().map(|times| times - 1).sum();
    println!("{repeats} repeats of 4000 events, {of_second} by the second consumer");
    assert_eq!((found.len(), committed), (4000, 4000));
    assert!(of_second > 0, "the second consumer got nothing");
    assert_eq!(repeats, 0, "what was under way was waited for");
}
