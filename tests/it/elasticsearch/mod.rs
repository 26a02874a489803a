//! The sink `elasticsearch` against real servers: Elasticsearch, and `OpenSearch` where it can show the same.

mod delivery;
mod endpoints;
mod obstacles;
mod secure;
mod setup;

use std::{
    num::NonZeroUsize,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use chrono::DateTime;
use o365flow::{delivery::DeadLetterFiles, sinks::elasticsearch::Config};
use pipeline_core::{
    ComponentKind, Fates, Outcome, Outlet, Receipt, Shutdown, SinkConfig, SinkContext, edge,
    testing::{ManualClock, batch, metrics},
};
use tempfile::TempDir;

use crate::services::{self, Elasticsearch, opensearch};

/// A server of each product, without security.
pub(super) fn each() -> [&'static Elasticsearch; 2] {
    [services::plain(), opensearch::plain()]
}

/// A sink, what was sent to it, and its dead letters.
pub(super) struct Pipe {
    pub(super) sender: Outlet,
    run: tokio::task::JoinSet<()>,
    pub(super) shutdown: Shutdown,
    data_dir: TempDir,
}

impl Pipe {
    /// Starts a sink that writes to `server`; `more` is the rest of its table.
    pub(super) async fn to(server: &Elasticsearch, more: &str) -> Pipe {
        let ca = server.ca_file.as_deref().map_or_else(String::new, ca_table);
        let endpoints = if more.contains("endpoints = ") {
            String::new()
        } else {
            format!("endpoints = [{:?}]\n", server.url)
        };
        let table = format!(
            "{endpoints}id_field = \"id\"\nbatch.timeout = \"10ms\"\n\
             request.retry_initial_backoff = \"50ms\"\nrequest.retry_max_backoff = \"500ms\"\n{ca}{more}"
        );
        let config: Config = toml::from_str(&table).expect("the table parses");
        assert_eq!(config.problems(), []);
        let data_dir = tempfile::tempdir().expect("a folder");
        let dead_letters = DeadLetterFiles::open(data_dir.path()).expect("it opens");
        let context = SinkContext {
            id: "es".into(),
            data_dir: data_dir.path().to_owned(),
            clock: ManualClock::new(DateTime::UNIX_EPOCH),
            dead_letters: Arc::new(dead_letters),
            metrics: metrics(ComponentKind::Sink, "es"),
        };
        let sink = config.build(context).await.expect("it builds");
        let (sender, input) = edge(NonZeroUsize::MIN, &metrics(ComponentKind::Sink, "es"));
        let shutdown = Shutdown::new();
        let mut run = tokio::task::JoinSet::new();
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

    /// Ends the edge, waits for the sink, and gives the dead letters.
    pub(super) async fn end(mut self) -> String {
        drop(self.sender);
        while let Some(ended) = self.run.join_next().await {
            ended.expect("the sink does not panic");
        }
        let path = self.data_dir.path().join("dead-letters/es.ndjson");
        std::fs::read_to_string(path).unwrap_or_default()
    }
}

fn ca_table(path: &Path) -> String {
    format!("tls.ca_file = '{}'\n", path.display())
}

/// A name that no other test uses, nor another run on the same server.
pub(super) fn unique(name: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{name}-{}-{next}", std::process::id())
}

pub(super) fn bulk(index: &str) -> String {
    format!("mode = \"bulk\"\nbulk.index = {index:?}\n")
}

pub(super) fn records(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|n| format!(r#"{{"id":"id-{n}","n":{n}}}"#)).collect()
}

pub(super) fn check(fates: &Fates, expected: Outcome, events: usize) {
    assert_eq!(fates.count(expected), events, "{:?}", fates.outcomes());
    assert_eq!(fates.outcomes().len(), events);
}
