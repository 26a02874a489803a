//! What a scrape shows: valid to Prometheus' own tool, and what README says.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use crate::{
    rig::Rig,
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
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
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

#[tokio::test]
async fn a_scrape_is_valid_and_is_what_the_readme_says() {
    let rig = Rig::new(&["--blobs-per-hour", "0.1", "--duplicates", "0.02"]);
    let topic = format!("metrics-{}", std::process::id());
    broker().create_topic(&topic, 1, &[]).await;
    rig.configure(&format!(
        "[sinks.file]\ntype = \"file\"\ninputs = [\"map\"]\npath = \"{}/out.ndjson\"\n\
         [sinks.kafka]\ntype = \"kafka\"\ninputs = [\"map\"]\nbootstrap_servers = {:?}\n\
         topic = {topic:?}\nstatistics_interval = \"200ms\"\n\
         request = {{ concurrency = \"adaptive\" }}\nbuffer = {{ type = \"disk\" }}\n\
         [metrics]\naddress = \"127.0.0.1:0\"\n",
        rig.folder.path().display(),
        broker().bootstrap(Listener::Plaintext),
    ));
    let served = Served::start(&rig);
    let mut metrics = String::new();
    let last = [r#"state="delivered""#, "kafka_broker_connects_total{"];
    for _ in 0..300 {
        let (status, body) = served.get("/metrics");
        assert_eq!(status, 200);
        metrics = body;
        if last.iter().all(|name| metrics.contains(name)) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(last.iter().all(|name| metrics.contains(name)), "nothing was delivered:\n{metrics}");
    assert_eq!(promtool_complaints(&metrics), "");

    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"))
        .expect("there is a README");
    let is_metric = |name: &&str| {
        ["adaptive_", "component_", "buffer_", "kafka_", "o365_", "o365flow_"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
            || *name == "utilization"
    };
    let documented: BTreeSet<&str> = readme
        .lines()
        .filter(|line| line.starts_with('|'))
        .flat_map(|line| line.split('|').nth(1).unwrap_or_default().split('`'))
        .filter(is_metric)
        .collect();
    let scraped: BTreeSet<&str> = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    let undocumented: Vec<_> = scraped.difference(&documented).collect();
    assert!(undocumented.is_empty(), "not in README's table: {undocumented:?}");
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
