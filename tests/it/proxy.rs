//! The program behind a proxy of the test's own, which notes what it is asked.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use crate::rig::{Rig, row, summary, write_private};

/// `me:geheim`, as Basic writes it.
const CREDENTIALS: &str = "proxy-authorization: Basic bWU6Z2VoZWlt";

/// A proxy that gives each request to `answer`; it lives as long as the test.
struct Proxy {
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn start(answer: fn(head: &str, body: &str) -> String) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let noted = Arc::clone(&heads);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let noted = Arc::clone(&noted);
                thread::spawn(move || serve(stream, answer, &noted));
            }
        });
        Proxy { port, heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("nobody panicked").clone()
    }
}

/// Answers the requests of one connection until it closes.
fn serve(mut stream: TcpStream, answer: fn(&str, &str) -> String, heads: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or_default() == 0 {
                return;
            }
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().expect("a number"))];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        heads.lock().expect("nobody panicked").push(head.clone());
        let body = String::from_utf8_lossy(&body);
        if stream.write_all(answer(&head, &body).as_bytes()).is_err() {
            return;
        }
    }
}

/// Runs a source of one feed until it says why it cannot be listed, and gives what it said.
fn complaint(source: &str, environment: &[(&str, String)]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("o365flow.toml");
    let text = format!(
        r#"
data_dir = "{}/state"
[sources.office365]
type = "office365"
content_types = ["Audit.General"]
{source}
[[sources.office365.tenants]]
name = "contoso"
tenant_id = "2d6f1f0c-9c4e-4f0b-8a58-0d4b1c3c7a11"
client_id = "7f1c9c58-55cb-4a3c-9a3e-5a1c1f5b2d22"
client_secret = "hunter2"
login_url = "login.invalid"
resource_url = "manage.invalid"
[sinks.out]
type = "blackhole"
inputs = ["office365"]
"#,
        folder.path().display()
    );
    write_private(&path, &text);
    let mut program = Command::new(env!("CARGO_BIN_EXE_o365flow"))
        .args(["run", "--log", "debug", "--log-format", "json", "--config"])
        .arg(&path)
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (*name, value)))
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut said = String::new();
    let mut lines = BufReader::new(program.stderr.take().expect("it is piped"));
    while !said.contains("feed could not be listed") {
        assert_ne!(lines.read_line(&mut said).expect("it is text"), 0, "it ended: {said}");
    }
    program.kill().expect("it runs");
    program.wait().expect("it ends");
    said
}

fn refuse(_head: &str, _body: &str) -> String {
    "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n".to_owned()
}

fn forbid(_head: &str, _body: &str) -> String {
    "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n".to_owned()
}

/// The sign-in asked the proxy, with its credentials, and the complaint names the proxy and what to do.
fn check_complaint(proxy: &Proxy, said: &str, parts: &[&str]) {
    for head in proxy.heads() {
        assert!(head.starts_with("CONNECT login.invalid:443 HTTP/1.1\r\n"), "{head}");
        assert!(head.contains(CREDENTIALS), "{head}");
    }
    assert!(!proxy.heads().is_empty(), "{said}");
    assert!(said.contains(&format!("127.0.0.1:{}", proxy.port)), "{said}");
    for part in parts {
        assert!(said.contains(part), "no `{part}` in {said}");
    }
    for secret in ["geheim", "bWU6Z2VoZWlt", "hunter2"] {
        assert!(!said.contains(secret), "{said}");
    }
}

#[test]
fn the_sign_in_goes_through_the_proxy_of_the_table_or_the_environment() {
    let table = |port: u16| {
        format!(
            "[sources.office365.proxy]\nurl = 'http://127.0.0.1:{port}'\nusername = 'me'\npassword = 'geheim'"
        )
    };
    let proxy = Proxy::start(refuse);
    let said = complaint(&table(proxy.port), &[]);
    check_complaint(&proxy, &said, &["(407)", "set `username` and `password`"]);
    let proxy = Proxy::start(forbid);
    let elsewhere = ("HTTPS_PROXY", "http://127.0.0.1:1".to_owned());
    let said = complaint(&table(proxy.port), &[elsewhere]);
    check_complaint(&proxy, &said, &["answered 403 Forbidden", "allow the host in the proxy"]);
    let proxy = Proxy::start(forbid);
    let url = format!("http://me:geheim@127.0.0.1:{}", proxy.port);
    let said = complaint("", &[("https_proxy", url)]);
    check_complaint(&proxy, &said, &["answered 403 Forbidden"]);
}

#[test]
fn what_is_excepted_does_not_ask_the_proxy() {
    for (source, no_proxy) in [
        ("proxy = { enabled = false }", ""),
        ("proxy = { no_proxy = ['*.invalid'] }", ""),
        ("", "login.invalid:443,10.0.0.0/8"),
    ] {
        let proxy = Proxy::start(forbid);
        let url = format!("http://me:geheim@127.0.0.1:{}", proxy.port);
        let environment = [("HTTPS_PROXY", url), ("NO_PROXY", no_proxy.to_owned())];
        let said = complaint(source, &environment);
        assert!(proxy.heads().is_empty(), "{source}");
        assert!(said.contains("cannot connect"), "{said}");
    }
}

/// As Elasticsearch answers where each document is stored.
fn store(head: &str, body: &str) -> String {
    if !head.starts_with("POST http://es.example:9200/") || !head.contains(CREDENTIALS) {
        return "HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n".to_owned();
    }
    let items = vec![r#"{"create":{"status":201}}"#; body.lines().count() / 2].join(",");
    let answer = format!(r#"{{"took":1,"errors":false,"items":[{items}]}}"#);
    let length = answer.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{answer}"
    )
}

#[test]
fn the_sink_is_reached_through_the_proxy_and_what_is_local_directly() {
    let proxy = Proxy::start(store);
    let rig = Rig::new(&["--blobs-per-hour", "0.1"]);
    rig.configure(&format!(
        r#"
[sinks.elastic]
type = "elasticsearch"
inputs = ["map"]
endpoints = ["http://es.example:9200"]
mode = "bulk"
compression = "none"
proxy = {{ url = "http://127.0.0.1:{port}", username = "me", password = "geheim" }}
"#,
        port = proxy.port
    ));
    let output = rig
        .program(&["--once"])
        .env("ALL_PROXY", "http://127.0.0.1:1")
        .output()
        .expect("the program starts");
    let summary = summary(&output);
    let expected = rig.expected().len() as u64;
    assert_eq!(row(&summary, "records out"), expected, "{summary}");
    assert!(!summary.contains("geheim"), "{summary}");
}
