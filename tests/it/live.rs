//! A running program as it is watched and tuned: `tap`, `top`, and the workbench behind its page.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::rig::write_private;

const PROGRAM: &str = env!("CARGO_BIN_EXE_o365flow");

const TOKEN: &str = "0123456789abcdef-made-up";

const MAPPING: &str = ".mapped = true\n.n = int!(.n)\nif .n == 3 { abort }\n";

/// A program that reads a file to which records are added all the time.
struct Running {
    child: Child,
    address: String,
    folder: TempDir,
    is_over: Arc<AtomicBool>,
    writer: Option<JoinHandle<()>>,
}

impl Running {
    fn start() -> Running {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().display();
        fs::write(folder.path().join("map.vrl"), MAPPING).expect("it is written");
        let config = format!(
            r#"
data_dir = "{root}/state"
[api]
address = "127.0.0.1:0"
token = "{TOKEN}"
allow_edit = true
[sources.exports]
type = "file"
include = ["{root}/in.ndjson"]
schema = "any"
poll_interval = "100ms"
[transforms.map]
type = "remap"
inputs = ["exports"]
file = "{root}/map.vrl"
[sinks.out]
type = "blackhole"
inputs = ["map"]
"#
        );
        write_private(&folder.path().join("o365flow.toml"), &config);
        let mut child = Command::new(PROGRAM)
            .args(["run", "--log-format", "json", "--config"])
            .arg(folder.path().join("o365flow.toml"))
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut lines = BufReader::new(child.stderr.take().expect("its log is piped")).lines();
        let address = lines
            .by_ref()
            .map(|line| line.expect("the log can be read"))
            .find_map(|line| {
                let line: Value = serde_json::from_str(&line).ok()?;
                Some(line["address"].as_str()?.to_owned())
            })
            .expect("it says where it listens");
        thread::spawn(move || lines.for_each(drop));
        let is_over = Arc::new(AtomicBool::new(false));
        let (path, over) = (folder.path().join("in.ndjson"), Arc::clone(&is_over));
        let writer = thread::spawn(move || {
            let mut file = fs::File::create(path).expect("it can be made");
            let mut number = 0;
            while !over.load(Ordering::Relaxed) {
                for _ in 0..20 {
                    number += 1;
                    // Every tenth cannot be mapped.
                    let n = if number % 10 == 0 { json!("x") } else { json!(number % 5) };
                    writeln!(file, "{}", json!({"id": number, "n": n})).expect("it is written");
                }
                thread::sleep(Duration::from_millis(50));
            }
        });
        Running { child, address, folder, is_over, writer: Some(writer) }
    }

    fn command(&self, command: &str, arguments: &[&str]) -> Output {
        let url = format!("http://{}", self.address);
        Command::new(PROGRAM)
            .args([command, "--url", &url])
            .args(arguments)
            .env("O365FLOW_API_TOKEN", TOKEN)
            .output()
            .expect("the program starts")
    }

