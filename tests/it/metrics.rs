//! What a scrape shows: valid to Prometheus' own tool, and what the table in docs/metrics.md says.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use chrono::TimeDelta;
use fake_tenant::{Fault, FaultTarget, Operation, ThrottleStatus};
use serde_json::Value;

use crate::{
    rig::Rig,
    scene::{Program, Tenant, certificate},
    services::kafka::{Listener, broker},
};

/// A running program that serves metrics.
struct Served {
    child: Child,
    address: String,
}

impl Served {
    fn start(rig: &Rig) -> Served {
        let mut child =
            rig.program(&[]).stderr(Stdio::piped()).spawn().expect("the program starts");
        let log = BufReader::new(child.stderr.take().expect("its log is piped"));
        let mut lines = log.lines().map(|line| line.expect("the log can be read"));
        let address = lines
            .find_map(|line| {
                let line: Value = serde_json::from_str(&line).ok()?;
                Some(line["address"].as_str()?.to_owned())
            })
            .expect("it says where it listens");
        // The log is read on, so that the program never waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        Served { child, address }
    }

    fn get(&self, path: &str) -> (u16, String) {
        Served::get_at(&self.address, path)
    }

    fn get_at(address: &str, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(address).expect("it listens");
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let status =
            answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        (status, body.to_owned())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.child.kill().expect("it is our child");
        self.child.wait().expect("it is our child");
    }
}

fn promtool_complaints(metrics: &str) -> String {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is installed; `make test` does that");
    promtool
        .stdin
        .take()
        .expect("its input is piped")
        .write_all(metrics.as_bytes())
        .expect("it reads");
    let output = promtool.wait_with_output().expect("it ends");
    let mut said = String::from_utf8_lossy(&output.stderr).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stdout));
    if !output.status.success() {
        said.push_str("(exit code is not 0)");
    }
    said
}

/// The table of all metrics.
const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");

/// What stands before and after its rows.
const TABLE_HEAD: &str = "| metric | type | labels | what it says |\n|---|---|---|---|\n";

/// A metric as a scrape or the table shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Shown {
    kind: String,
    labels: BTreeSet<String>,
    help: String,
}

impl Shown {
    fn row(&self, name: &str) -> String {
        let labels: Vec<String> = self.labels.iter().map(|label| format!("`{label}`")).collect();
        format!("| `{name}` | {} | {} | {} |\n", self.kind, labels.join(", "), self.help)
    }
}

/// All metrics of a scrape, each with the labels of all its series.
fn of_scrape(scrape: &str) -> BTreeMap<String, Shown> {
    let mut shown: BTreeMap<String, Shown> = BTreeMap::new();
    for line in scrape.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|it| it.split_once(' ')) {
            help.clone_into(&mut shown.entry(name.to_owned()).or_default().help);
        } else if let Some((name, kind)) =
            line.strip_prefix("# TYPE ").and_then(|it| it.split_once(' '))
        {
            kind.clone_into(&mut shown.entry(name.to_owned()).or_default().kind);
        } else if let Some((name, labels)) = line.split_once('{') {
            let parts = ["_bucket", "_sum", "_count"];
            let family = parts.iter().find_map(|part| name.strip_suffix(part));
            let family = family.filter(|family| shown.contains_key(*family)).unwrap_or(name);
            let keys = labels.split("=\"").filter_map(|text| text.rsplit(['"', ',']).next());
            let keys = keys.filter(|key| !key.is_empty() && *key != "le" && !key.contains('}'));
            let labels = &mut shown.entry(family.to_owned()).or_default().labels;
            labels.extend(keys.map(str::to_owned));
        }
    }
    shown
}

fn of_table(table: &str) -> BTreeMap<String, Shown> {
    let row = |line: &str| {
        let cells: Vec<&str> = line.strip_prefix("| `")?.split(" | ").collect();
        let [name, kind, labels, help] = cells.as_slice() else { return None };
        let labels = labels.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        let help = help.trim_end_matches('|').trim_end().to_owned();
        let shown = Shown { kind: (*kind).to_owned(), labels, help };
        Some((name.trim_end_matches('`').to_owned(), shown))
    };
    table.lines().filter_map(row).collect()
}

/// The configuration of [`eventful`].
fn configuration(folder: &Path, [quiet, late]: [&Tenant; 2], topic: &str) -> String {
    let folder_name = folder.display();
    format!(
        r#"
data_dir = "{folder_name}/state"
[metrics]
address = "ADDRESS"
[api]
address = "ADDRESS"
hosts = ["x"]
[dead_letter]
max_total_bytes = "500KB"
when_full = "drop_oldest"
[sources.office365]
type = "office365"
content_types = ["Audit.Exchange"]
poll_interval = "1s"
settle_time = "0s"
{}
{}
[transforms.odd]
type = "remap"
inputs = ["office365"]
source = '''
.event.id = .Id
if %tenant == "fabrikam" {{ .x = parse_json!("no JSON") }}
'''
[transforms.all]
type = "route"
inputs = ["odd"]
route.none = 'false'
[sinks.kafka]
type = "kafka"
inputs = ["odd"]
bootstrap_servers = {:?}
topic = {topic:?}
statistics_interval = "200ms"
request = {{ concurrency = "adaptive" }}
buffer = {{ type = "disk" }}
[sinks.none]
type = "blackhole"
inputs = ["all.none"]
[sinks.file]
type = "file"
inputs = ["odd"]
path = "{folder_name}/out.ndjson"
buffer = {{ type = "memory", max_events = 500 }}
[sinks.elastic]
type = "elasticsearch"
inputs = ["all.none"]
endpoints = ["http://127.0.0.1:9"]
mode = "bulk"
bulk.index = "unused"
bulk.action = "create"
"#,
        quiet.table(Some(&format!(
            "certificate = {{ path = \"{folder_name}/app.pem\", algorithm = \"RS256\" }}"
        ))),
        late.table(None),
        broker().bootstrap(Listener::Plaintext),
    )
}

