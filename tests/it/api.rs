//! The API of a running program: what it shows is so, what is shown in its page works, and no request disturbs it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpStream},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use serde_json::Value;
use tokio::time::Instant;

use crate::rig::{Rig, resident_kilobytes};

const TOKEN: &str = "0123456789abcdef-made-up";

/// How long a request may take, however strange it is.
const PATIENCE: Duration = Duration::from_secs(15);

/// A running program that serves its API.
struct Served {
    child: Child,
    address: String,
    log: Arc<Mutex<String>>,
}

impl Served {
    fn start(rig: &Rig) -> Served {
        let mut child =
            rig.program(&[]).stderr(Stdio::piped()).spawn().expect("the program starts");
        let mut lines = BufReader::new(child.stderr.take().expect("its log is piped")).lines();
        let address = lines
            .by_ref()
            .map(|line| line.expect("the log can be read"))
            .find_map(|line| {
                let line: Value = serde_json::from_str(&line).ok()?;
                Some(line["address"].as_str()?.to_owned())
            })
            .expect("it says where it listens");
        let log = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&log);
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                kept.lock().expect("nobody panics with it").extend([line.as_str(), "\n"]);
            }
        });
        Served { child, address, log }
    }

    /// Asks with the token.
    fn get(&self, path: &str) -> (u16, String) {
        self.get_with(path, &format!("authorization: Bearer {TOKEN}"))
    }

    fn get_with(&self, path: &str, header: &str) -> (u16, String) {
        let head = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n{header}\r\n\r\n", self.address);
        let answer = exchange(&self.address, head.as_bytes(), End::Open);
        let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        (status(&answer), body.to_owned())
    }

    /// Opens a session and gives the header that shows it.
    fn session(&self) -> String {
        let body = format!(r#"{{"token":"{TOKEN}"}}"#);
        let request = format!(
            "POST /session HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        let answer = exchange(&self.address, request.as_bytes(), End::Open);
        let (_, cookie) = answer.split_once("set-cookie: ").expect("a session is opened");
        format!("cookie: {}", cookie.split(';').next().unwrap_or_default())
    }

    fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path);
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).expect("it is JSON")
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.child.kill().expect("it is our child");
        self.child.wait().expect("it is our child");
    }
}

/// The sum over a metric's series whose line has `label`.
fn metric(scrape: &str, name: &str, label: &str) -> u64 {
    let lines = scrape.lines().filter(|line| line.starts_with(name) && line.contains(label));
    lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
}

/// What a caller does once it has sent all that it has.
#[derive(Clone, Copy, PartialEq)]
enum End {
    /// It says nothing more.
    Open,
    /// It closes its side, so that what is not whole will never be.
    Closed,
}

/// Sends these bytes and gives what comes back until the connection ends, or has shown enough.
fn exchange(address: &str, bytes: &[u8], end: End) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("it can be set");
    // Whoever is refused early may find the connection closed.
    drop(stream.write_all(bytes));
    if end == End::Closed {
        drop(stream.shutdown(Shutdown::Write));
    }
    let mut answer = Vec::new();
    drop(stream.take(200_000).read_to_end(&mut answer));
    String::from_utf8_lossy(&answer).into_owned()
}

/// 0 where nothing was answered.
fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

fn configured(rig: &Rig) {
    let folder = rig.folder.path().display();
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        free.local_addr().expect("it has an address").port()
    };
    rig.configure(&format!(
        "[sinks.file]\ntype = \"file\"\ninputs = [\"map\"]\npath = \"{folder}/out.ndjson\"\n\
         [metrics]\naddress = \"127.0.0.1:{port}\"\n\
         [api]\naddress = \"127.0.0.1:{port}\"\ntoken = \"{TOKEN}\"\n"
    ));
}

/// The ids of the file that the sink writes, repeats included.
fn shipped(rig: &Rig) -> Vec<String> {
    let text = fs::read_to_string(rig.folder.path().join("out.ndjson")).unwrap_or_default();
    let id = |line: &str| {
        let event: Value = serde_json::from_str(line).ok()?;
        Some(event["event"]["id"].as_str()?.to_owned())
    };
    text.lines().filter_map(id).collect()
}

