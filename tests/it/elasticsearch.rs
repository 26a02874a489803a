//! The sink `elasticsearch` against real servers.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use chrono::DateTime;
use o365flow::{delivery::DeadLetterFiles, sinks::elasticsearch::Config};
use pipeline_core::{
    Batch, ComponentKind, Fates, Outcome, Receipt, Shutdown, SinkConfig, SinkContext, SinkInput,
    testing::{ManualClock, batch, metrics},
};
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::services::{self, Elasticsearch};

/// A sink, what was sent to it, and its dead letters.
struct Pipe {
    sender: mpsc::Sender<Batch>,
    run: tokio::task::JoinSet<()>,
    shutdown: Shutdown,
    data_dir: TempDir,
}

impl Pipe {
    /// Starts a sink that writes to `server`; `more` is the rest of its table.
    async fn to(server: &Elasticsearch, more: &str) -> Pipe {
        let ca = server.ca_file.as_deref().map_or_else(String::new, ca_table);
        let table = format!(
            "endpoints = [{:?}]\nid_field = \"id\"\nbatch.timeout = \"10ms\"\n\
             request.retry_initial_backoff = \"50ms\"\nrequest.retry_max_backoff = \"500ms\"\n{ca}{more}",
            server.url
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
        let (sender, edge) = mpsc::channel(1);
        let input = SinkInput::new(edge, metrics(ComponentKind::Sink, "es"));
        let shutdown = Shutdown::new();
        let mut run = tokio::task::JoinSet::new();
        let order = shutdown.clone();
        run.spawn(async move { sink.run(input, order).await.expect("it runs") });
        Pipe { sender, run, shutdown, data_dir }
    }

    async fn send(&self, records: &[String]) -> Receipt {
        let records: Vec<&str> = records.iter().map(String::as_str).collect();
        let (events, receipt) = batch(&records);
        self.sender.send(events).await.expect("the sink reads");
        receipt
    }

    /// Ends the edge, waits for the sink, and gives the dead letters.
    async fn end(mut self) -> String {
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
fn unique(name: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{name}-{}-{next}", std::process::id())
}

fn bulk(index: &str) -> String {
    format!("mode = \"bulk\"\nbulk.index = {index:?}\n")
}

fn records(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|n| format!(r#"{{"id":"id-{n}","n":{n}}}"#)).collect()
}

fn check(fates: &Fates, expected: Outcome, events: usize) {
    assert_eq!(fates.count(expected), events, "{:?}", fates.outcomes());
    assert_eq!(fates.outcomes().len(), events);
}

#[tokio::test]
async fn an_event_that_is_sent_twice_is_stored_once() {
    let server = services::plain();
    let index = unique("twice");
    for more in ["", "compression = \"none\"\n"] {
        let pipe = Pipe::to(server, &(bulk(&index) + more)).await;
        let fates = pipe.send(&records(0..500)).await.await;
        check(&fates, Outcome::Delivered, 500);
        assert_eq!(pipe.end().await, "");
    }
    assert_eq!(server.count(&index).await, 500);
}

#[tokio::test]
async fn a_date_in_the_name_is_the_events_own() {
    let server = services::plain();
    let index = unique("dated");
    let pipe = Pipe::to(server, &bulk(&format!("{index}-%Y.%m.%d"))).await;
    let records = [
        r#"{"id":"1","@timestamp":"2026-01-02T03:04:05Z"}"#.to_owned(),
        r#"{"id":"2","@timestamp":"2026-01-03T03:04:05Z"}"#.to_owned(),
        r#"{"id":"3"}"#.to_owned(),
    ];
    let fates = pipe.send(&records).await.await;
    assert_eq!(fates.outcomes(), [Outcome::Delivered, Outcome::Delivered, Outcome::Rejected]);
    assert!(pipe.end().await.contains("the event has no date in `@timestamp`"));
    assert_eq!(server.count(&format!("{index}-2026.01.02")).await, 1);
    assert_eq!(server.count(&format!("{index}-2026.01.03")).await, 1);
}

#[tokio::test]
async fn a_data_stream_is_written_and_wants_a_timestamp() {
    let server = services::plain();
    let dataset = unique("audit").replace('-', ".");
    let stream = format!("logs-{dataset}-default");
    let template =
        format!(r#"{{"index_patterns":["{stream}"],"data_stream":{{}},"priority":500}}"#);
    server.done("PUT", &format!("/_index_template/{dataset}"), &template).await;
    for _ in 0..2 {
        let pipe = Pipe::to(server, &format!("data_stream.dataset = {dataset:?}")).await;
        let records = [
            r#"{"id":"1","@timestamp":"2026-01-02T03:04:05Z"}"#.to_owned(),
            r#"{"id":"2","x":1}"#.to_owned(),
        ];
        let fates = pipe.send(&records).await.await;
        assert_eq!(fates.outcomes(), [Outcome::Delivered, Outcome::Rejected]);
        let letters = pipe.end().await;
        assert_eq!(letters.lines().count(), 1);
        assert!(letters.contains(r#""event":{"id":"2","x":1}"#), "{letters}");
        assert!(letters.contains("@timestamp"), "{letters}");
    }
    assert_eq!(server.count(&stream).await, 1);
    let streams = server.done("GET", &format!("/_resolve/index/{stream}"), "").await;
    assert_eq!(streams["data_streams"][0]["name"], stream.as_str());
}

#[tokio::test]
async fn a_document_that_does_not_fit_the_mapping_is_a_dead_letter_and_the_others_arrive() {
    let server = services::plain();
    let index = unique("mapping");
    let mapping = r#"{"mappings":{"properties":{"n":{"type":"ip"}}}}"#;
    server.done("PUT", &format!("/{index}"), mapping).await;
    let pipe = Pipe::to(server, &bulk(&index)).await;
    let records = [
        r#"{"id":"1","n":"10.0.0.1"}"#.to_owned(),
        r#"{"id":"2","n":"not an address"}"#.to_owned(),
        r#"{"id":"3","n":"10.0.0.3"}"#.to_owned(),
        r#"{"n":"10.0.0.4"}"#.to_owned(),
    ];
    let fates = pipe.send(&records).await.await;
    let (delivered, rejected) = (Outcome::Delivered, Outcome::Rejected);
    assert_eq!(fates.outcomes(), [delivered, rejected, delivered, rejected]);
    let letters = pipe.end().await;
    assert_eq!(letters.lines().count(), 2);
    assert!(letters.contains("elasticsearch: 400 document_parsing_exception"), "{letters}");
    assert!(letters.contains(r#""event":{"id":"2","n":"not an address"}"#), "{letters}");
    assert_eq!(server.count(&index).await, 2);
}

#[tokio::test]
async fn items_that_are_refused_for_now_arrive_when_the_block_is_lifted() {
    let server = services::plain();
    let blocked = unique("blocked");
    server.done("PUT", &format!("/{blocked}"), "{}").await;
    let settings = format!("/{blocked}/_settings");
    let block = r#"{"index.blocks.read_only_allow_delete":true}"#;
    server.done("PUT", &settings, block).await;
    let (status, _) = server.call("POST", &format!("/{blocked}/_doc"), "{}").await;
    assert_eq!(status, 429, "the index refuses for now");

    let pipe = Pipe::to(server, &bulk(&blocked)).await;
    let receipt = pipe.send(&records(0..50)).await;
    let lift = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        server.done("PUT", &settings, r#"{"index.blocks.read_only_allow_delete":null}"#).await;
    };
    let (fates, ()) = tokio::join!(receipt, lift);
    check(&fates, Outcome::Delivered, 50);
    assert_eq!(pipe.end().await, "");
    assert_eq!(server.count(&blocked).await, 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_of_the_server_are_lived_with() {
    let server = services::own().await;
    let index = unique("limits");
    let large: Vec<String> = (0..30)
        .map(|n| {
            // One document is over the limit of 1 MB alone, the others only together.
            let size = if n == 7 { 1_200_000 } else { 100_000 };
            format!(r#"{{"id":"{n}","text":"{}"}}"#, "x".repeat(size))
        })
        .collect();
    let mapping = r#"{"mappings":{"properties":{"text":{"type":"text","index":false}}}}"#;
    server.done("PUT", &format!("/{index}"), mapping).await;
    let pipe = Pipe::to(&server, &(bulk(&index) + "compression = \"none\"")).await;
    let fates = pipe.send(&large).await.await;
    assert_eq!(fates.outcomes()[7], Outcome::Rejected);
    assert_eq!(fates.count(Outcome::Delivered), 29);
    let letters = pipe.end().await;
    assert_eq!(letters.lines().count(), 1);
    assert!(letters.contains("413 Payload Too Large"), "{}", &letters[..300]);
    assert_eq!(server.count(&index).await, 29);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_whole_requests_for_now_gets_them_later() {
    let server = services::own().await;
    let index = unique("breaker");
    let limit = |value: &str| {
        format!(r#"{{"transient":{{"network.breaker.inflight_requests.limit":{value}}}}}"#)
    };
    server.done("PUT", "/_cluster/settings", &limit("\"2kb\"")).await;
    let pipe = Pipe::to(&server, &(bulk(&index) + "compression = \"none\"")).await;
    let mut receipt = pipe.send(&records(0..500)).await;
    let early = tokio::time::timeout(Duration::from_secs(1), &mut receipt).await;
    assert!(early.is_err(), "the breaker holds");
    server.done("PUT", "/_cluster/settings", &limit("null")).await;
    check(&receipt.await, Outcome::Delivered, 500);
    assert_eq!(pipe.end().await, "");
    assert_eq!(server.count(&index).await, 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_and_comes_back_gets_everything() {
    let mut server = services::own().await;
    let index = unique("restart");
    let pipe = Pipe::to(&server, &(bulk(&index) + "batch.max_events = 100")).await;
    // Sent while the server goes, is away and comes back; the edge is full most of the time.
    let sender = pipe.sender.clone();
    let mut feed = tokio::task::JoinSet::new();
    feed.spawn(async move {
        let mut receipts = Vec::new();
        for start in (0..20_000).step_by(100) {
            let records = records(start..start + 100);
            let (events, receipt) = batch(&records.iter().map(String::as_str).collect::<Vec<_>>());
            sender.send(events).await.expect("the sink reads");
            receipts.push(receipt);
        }
        receipts
    });
    while server.call("GET", &format!("/{index}/_count"), "").await.0 != 200 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::task::block_in_place(|| {
        server.stop();
        assert!(feed.try_join_next().is_none(), "events are still coming");
        std::thread::sleep(Duration::from_secs(2));
        server.start_again();
    });
    let receipts = feed.join_next().await.expect("there is a feed").expect("it does not panic");
    for receipt in receipts {
        let fates = receipt.await;
        assert_eq!(fates.count(Outcome::Delivered), fates.outcomes().len());
    }
    assert_eq!(pipe.end().await, "");
    assert_eq!(server.count(&index).await, 20_000);
}

fn basic(user: &str, password: &str) -> String {
    format!("auth = {{ strategy = \"basic\", user = {user:?}, password = {password:?} }}\n")
}

#[tokio::test]
async fn a_secure_server_takes_a_password_or_an_api_key() {
    let server = services::secure();
    let index = unique("secure");
    let (user, password) = server.credentials.clone().expect("it has a user");
    let key = server.done("POST", "/_security/api_key", r#"{"name":"o365flow"}"#).await;
    let key = key["encoded"].as_str().expect("a key").to_owned();
    let by_key = format!("auth = {{ strategy = \"api_key\", api_key = {key:?} }}\n");
    for (start, auth) in [(0, basic(&user, &password)), (100, by_key)] {
        let pipe = Pipe::to(server, &(bulk(&index) + &auth)).await;
        let fates = pipe.send(&records(start..start + 100)).await.await;
        check(&fates, Outcome::Delivered, 100);
        assert_eq!(pipe.end().await, "");
    }
    assert_eq!(server.count(&index).await, 200);
}

#[tokio::test]
async fn with_a_wrong_password_or_authority_events_wait_and_none_is_lost() {
    let server = services::secure();
    let (user, password) = server.credentials.clone().expect("it has a user");
    let stranger = Elasticsearch::at(&server.url);
    let checks = [
        (server, basic(&user, "wrong")),
        (server, String::new()),
        (&stranger, basic(&user, &password)),
    ];
    for (server, auth) in checks {
        let pipe = Pipe::to(server, &(bulk(&unique("wrong")) + &auth)).await;
        let mut receipt = pipe.send(&records(0..10)).await;
        let early = tokio::time::timeout(Duration::from_secs(2), &mut receipt).await;
        assert!(early.is_err(), "events wait");
        pipe.shutdown.abandon();
        check(&receipt.await, Outcome::Errored, 10);
        assert_eq!(pipe.end().await, "");
    }
}