/// A pipeline in which everything happens of which there is a metric.
async fn eventful(folder: &Path) -> (Program, Vec<Tenant>) {
    let certificate = certificate(folder, "app", 30);
    let quiet = Tenant::new(1, "contoso", |spec| spec.with_certificate(certificate)).await;
    let late = Tenant::new(2, "fabrikam", |spec| spec).await;
    let retry_after = Some(Duration::from_secs(1));
    let throttle = Fault::ThrottleAs { status: ThrottleStatus::TooManyRequests, retry_after };
    late.api.script(FaultTarget::operation(Operation::ListContent), throttle, 1);
    for _ in 0..3 {
        quiet.add_blob(20, TimeDelta::days(7));
    }
    late.add_blob(1500, TimeDelta::days(7));
    let topic = format!("metrics-{}", std::process::id());
    broker().create_topic(&topic, 1, &[]).await;
    let config = configuration(folder, [&quiet, &late], &topic);
    (Program::start(folder, "eventful", &config), vec![quiet, late])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrape_is_valid_and_is_what_the_table_of_metrics_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let (program, tenants) = eventful(folder.path()).await;
    let nothing = Served::get_at(&program.address, "/nothing");
    assert_eq!(nothing.0, 404);
    program.scrape_until(&["o365_dead_letters_total{", "o365_throttled_total{"]).await;
    // A day that was never listed, by the API's own clock.
    tenants[1].move_clock(TimeDelta::days(8));
    let scrape = program
        .scrape_until(&[
            "o365_listing_gaps_total{",
            "o365_dead_letters_dropped_total{",
            "kafka_broker_connects_total{",
            "o365_certificate_expiry_timestamp_seconds{",
            "o365_lag_seconds{",
            r#"component_sent_bytes_total{component_id="kafka""#,
            r#"component_sent_bytes_total{component_id="file""#,
        ])
        .await;
    assert_eq!(promtool_complaints(&scrape), "");
    let scraped = of_scrape(&scrape);
    for (name, shown) in &scraped {
        assert!(!shown.help.is_empty(), "`{name}` has no help");
    }
    let table = fs::read_to_string(TABLE).expect("there is a table of metrics");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        let (before, _) = table.split_once(TABLE_HEAD).expect("the table has its head");
        let rows: String = scraped.iter().map(|(name, shown)| shown.row(name)).collect();
        fs::write(TABLE, format!("{before}{TABLE_HEAD}{rows}")).expect("it can be written");
        return;
    }
    let documented = of_table(&table);
    for name in scraped.keys().chain(documented.keys()) {
        assert_eq!(
            scraped.get(name),
            documented.get(name),
            "`{name}`: scraped, and in docs/metrics.md (UPDATE_EXPECT=1 writes its table)"
        );
    }
}

/// The words after `start` in the sources below `folder`.
fn words_after(start: &str, folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder can be read") {
        let path = entry.expect("an entry can be read").path();
        if path.is_dir() {
            words_after(start, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a file can be read");
            let words = text.split(start).skip(1).filter_map(|rest| rest.split('"').next());
            found.extend(words.map(str::to_owned));
        }
    }
}

#[test]
fn each_error_code_has_a_type_in_vectors_words() {
    let mut codes = BTreeSet::new();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for start in ["metrics.error(\"", "metrics().error(\"", "Failure::of(\""] {
        words_after(start, &sources, &mut codes);
    }
    assert!(codes.contains("blob_lost") && codes.contains("write_failed"), "{codes:?}");
    codes.retain(|code| pipeline_core::error_type_of(code).is_none());
    assert!(codes.is_empty(), "not in error_type.rs: {codes:?}");
}

#[tokio::test]
async fn health_and_readiness_are_told() {
    let rig = Rig::new(&["--blobs-per-hour", "0.1"]);
    rig.configure("[sinks.none]\ntype = \"blackhole\"\ninputs = [\"map\"]\n[api]\naddress = \"127.0.0.1:0\"\n");
    let served = Served::start(&rig);
    assert_eq!(served.get("/health"), (200, "ok\n".to_owned()));
    let mut ready = served.get("/ready").0;
    for _ in 0..50 {
        if ready == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        ready = served.get("/ready").0;
    }
    assert_eq!(ready, 200);
    assert_eq!(served.get("/metrics").0, 404, "metrics have an address of their own");
    assert_eq!(served.get("/nothing").0, 404);
}