#[test]
fn what_it_shows_is_what_the_ledger_says() {
    let rig = Rig::new(&["--blobs-per-hour", "0.2"]);
    configured(&rig);
    let served = Served::start(&rig);
    let expected = rig.expected().len();
    let start = Instant::now();
    while shipped(&rig).len() < expected && start.elapsed() < Duration::from_mins(1) {
        thread::sleep(Duration::from_millis(100));
    }
    let topology = served.json("/api/topology");
    let ids: Vec<&str> = topology["components"]
        .as_array()
        .expect("components")
        .iter()
        .map(|component| component["id"].as_str().expect("an id"))
        .collect();
    assert_eq!(ids, ["office365", "map", "file"]);
    // What is read from the ledger is read again after ten seconds.
    let whole = |feeds: &Value| {
        let feeds = feeds.as_array().expect("feeds").clone();
        let hours = feeds.iter().flat_map(|feed| feed["hours"].as_array().expect("hours").clone());
        let sum = |key: &str| hours.clone().map(|hour| hour[key].as_u64().expect(key)).sum::<u64>();
        (feeds.len(), sum("listed"), sum("delivered"), sum("pending"), sum("lost"))
    };
    let start = Instant::now();
    let mut feeds = served.json("/api/feeds");
    while whole(&feeds).3 > 0 && start.elapsed() < Duration::from_secs(30) {
        thread::sleep(Duration::from_millis(500));
        feeds = served.json("/api/feeds");
    }
    let (count, listed, delivered, pending, lost) = whole(&feeds);
    assert_eq!((count, pending, lost), (5, 0, 0), "{feeds}");
    assert!(listed > 10 && listed == delivered, "{feeds}");
    for feed in feeds.as_array().expect("feeds") {
        assert_eq!(
            (&feed["source"], &feed["tenant_name"]),
            (&"office365".into(), &"made-up".into())
        );
        assert_eq!(feed["state"], "ok", "{feed}");
        assert!(
            feed["token_expires"].is_string() && feed["certificate_expires"].is_null(),
            "{feed}"
        );
    }
    assert_eq!(whole(&served.json("/api/feeds?tenant=nobody")).0, 0);
    assert_eq!(whole(&served.json("/api/feeds?tenant=made-up&offset=3&limit=1")).0, 1);
    assert_eq!(served.json("/api/status")["ready"], true);
}

/// Requests that are right, to make wrong ones of.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for line in [
        "GET /",
        "GET /health",
        "GET /metrics",
        "GET /api/topology",
        "GET /api/problems",
        "GET /api/feeds?tenant=made-up&limit=3&offset=1",
        "GET /api/tap?component=map&port=&side=out&condition=true&rate=5",
        "GET /api/transforms/map/program",
        "GET /api/transforms/map/samples",
        "POST /api/transforms/map/try",
        "PUT /api/transforms/map/program",
        "POST /session",
        "DELETE /session",
    ] {
        for authorization in [TOKEN, "wrong"] {
            let body = if line.starts_with('P') {
                r#"{"token":"x","program":".a = 1","events":[{"a":1}]}"#
            } else {
                ""
            };
            seeds.push(
                format!(
                    "{line} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {authorization}\r\n\
                     cookie: o365flow_session=00ff; a=b\r\norigin: http://localhost\r\nsec-fetch-site: same-origin\r\n\
                     content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                )
                .into_bytes(),
            );
        }
    }
    seeds
}

/// Makes a wrong request of a right one.
fn mutate(random: &mut fastrand::Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = random.choice(seeds).expect("there are some").clone();
    for _ in 0..random.usize(0..6) {
        let at = random.usize(0..=bytes.len());
        let end = (at + random.usize(0..12)).min(bytes.len());
        match random.u8(0..8) {
            0 => bytes.truncate(at),
            1 => bytes.extend((0..random.usize(0..300)).map(|_| random.u8(..))),
            2 => drop(bytes.splice(at..end, (0..random.usize(0..12)).map(|_| random.u8(..)))),
            3 => drop(bytes.drain(at..end)),
            4 => bytes[at..end].reverse(),
            5 => {
                let other = random.choice(seeds).expect("there are some");
                let from = random.usize(0..other.len());
                drop(bytes.splice(at..end, other[from..].iter().copied().take(60)));
            }
            6 => {
                let strange = [
                    "%00",
                    "%ff",
                    "../",
                    "\r\n\r\n",
                    "\r\nhost: evil.example\r\n",
                    "transfer-encoding: chunked\r\n",
                    "content-length: 99999999\r\n",
                    "\u{202e}",
                    "HTTP/0.9",
                    "?a&a=&=&%",
                    "{id}",
                    "Expect: 100-continue\r\n",
                ];
                let text = random.choice(strange).expect("there are some");
                drop(bytes.splice(at..at, text.bytes()));
            }
            _ => {
                for byte in &mut bytes[at..end] {
                    *byte ^= 1 << random.u8(0..8);
                }
            }
        }
    }
    bytes
}

