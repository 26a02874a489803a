//! The sink `lumberjack` against Elastic's own implementation of the protocol.

use std::{
    fmt::Write as _,
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    num::NonZeroUsize,
    path::Path,
    process::Command,
    sync::Arc,
    time::Duration,
};

use chrono::DateTime;
use lumberjack::{Decoder, Frame, Limits, ack};
use o365flow::{delivery::DeadLetterFiles, sinks::lumberjack::Config};
use pipeline_core::{
    ComponentKind, Fates, Finding, Health, Outcome, Outlet, Receipt, Shutdown, SinkConfig,
    SinkContext, edge,
    testing::{ManualClock, batch, metrics},
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::rig::{Rig, row};
use crate::services::lumberjack::{Lumberjack, Security, send_by_reference_client};

/// Longer than anything takes that is going to happen.
const PATIENCE: Duration = Duration::from_mins(1);

/// A sink, what was sent to it, and its dead letters.
struct Pipe {
    sender: Outlet,
    run: tokio::task::JoinSet<()>,
    shutdown: Shutdown,
    _data_dir: TempDir,
}

fn config(hosts: &[&str], more: &str) -> Config {
    let table = format!(
        "hosts = {hosts:?}\nbatch.timeout = \"10ms\"\nrequest.retry_initial_backoff = \"50ms\"\n\
         request.retry_max_backoff = \"200ms\"\n{more}"
    );
    let config: Config = toml::from_str(&table).expect("the table parses");
    assert_eq!(config.problems(), []);
    config
}

impl Pipe {
    /// Starts a sink that sends to these hosts; `more` is the rest of its table.
    async fn to(hosts: &[&str], more: &str) -> Pipe {
        let data_dir = tempfile::tempdir().expect("a folder");
        let dead_letters = DeadLetterFiles::open(data_dir.path()).expect("it opens");
        let context = SinkContext {
            id: "logstash".into(),
            data_dir: data_dir.path().to_owned(),
            clock: ManualClock::new(DateTime::UNIX_EPOCH),
            dead_letters: Arc::new(dead_letters),
            metrics: metrics(ComponentKind::Sink, "logstash"),
        };
        let sink = config(hosts, more).build(context).await.expect("it builds");
        let (sender, input) = edge(NonZeroUsize::MIN, &metrics(ComponentKind::Sink, "logstash"));
        let shutdown = Shutdown::new();
        let mut run = tokio::task::JoinSet::new();
        let order = shutdown.clone();
        run.spawn(async move { sink.run(input, order).await.expect("it runs") });
        Pipe { sender, run, shutdown, _data_dir: data_dir }
    }

    async fn send(&self, records: &[String]) -> Receipt {
        let records: Vec<&str> = records.iter().map(String::as_str).collect();
        let (events, receipt) = batch(&records);
        self.sender.send(events).await.expect("the sink reads");
        receipt
    }

    /// Sends, and waits until all of it is settled.
    async fn deliver(&self, records: &[String]) -> Fates {
        let receipt = self.send(records).await;
        timeout(PATIENCE, receipt).await.expect("it is settled in time")
    }

    /// Ends the edge and waits for the sink.
    async fn end(mut self) {
        drop(self.sender);
        while let Some(ended) = self.run.join_next().await {
            ended.expect("the sink does not panic");
        }
    }

    /// Abandons what is under way.
    async fn abandon(mut self) {
        self.shutdown.abandon();
        while let Some(ended) = self.run.join_next().await {
            ended.expect("the sink does not panic");
        }
    }
}

fn records(numbers: std::ops::Range<usize>) -> Vec<String> {
    let text = "x".repeat(500);
    numbers.map(|n| format!(r#"{{"id":"id-{n}","text":"{text}"}}"#)).collect()
}

fn check(fates: &Fates, events: usize) {
    assert_eq!(fates.count(Outcome::Delivered), events, "{:?}", fates.outcomes());
    assert_eq!(fates.outcomes().len(), events);
}

/// Checks that these ids have arrived and no others, and gives the number of repeats.
fn repeats(server: &Lumberjack, numbers: std::ops::Range<usize>) -> usize {
    let arrivals = server.arrivals();
    let missing: Vec<usize> =
        numbers.clone().filter(|n| !arrivals.contains_key(&format!("id-{n}"))).collect();
    assert!(missing.is_empty(), "missing: {missing:?}");
    assert_eq!(arrivals.len(), numbers.len());
    arrivals.values().sum::<usize>() - numbers.len()
}

#[tokio::test]
async fn events_arrive_once_at_any_level_of_compression() {
    for level in [0, 1, 3, 9] {
        let server = Lumberjack::plain();
        let pipe = Pipe::to(&[&server.address], &format!("compression_level = {level}")).await;
        check(&pipe.deliver(&records(0..5000)).await, 5000);
        pipe.end().await;
        assert_eq!(repeats(&server, 0..5000), 0);
        let first = &server.events()[0];
        assert_eq!(
            first["@metadata"],
            serde_json::json!({"beat": "o365beat", "type": "_doc", "version": "1.5.1"})
        );
    }
}

#[tokio::test]
async fn a_receiver_that_is_not_there_yet_is_waited_for() {
    let mut server = Lumberjack::plain();
    server.stop();
    let pipe = Pipe::to(&[&server.address], "").await;
    let receipt = pipe.send(&records(0..100)).await;
    sleep(Duration::from_millis(500)).await;
    server.start_again(&[]);
    check(&timeout(PATIENCE, receipt).await.expect("it is settled in time"), 100);
    pipe.end().await;
    assert_eq!(repeats(&server, 0..100), 0);
}

#[tokio::test]
async fn a_receiver_that_is_killed_again_and_again_loses_nothing() {
    let slow = ["-ack-delay", "20ms"];
    let mut server = Lumberjack::start(Security::Plain, &slow);
    let pipe = Pipe::to(&[&server.address], "window_size = 100\nbatch.max_events = 500").await;
    let mut receipts = Vec::new();
    for round in 0..5 {
        let numbers = round * 2000..(round + 1) * 2000;
        receipts.push(pipe.send(&records(numbers)).await);
        let before = server.events().len();
        while server.events().len() < before + 300 {
            sleep(Duration::from_millis(5)).await;
        }
        // It has windows that it has not acknowledged.
        server.kill();
        server.start_again(&slow);
    }
    for receipt in receipts {
        check(&timeout(PATIENCE, receipt).await.expect("it is settled in time"), 2000);
    }
    pipe.end().await;
    let repeats = repeats(&server, 0..10_000);
    // Two windows of a hundred are under way at a time.
    assert!((1..=5 * 2 * 100).contains(&repeats), "{repeats} repeats");
}

#[tokio::test]
async fn what_was_taken_without_a_word_arrives_again() {
    let server = Lumberjack::start(Security::Plain, &["-lose-ack-every", "5"]);
    let pipe = Pipe::to(&[&server.address], "window_size = 100").await;
    check(&pipe.deliver(&records(0..2000)).await, 2000);
    pipe.end().await;
    let repeats = repeats(&server, 0..2000);
    assert!((1..2000).contains(&repeats), "{repeats} repeats");
}

#[tokio::test]
async fn signs_of_life_without_an_acknowledgement_end_at_the_deadline() {
    let mut server = Lumberjack::start(Security::Plain, &["-never-ack", "-keepalive", "50ms"]);
    let pipe = Pipe::to(&[&server.address], "request.timeout = \"700ms\"").await;
    let mut receipt = Box::pin(pipe.send(&records(0..50)).await);
    assert!(timeout(Duration::from_secs(2), &mut receipt).await.is_err(), "nothing was taken");
    let attempts: usize = server.arrivals().values().copied().max().unwrap_or_default();
    assert!(attempts >= 2, "it was sent {attempts} times");
    server.stop();
    server.start_again(&[]);
    check(&timeout(PATIENCE, receipt).await.expect("it is settled in time"), 50);
    pipe.end().await;
}

#[tokio::test]
async fn a_slow_receiver_that_shows_signs_of_life_is_waited_for() {
    let switches = ["-ack-delay", "300ms", "-keepalive", "50ms"];
    let server = Lumberjack::start(Security::Plain, &switches);
    let pipe = Pipe::to(&[&server.address], "request.timeout = \"5s\"").await;
    check(&pipe.deliver(&records(0..40)).await, 40);
    pipe.end().await;
    assert_eq!(repeats(&server, 0..40), 0);
}

#[tokio::test]
async fn events_are_spread_over_two_receivers_and_over_one_when_the_other_is_gone() {
    let (first, second) = (Lumberjack::plain(), Lumberjack::plain());
    let hosts = [first.address.as_str(), second.address.as_str()];
    let more = "loadbalance = true\nwindow_size = 50\nbatch.max_events = 50";
    let pipe = Pipe::to(&hosts, more).await;
    check(&pipe.deliver(&records(0..2000)).await, 2000);
    let counts = [first.arrivals().len(), second.arrivals().len()];
    assert!(counts.iter().all(|count| *count > 50) && counts[0] + counts[1] == 2000, "{counts:?}");
    second.kill();
    let before = first.arrivals().len();
    check(&pipe.deliver(&records(2000..3000)).await, 1000);
    assert_eq!(first.arrivals().len(), before + 1000);
    pipe.end().await;
}

#[tokio::test]
async fn the_next_receiver_takes_over_and_the_first_one_again_when_it_is_back() {
    let (mut first, second) = (Lumberjack::plain(), Lumberjack::plain());
    let pipe = Pipe::to(&[&first.address, &second.address], "").await;
    check(&pipe.deliver(&records(0..100)).await, 100);
    assert_eq!((first.arrivals().len(), second.arrivals().len()), (100, 0));
    first.kill();
    check(&pipe.deliver(&records(100..200)).await, 100);
    assert_eq!(second.arrivals().len(), 100);
    first.start_again(&[]);
    for round in 2.. {
        sleep(Duration::from_millis(100)).await;
        check(&pipe.deliver(&records(round * 100..(round + 1) * 100)).await, 100);
        if first.arrivals().len() > 100 {
            break;
        }
        assert!(round < 100, "the first one is not tried again");
    }
    pipe.end().await;
}

fn tls_table(server: &Lumberjack, more: &str) -> String {
    format!("tls.enabled = true\ntls.ca_file = '{}'\n{more}", server.file("ca.crt").display())
}

fn client_certificate(server: &Lumberjack) -> String {
    let (certificate, key) = (server.file("client.crt"), server.file("client.key"));
    let (certificate, key) = (certificate.display(), key.display());
    format!("tls.crt_file = '{certificate}'\ntls.key_file = '{key}'\n")
}

/// Checks that a sink with this table gets nothing to `server`, by any name of it.
async fn check_refused(server: &Lumberjack, table: &str) {
    let pipe = Pipe::to(&[&server.address], table).await;
    let receipt = Box::pin(pipe.send(&records(0..10)).await);
    assert!(timeout(Duration::from_secs(1), receipt).await.is_err(), "it was delivered: {table}");
    assert_eq!(server.events().len(), 0);
    pipe.abandon().await;
}

#[tokio::test]
async fn tls_takes_the_right_authority_and_no_other() {
    let server = Lumberjack::start(Security::Tls, &[]);
    let port = server.address.rsplit_once(':').expect("it has a port").1;
    for host in [server.address.clone(), format!("localhost:{port}")] {
        let pipe = Pipe::to(&[&host], &tls_table(&server, "")).await;
        check(&pipe.deliver(&records(0..100)).await, 100);
        pipe.end().await;
    }
    let stranger = Lumberjack::start(Security::Tls, &[]);
    check_refused(&stranger, &tls_table(&server, "")).await;
    check_refused(&stranger, "tls.enabled = true").await;
    check_refused(&stranger, "").await;
}

#[tokio::test]
async fn mutual_tls_wants_a_certificate_of_its_authority() {
    let server = Lumberjack::start(Security::Mutual, &[]);
    check_refused(&server, &tls_table(&server, "")).await;
    let stranger = Lumberjack::start(Security::Mutual, &[]);
    check_refused(&server, &tls_table(&server, &client_certificate(&stranger))).await;
    let pipe =
        Pipe::to(&[&server.address], &tls_table(&server, &client_certificate(&server))).await;
    check(&pipe.deliver(&records(0..3000)).await, 3000);
    pipe.end().await;
    assert_eq!(repeats(&server, 0..3000), 0);
}

/// A certificate for `name` that ends in a year, by an authority that is written to `folder` as `own.crt`.
fn own_certificate(folder: &Path, name: &str, year: i32) -> Security {
    let mut params = CertificateParams::new(Vec::new()).expect("no name");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let authority = params.self_signed(&key).expect("an authority");
    fs::write(folder.join("own.crt"), authority.pem()).expect("it is written");
    let issuer = Issuer::new(params, key);
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(year, 1, 1);
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, &issuer).expect("a certificate");
    let security =
        Security::Own { certificate: folder.join("server.crt"), key: folder.join("server.key") };
    fs::write(folder.join("server.crt"), certificate.pem()).expect("it is written");
    fs::write(folder.join("server.key"), key.serialize_pem()).expect("it is written");
    security
}

#[tokio::test]
async fn a_certificate_that_has_ended_or_is_for_another_name_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let table = format!(
        "tls.enabled = true\ntls.ca_file = '{}'\n",
        folder.path().join("own.crt").display()
    );
    for (name, year, why) in
        [("127.0.0.1", 2024, "expired"), ("logstash.example", 2999, "not valid for name")]
    {
        let server = Lumberjack::start(own_certificate(folder.path(), name, year), &[]);
        check_refused(&server, &table).await;
        let findings = probe(&server.address, &table).await;
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!((findings[0].check, findings[0].health), ("tls", Health::Fail));
        assert!(findings[0].found.contains(why), "{findings:?}");
    }
    let server = Lumberjack::start(own_certificate(folder.path(), "logstash.example", 2999), &[]);
    let any_name = format!("{table}tls.verify_hostname = false");
    let pipe = Pipe::to(&[&server.address], &any_name).await;
    check(&pipe.deliver(&records(0..10)).await, 10);
    pipe.end().await;
}

async fn probe(host: &str, more: &str) -> Vec<Finding> {
    config(&[host], more).probe(DateTime::UNIX_EPOCH).await
}

fn shown(findings: &[Finding]) -> String {
    let mut text = String::new();
    for Finding { check, health, found, .. } in findings {
        writeln!(text, "{check} {}: {found}", health.as_str()).expect("text grows");
    }
    text
}

#[tokio::test]
async fn a_look_tells_what_works_and_sends_nothing() {
    let plain = Lumberjack::plain();
    let look = shown(&probe(&plain.address, "").await);
    assert!(look.contains("connect ok: ") && look.contains("protocol ok: "), "{look}");
    assert_eq!(plain.events().len(), 0);

    let secure = Lumberjack::start(Security::Mutual, &[]);
    let look = shown(&probe(&secure.address, "").await);
    assert!(look.contains("connect ok: ") && look.contains("protocol fail: "), "{look}");
    let look = shown(&probe(&secure.address, &tls_table(&secure, "")).await);
    assert!(look.contains("protocol fail: ") && look.contains("CertificateRequired"), "{look}");
    let table = tls_table(&secure, &client_certificate(&secure));
    let look = shown(&probe(&secure.address, &table).await);
    assert!(look.contains("tls ok: ") && look.contains("protocol ok: "), "{look}");
    let look = shown(&probe(&plain.address, &table).await);
    assert!(look.contains(" fail: "), "{look}");

    plain.stop();
    let look = shown(&probe(&plain.address, "").await);
    assert!(look.starts_with("connect fail: cannot connect to `127.0.0.1:"), "{look}");
}

/// What the client that Beats use writes is what our side of a receiver reads.
#[tokio::test]
async fn the_reference_client_is_understood() {
    const LIMITS: Limits = Limits {
        event_bytes_max: 1 << 20,
        compressed_bytes_max: 1 << 24,
        inflated_bytes_max: 1 << 24,
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("events.ndjson");
    let events = records(0..3000);
    fs::write(&path, events.join("\n")).expect("it is written");
    for level in ["0", "3"] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("it listens").to_string();
        let receiver = tokio::task::spawn_blocking(move || {
            let (mut stream, _) = listener.accept().expect("it connects");
            let mut decoder = Decoder::of_sender(LIMITS);
            let (mut received, mut left, mut size) = (Vec::new(), 0, 0);
            let mut chunk = [0; 4096];
            loop {
                match decoder.next_frame().expect("the reference writes frames") {
                    Some(Frame::Window(count)) => (left, size) = (count, count),
                    Some(Frame::Json { sequence, payload }) => {
                        assert_eq!(sequence, size - left + 1);
                        received.push(String::from_utf8(payload).expect("JSON is text"));
                        left -= 1;
                        if left == 0 {
                            stream.write_all(&ack(size)).expect("it reads");
                        }
                    }
                    Some(Frame::Ack(_)) => panic!("a sender acknowledges nothing"),
                    None => match stream.read(&mut chunk).expect("it writes") {
                        0 => return received,
                        count => decoder.feed(&chunk[..count]),
                    },
                }
            }
        });
        let path = path.clone();
        let sent = tokio::task::spawn_blocking(move || {
            send_by_reference_client(&address, &path, &["-level", level, "-window", "700"])
        });
        let sent = sent.await.expect("it runs");
        assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
        assert_eq!(receiver.await.expect("it reads all"), events);
    }
}

#[test]
fn all_records_of_a_tenant_arrive_once() {
    let rig = Rig::new(&["--blobs-per-hour", "1", "--records-min", "20", "--records-max", "20"]);
    let server = Lumberjack::plain();
    rig.configure(&format!(
        "[sinks.logstash]\ntype = \"lumberjack\"\ninputs = [\"map\"]\nhosts = [{:?}]\n",
        server.address
    ));
    let summary = rig.run_once();
    let arrivals = server.arrivals();
    assert!(arrivals.keys().eq(&rig.expected()), "{summary}");
    assert!(arrivals.values().all(|count| *count == 1));
    assert_eq!(row(&summary, "records out"), arrivals.len() as u64);
    let event = &server.events()[0];
    assert!(event["@timestamp"].is_string() && event["@metadata"]["beat"] == "o365beat", "{event}");
}

#[test]
fn a_topology_that_leaves_the_time_to_logstash_is_warned_of() {
    let rig = Rig::new(&["--blobs-per-hour", "0.01"]);
    for (input, warns) in [("map", false), ("office365", true)] {
        rig.configure(&format!(
            "[sinks.logstash]\ntype = \"lumberjack\"\ninputs = [{input:?}]\nhosts = [\"a\"]\n\
             [sinks.rest]\ntype = \"blackhole\"\ninputs = [\"map\"]\n"
        ));
        let output = Command::new(env!("CARGO_BIN_EXE_o365flow"))
            .arg("validate")
            .arg(rig.folder.path().join("o365flow.toml"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .expect("it starts");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(output.status.success(), "{said}");
        let warning = "not every event of `office365` has `@timestamp`";
        assert_eq!(said.contains(warning), warns, "{said}");
    }
}
