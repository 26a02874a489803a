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

/// Head and body of the answer, without the chunk framing: HTTP/1.0 has none.
fn ask(url: &str, method: &str, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).expect("a connection");
    write!(stream, "{method} {path} HTTP/1.0\r\n\r\n").expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    (head.to_owned(), body.to_owned())
}

fn get(url: &str, path: &str) -> String {
    let (head, body) = ask(url, "GET", path);
    assert!(head.starts_with("HTTP/1.0 200"), "{head}");
    body
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

#[test]
fn faults_are_asked_for_by_option() {
    let token = "/0f1e2d3c-4b5a-4697-8877-665544332211/oauth2/v2.0/token";
    for (arguments, is_faulty) in [
        (["--chaos", "1"].as_slice(), true),
        (&["--chaos", "1", "--fault", "token_error=0"], false),
        (&["--fault", "token_error=1"], true),
        (&["--fault", "throttle=1", "--fault", "gone=0.5"], false),
    ] {
        let mut running = start(&[arguments, &["--days", "0"]].concat());
        let url = running.ready["resource_url"].as_str().expect("a url").to_owned();
        let (head, _) = ask(&url, "POST", token);
        assert_eq!(head.starts_with("HTTP/1.0 503"), is_faulty, "{arguments:?}: {head}");
        let stats: Value = serde_json::from_str(&get(&url, "/_fake/stats")).expect("stats");
        let expected = if is_faulty {
            serde_json::json!([{ "fault": "token_error", "count": 1 }])
        } else {
            serde_json::json!([])
        };
        assert_eq!(stats["faults"], expected, "{arguments:?}");
        drop(running.input.take());
        running.child.wait().expect("an end");
    }
}

#[test]
fn faults_that_make_no_sense_are_refused() {
    for (option, value, reason) in [
        ("--chaos", "1.5", "not from 0 to 1"),
        ("--chaos", "NaN", "not from 0 to 1"),
        ("--chaos", "much", "not a number"),
        ("--fault", "throttle", "no `=` in it"),
        ("--fault", "thirst=0.1", "no kind of fault is called `thirst`"),
        ("--fault", "scripted=0.1", "no kind of fault is called `scripted`"),
        ("--fault", "throttle=-1", "not from 0 to 1"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_fake-tenant"))
            .arg(format!("{option}={value}"))
            .stdin(Stdio::null())
            .output()
            .expect("the program starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{option} {value}: {said}");
        assert!(said.contains(reason), "{option} {value}: {said}");
    }
}