/// How often each status was answered to what a caller made up from `seed` for as long as `time`.
fn attack(address: &str, seed: u64, time: Duration) -> BTreeMap<u16, u64> {
    let mut random = fastrand::Rng::with_seed(seed);
    let (seeds, mut answered) = (seeds(), BTreeMap::new());
    let start = Instant::now();
    while start.elapsed() < time {
        let bytes = mutate(&mut random, &seeds);
        let answer = exchange(address, &bytes, End::Closed);
        let status = status(&answer);
        assert!(
            status < 500,
            "seed {seed}: {answer:.400}\nto: {}",
            String::from_utf8_lossy(&bytes)
        );
        *answered.entry(status).or_default() += 1;
    }
    answered
}

#[test]
fn no_request_disturbs_the_pipeline() {
    let rig = Rig::new(&["--blobs-per-hour", "3"]);
    configured(&rig);
    let served = Served::start(&rig);
    let address = served.address.clone();
    // The right token is not believed from where so many wrong ones come; a session is.
    let session = served.session();
    let callers: Vec<_> = (0..6_u64)
        .map(|seed| {
            let address = address.clone();
            thread::spawn(move || attack(&address, seed, Duration::from_secs(10)))
        })
        .collect();
    let mut answered: BTreeMap<u16, u64> = BTreeMap::new();
    for caller in callers {
        for (status, count) in caller.join().expect("no answer is wrong") {
            *answered.entry(status).or_default() += count;
        }
    }
    let of =
        |codes: std::ops::Range<u16>| answered.range(codes).map(|(_, count)| count).sum::<u64>();
    assert!(of(0..600) > 500, "{answered:?}");
    assert!(of(200..300) > 0 && of(400..500) > of(200..300), "{answered:?}");
    let (status, scrape) = served.get_with("/metrics", &session);
    assert_eq!(status, 200, "{scrape}");
    let refused = metric(&scrape, "api_refused_requests_total{", "");
    assert!(refused >= of(400..500), "{refused} were counted of {answered:?}");
    for reason in ["malformed", "token", "attempts", "method", "path", "host", "origin", "invalid"]
    {
        let label = format!("reason=\"{reason}\"");
        assert!(
            metric(&scrape, "api_refused_requests_total{", &label) > 0,
            "{reason}: {answered:?}"
        );
    }
    let (_, peak) = resident_kilobytes(served.child.id()).expect("it runs");
    assert!(peak < 600_000, "it took {peak} kB");

    let expected = rig.expected();
    let start = Instant::now();
    while shipped(&rig).len() < expected.len() && start.elapsed() < Duration::from_mins(1) {
        thread::sleep(Duration::from_millis(100));
    }
    let ids = shipped(&rig);
    let distinct: BTreeSet<String> = ids.iter().cloned().collect();
    assert_eq!((distinct.len(), ids.len()), (expected.len(), expected.len()));
    assert!(expected.is_subset(&distinct), "records are missing");
    let log = served.log.lock().expect("nobody panics with it").clone();
    assert!(!log.contains("panicked") && !log.contains(TOKEN), "{log}");
}

/// The commands of the page, each with what is said to come back.
fn commands() -> Vec<String> {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/api.md"));
    let page = page.expect("there is a page");
    let blocks =
        page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    blocks.map(str::to_owned).collect()
}

#[test]
fn the_commands_of_the_page_work() {
    let rig = Rig::new(&["--blobs-per-hour", "0.1"]);
    configured(&rig);
    let served = Served::start(&rig);
    let start = Instant::now();
    while served.get("/ready").0 != 200 && start.elapsed() < Duration::from_secs(30) {
        thread::sleep(Duration::from_millis(100));
    }
    let commands = commands();
    assert!(commands.len() >= 4, "{commands:?}");
    for command in commands {
        let output = Command::new("sh")
            .args(["-e", "-c", &command])
            .env("O365FLOW_URL", format!("http://{}", served.address))
            .env("O365FLOW_API_TOKEN", TOKEN)
            .env("no_proxy", "*")
            .current_dir(rig.folder.path())
            .output()
            .expect("there is a shell");
        let said = String::from_utf8_lossy(&output.stdout);
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !said.is_empty(), "{command}\n{said}\n{complaints}");
    }
}
