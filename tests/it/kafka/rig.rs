//! A sink of its own for each test, and what it has stored.

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use chrono::DateTime;
use o365flow::{delivery::DeadLetterFiles, sinks::kafka::Config};
use pipeline_core::{
    ComponentKind, Fates, Outcome, Outlet, Receipt, Shutdown, SinkConfig, SinkContext, edge,
    testing::{ManualClock, batch, metrics},
};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::services::kafka::Message;

/// A sink, what is sent to it, and its dead letters.
pub(super) struct Pipe {
    sender: Outlet,
    run: JoinSet<()>,
    pub(super) shutdown: Shutdown,
    data_dir: TempDir,
}

/// A sink's table, as far as all tests want it. It lacks `bootstrap_servers` and `topic`.
const TABLE: &str = "key_field = \"id\"\nbatch.timeout = \"10ms\"\n\
     request.retry_initial_backoff = \"50ms\"\nrequest.retry_max_backoff = \"500ms\"\n";

/// The configuration of a sink that writes to `topic`; `more` is the rest of its table.
pub(super) fn config(servers: &str, topic: &str, more: &str) -> Config {
    let table = format!("bootstrap_servers = {servers:?}\ntopic = {topic:?}\n{TABLE}{more}");
    let config: Config = toml::from_str(&table).expect("the table parses");
    assert_eq!(config.problems(), []);
    config
}

impl Pipe {
    /// Starts a sink.
    pub(super) async fn to(config: &Config) -> Pipe {
        let data_dir = tempfile::tempdir().expect("a folder");
        let dead_letters = DeadLetterFiles::open(data_dir.path()).expect("it opens");
        let context = SinkContext {
            id: "kafka".into(),
            data_dir: data_dir.path().to_owned(),
            clock: ManualClock::new(DateTime::UNIX_EPOCH),
            dead_letters: Arc::new(dead_letters),
            metrics: metrics(ComponentKind::Sink, "kafka"),
        };
        let sink = config.build(context).await.expect("it builds");
        let (sender, input) = edge(NonZeroUsize::MIN, &metrics(ComponentKind::Sink, "kafka"));
        let shutdown = Shutdown::new();
        let mut run = JoinSet::new();
        let order = shutdown.clone();
        run.spawn(async move { sink.run(input, order).await.expect("it runs") });
        Pipe { sender, run, shutdown, data_dir }
    }

    pub(super) async fn send(&self, records: &[String]) -> Receipt {
        let records: Vec<&str> = records.iter().map(String::as_str).collect();
        let (events, receipt) = batch(&records);
        self.sender.send(events).await.expect("the sink reads");
        receipt
    }

    /// Sends the events of `numbers` in batches of 100, as fast as they are taken, and waits until all are delivered.
    pub(super) fn pump(&self, numbers: std::ops::Range<usize>) -> JoinSet<()> {
        let sender = self.sender.clone();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut receipts = Vec::new();
            for start in numbers.clone().step_by(100) {
                let records = records(start..numbers.end.min(start + 100));
                let records: Vec<&str> = records.iter().map(String::as_str).collect();
                let (events, receipt) = batch(&records);
                sender.send(events).await.expect("the sink reads");
                receipts.push(receipt);
            }
            for receipt in receipts {
                let fates = receipt.await;
                check(&fates, Outcome::Delivered, fates.outcomes().len());
            }
        });
        task
    }

    /// Ends the edge, waits for the sink, and gives the dead letters.
    pub(super) async fn end(mut self) -> String {
        drop(self.sender);
        while let Some(ended) = self.run.join_next().await {
            ended.expect("the sink does not panic");
        }
        let path = self.data_dir.path().join("dead-letters/kafka.ndjson");
        std::fs::read_to_string(path).unwrap_or_default()
    }
}

/// A name that no other test uses, nor another run on the same server.
pub(super) fn unique(name: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{name}-{}-{next}", std::process::id())
}

pub(super) fn record(n: usize) -> String {
    format!(r#"{{"id":"id-{n}","n":{n}}}"#)
}

pub(super) fn records(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(record).collect()
}

pub(super) fn check(fates: &Fates, expected: Outcome, events: usize) {
    assert_eq!(fates.count(expected), events, "{:?}", fates.outcomes());
    assert_eq!(fates.outcomes().len(), events);
}

/// How often each number is stored.
pub(super) fn stored(messages: &[Message]) -> BTreeMap<u64, usize> {
    let mut times = BTreeMap::new();
    for message in messages {
        let value: serde_json::Value =
            serde_json::from_slice(&message.value).expect("a message is an event");
        let n = value["n"].as_u64().expect("it has a number");
        assert_eq!(message.key.as_deref(), Some(format!("id-{n}").as_bytes()));
        *times.entry(n).or_default() += 1;
    }
    times
}

/// Number of messages of `topic` beyond the first of each event, all of `0..events` being there.
pub(super) fn repeats(messages: &[Message], events: usize) -> usize {
    let times = stored(messages);
    let missing: Vec<u64> =
        (0..events as u64).filter(|number| !times.contains_key(number)).collect();
    assert!(missing.is_empty(), "{} of {events} are missing: {missing:?}", missing.len());
    assert_eq!(times.len(), events, "there are events that nobody has sent");
    messages.len() - events
}
