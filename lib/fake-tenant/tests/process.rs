//! The program `fake-tenant` as another process uses it: it says where it is, serves, and ends when told to.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, Command, Stdio};

use serde_json::Value;

struct Running {
    child: Child,
    input: Option<ChildStdin>,
    ready: Value,
}

fn start(arguments: &[&str]) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fake-tenant"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut line = String::new();
    let output = child.stdout.take().expect("an output");
    BufReader::new(output).read_line(&mut line).expect("a line");
    let ready = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
    Running { input: child.stdin.take(), child, ready }
}

/// Body of a `GET`, without the chunk framing: HTTP/1.0 has none.
fn get(url: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).expect("a connection");
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.starts_with("HTTP/1.0 200"), "{head}");
    body.to_owned()
}

#[test]
fn serves_until_its_input_closes() {
    let mut running =
        start(&["--tenants", "2", "--days", "1", "--blobs-per-hour", "0.5", "--seed", "3"]);
    assert_eq!(running.ready["tenants"].as_array().map(Vec::len), Some(2));
    for field in ["tenant_id", "domain", "client_id", "client_secret"] {
        assert!(running.ready["tenants"][1][field].is_string(), "{field}");
    }
    let url = running.ready["resource_url"].as_str().expect("a url");
    let ids = get(url, "/_fake/expected");
    assert!(ids.lines().count() > 1000, "{} ids", ids.lines().count());
    let stats: Value = serde_json::from_str(&get(url, "/_fake/stats")).expect("stats");
    assert_eq!(stats["requests"], serde_json::json!([]));
    drop(running.input.take());
    assert!(running.child.wait().expect("an end").success());
}

#[test]
fn the_same_seed_gives_the_same_tenants() {
    let tenants = |seed| {
        let mut running = start(&["--seed", seed, "--days", "0"]);
        drop(running.input.take());
        running.child.wait().expect("an end");
        running.ready["tenants"].clone()
    };
    assert_eq!(tenants("9"), tenants("9"));
    assert_ne!(tenants("9"), tenants("10"));
}