    fn tap(&self, arguments: &[&str]) -> Vec<Value> {
        let arguments = [arguments, &["--duration", "20s", "--format", "json"]].concat();
        let output = self.command("tap", &arguments);
        assert!(output.status.success(), "{}", stderr(&output));
        let lines = String::from_utf8(output.stdout).expect("it is text");
        lines.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {TOKEN}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            self.address,
            body.len(),
        )
        .expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        let value = serde_json::from_str(body).unwrap_or_else(|_| panic!("no JSON: {answer}"));
        (status.expect("a status"), value)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(writer) = self.writer.take() {
            writer.join().expect("it ends");
        }
        self.child.kill().expect("it is our child");
        self.child.wait().expect("it is our child");
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn tap_shows_events_as_they_pass() {
    let running = Running::start();
    let out = running.tap(&["map", "--count", "3", "--filter", ".n == 2"]);
    assert_eq!(out.len(), 3);
    for shown in &out {
        assert_eq!((&shown["side"], &shown["port"]), (&json!("out"), &json!("")));
        assert_eq!((&shown["event"]["n"], &shown["event"]["mapped"]), (&json!(2), &json!(true)));
    }
    let dropped = running.tap(&["map.dropped", "--count", "1"]);
    assert_eq!(dropped[0]["event"]["n"], "x", "it is as it came");
    let why = dropped[0]["metadata"]["dropped"]["message"].as_str().expect("a reason");
    assert!(why.contains("map.vrl:2: int!(.n)"), "{why}");
    let arrived = running.tap(&["out", "--count", "1"]);
    assert_eq!((&arrived[0]["side"], &arrived[0]["event"]["mapped"]), (&json!("in"), &json!(true)));
    let read = running.tap(&["exports", "--count", "1"]);
    assert_eq!(read[0]["event"]["mapped"], Value::Null);
    let both = running.tap(&["map", "--side", "both", "--count", "20", "--limit", "100"]);
    let of = |n: i64| both.iter().find(|shown| shown["before"]["n"] == n).expect("one of each");
    assert_eq!(of(1)["event"]["id"], of(1)["before"]["id"]);
    assert_eq!(of(1)["before"]["mapped"], Value::Null);
    let aborted = both.iter().find(|shown| shown["event"]["n"] == 3).expect("one was filtered out");
    assert_eq!((&aborted["side"], &aborted["before"]), (&json!("in"), &Value::Null));
}

#[test]
fn tap_says_what_is_wrong_with_its_arguments() {
    let running = Running::start();
    for (arguments, expected) in [
        (&["mapp"][..], "error: there is no component `mapp`; did you mean `map`?"),
        (
            &["map.hihg"],
            "error: there is no output `map.hihg`; its outputs are: `map`, `map.dropped`",
        ),
        (&["map", "--filter", ".a == "], "syntax error"),
        (&["map", "--limit", "0"], "0 events a second is no rate from 0 to 1000"),
        (&["out", "--side", "out"], "`out` is a sink; nothing leaves it"),
    ] {
        let output = running.command("tap", arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    }
    let output = running.command("tap", &["map", "--token", "0123456789abcdef-another"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!stderr(&output).contains("another"), "{}", stderr(&output));
}

#[test]
fn top_prints_what_the_program_does() {
    let running = Running::start();
    running.tap(&["out", "--count", "1"]);
    let output = running.command("top", &["--once"]);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(shown.starts_with("COMPONENT"), "{shown}");
    let row = |id: &str| shown.lines().find(|line| line.starts_with(id)).unwrap_or_default();
    assert!(row("exports").contains("source     file"), "{shown}");
    let words: Vec<&str> = row("map").split_whitespace().collect();
    let rate: f64 = words[3].parse().expect("events a second");
    assert!(rate > 50.0, "400 a second are written: {shown}");
    assert!(shown.contains("the program failed on an event"), "{shown}");
    let output = running.command("top", &[]);
    assert_eq!(output.status.code(), Some(2), "there is no terminal");
    assert!(stderr(&output).contains("use `--once`"), "{}", stderr(&output));
}

#[test]
fn a_program_that_is_not_there_is_said_to_be() {
    let output = Command::new(PROGRAM)
        .args(["top", "--once", "--url", "http://127.0.0.1:1"])
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("cannot reach the API at http://127.0.0.1:1"));
}

#[test]
fn the_workbench_tries_and_saves_a_program() {
    let running = Running::start();
    running.tap(&["map", "--count", "1"]);
    let path = "/api/transforms/map/program";
    let (status, program) = running.ask("GET", path, None);
    assert_eq!(
        (status, &program["text"], &program["writable"]),
        (200, &json!(MAPPING), &json!(true))
    );

    let mut samples = json!(null);
    for _ in 0..50 {
        samples = running.ask("GET", "/api/transforms/map/samples", None).1;
        if samples["events"][0]["id"].is_u64() {
            break;
        }
        thread::sleep(Duration::from_millis(100));
    }
    assert!(samples["events"][0]["id"].is_u64(), "{samples}");

    let attempt = |program: &str| json!({"program": program});
    let (status, tried) =
        running.ask("POST", "/api/transforms/map/try", Some(&attempt(".new = 1\n")));
    assert_eq!((status, &tried["ok"]), (200, &json!(true)));
    assert_eq!(tried["results"][0]["outputs"][0]["event"]["new"], 1, "{tried}");
    assert!(tried["nanoseconds_per_event"].as_u64() > Some(0), "{tried}");
    let (status, tried) =
        running.ask("POST", "/api/transforms/map/try", Some(&attempt("nosuch()\n")));
    assert_eq!((status, &tried["ok"]), (200, &json!(false)));
    assert_eq!(tried["diagnostics"][0]["line"], 1, "{tried}");

    let save = |text: &str| json!({"text": text, "digest": program["digest"]});
    let (status, _) = running.ask("PUT", path, Some(&save("nosuch()\n")));
    assert_eq!(status, 422);
    let (status, saved) = running.ask("PUT", path, Some(&save(".new = 1\n")));
    assert_eq!(status, 200, "{saved}");
    let (status, refused) = running.ask("PUT", path, Some(&save(".late = 1\n")));
    assert_eq!(status, 409, "{refused}");
    let file = running.folder.path().join("map.vrl");
    assert_eq!(fs::read_to_string(file).expect("it is there"), ".new = 1\n");
    let mapped = running.tap(&["map", "--count", "1", "--filter", "exists(.new)"]);
    assert_eq!(mapped[0]["event"]["new"], 1, "what is saved runs");

    for (method, path, expected) in [
        ("GET", "/api/transforms/out/program", 404),
        ("GET", "/api/transforms/..%2Fmap.vrl/program", 404),
        ("POST", "/api/transforms/absent/try", 404),
    ] {
        let body = (method == "POST").then(|| attempt("."));
        assert_eq!(running.ask(method, path, body.as_ref()).0, expected, "{path}");
    }
}
