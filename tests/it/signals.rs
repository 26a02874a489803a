//! How the program ends: by signals, by itself, and when it cannot start.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::time::{Instant, sleep};

use crate::rig::Rig;

/// Longest wait for what takes a second at most, on a machine that has other work.
const PATIENCE: Duration = Duration::from_secs(20);

fn tenant() -> Rig {
    Rig::new(&["--blobs-per-hour", "0.3", "--records-min", "20", "--records-max", "40"])
}

fn configure_file(rig: &Rig, rest: &str) {
    let out = rig.folder.path().join("out.ndjson");
    let out = out.display();
    rig.configure(&format!(
        "{rest}\n[sinks.out]\ntype = \"file\"\ninputs = [\"map\"]\npath = \"{out}\""
    ));
}

fn signal(running: &Child, signal: Signal) {
    let id = i32::try_from(running.id()).expect("an id");
    kill(Pid::from_raw(id), signal).expect("it is our child");
}

async fn ended(running: &mut Child) -> (ExitStatus, Duration) {
    let start = Instant::now();
    loop {
        if let Some(status) = running.try_wait().expect("it is our child") {
            return (status, start.elapsed());
        }
        assert!(start.elapsed() < PATIENCE, "it does not end");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Waits for a line of the log that contains `part`.
fn wait_for(log: &mut impl BufRead, part: &str) {
    let mut line = String::new();
    while !line.contains(part) {
        line.clear();
        assert!(log.read_line(&mut line).expect("the log is text") > 0, "no `{part}` in the log");
    }
}

/// The next line of the log whose message contains `part`.
fn line_of(log: &mut impl BufRead, part: &str) -> serde_json::Value {
    let lines = log.lines().map(|line| line.expect("the log is text"));
    let mut lines = lines.map(|line| serde_json::from_str(&line).expect("a line is JSON"));
    let says = |line: &serde_json::Value| {
        line["message"].as_str().is_some_and(|message| message.contains(part))
    };
    lines.find(says).unwrap_or_else(|| panic!("no `{part}` in the log"))
}

#[tokio::test]
async fn sigterm_drains_and_ends_well() {
    let rig = tenant();
    configure_file(&rig, "");
    for number in [Signal::SIGTERM, Signal::SIGINT] {
        let mut running =
            rig.program(&[]).stderr(Stdio::piped()).spawn().expect("the program starts");
        let mut log = BufReader::new(running.stderr.take().expect("it is piped"));
        wait_for(&mut log, "\"running\"");
        sleep(Duration::from_millis(50)).await;
        signal(&running, number);
        wait_for(&mut log, "draining");
        let (status, _) = ended(&mut running).await;
        let mut rest = String::new();
        log.read_to_string(&mut rest).expect("the log is text");
        assert_eq!(status.code(), Some(0), "{rest}");
    }
    // What was drained is there, and what was not comes with the next run: once.
    rig.run_once();
    let written = fs::read_to_string(rig.folder.path().join("out.ndjson")).expect("it was written");
    assert_eq!(written.lines().count(), rig.expected().len());
}

/// A sink whose server never answers; the program waits for it when it drains.
#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("an address");
    let rig = tenant();
    rig.configure(&format!(
        "[sinks.out]\ntype = \"elasticsearch\"\ninputs = [\"map\"]\nendpoints = [\"http://{address}\"]\nmode = \"bulk\"\nbulk.index = \"x\""
    ));
    let mut running = rig.program(&[]).stderr(Stdio::piped()).spawn().expect("the program starts");
    let mut log = BufReader::new(running.stderr.take().expect("it is piped"));
    wait_for(&mut log, "\"running\"");
    // The sink is at work when somebody has called its server.
    let _call = silent.accept().expect("the sink calls");
    signal(&running, Signal::SIGTERM);
    wait_for(&mut log, "draining");
    sleep(Duration::from_millis(300)).await;
    assert!(running.try_wait().expect("it is our child").is_none(), "it did not wait");
    signal(&running, Signal::SIGTERM);
    let (status, took) = ended(&mut running).await;
    assert!(took < Duration::from_secs(6), "{took:?}");
    assert_eq!(status.code(), Some(0));
    let undelivered = line_of(&mut log, "not delivered: these");
    assert_eq!(undelivered["component_id"], "out");
    assert!(undelivered["events"].as_u64() > Some(0), "{undelivered}");
}

/// A pipe that nobody reads blocks whoever writes to it, beyond any order to end.
#[tokio::test]
async fn a_console_that_blocks_does_not_hold_the_end_up() {
    let rig = tenant();
    rig.configure("[sinks.out]\ntype = \"console\"\ninputs = [\"map\"]");
    let mut running = rig
        .program(&[])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut log = BufReader::new(running.stderr.take().expect("it is piped"));
    wait_for(&mut log, "\"running\"");
    let mut console = running.stdout.take().expect("it is piped");
    console.read_exact(&mut [0; 10]).expect("the console sink writes");
    sleep(Duration::from_millis(300)).await;
    signal(&running, Signal::SIGTERM);
    wait_for(&mut log, "draining");
    signal(&running, Signal::SIGTERM);
    let (status, took) = ended(&mut running).await;
    assert!(took < Duration::from_secs(8), "{took:?}");
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn a_console_whose_reader_goes_away_ends_the_run_with_an_error() {
    let rig = tenant();
    rig.configure("[sinks.out]\ntype = \"console\"\ninputs = [\"map\"]");
    let mut running = rig
        .program(&[])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut log = BufReader::new(running.stderr.take().expect("it is piped"));
    let mut console = running.stdout.take().expect("it is piped");
    console.read_exact(&mut [0; 10]).expect("the console sink writes");
    drop(console);
    let (status, _) = ended(&mut running).await;
    let mut said = String::new();
    log.read_to_string(&mut said).expect("the log is text");
    assert_eq!(status.code(), Some(1), "{said}");
    let last = said.lines().last().unwrap_or_default();
    assert_eq!(last, "error: `out` failed: it ended before what feeds it", "{said}");
}

#[test]
fn a_port_in_use_is_said_in_plain_words() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let rig = tenant();
    for section in ["metrics", "api"] {
        configure_file(&rig, &format!("[{section}]\naddress = \"{address}\""));
        let output = rig.program(&[]).output().expect("the program starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        let expected = format!(
            "error: cannot listen at {address}, set by `[{section}]`: Address already in use"
        );
        assert!(said.contains(&expected), "{said}");
    }
}

#[test]
fn a_source_that_cannot_sign_in_fails_a_run_once() {
    let rig = tenant();
    configure_file(&rig, "");
    let path = rig.folder.path().join("o365flow.toml");
    let text = fs::read_to_string(&path).expect("it was written");
    let changed: Vec<&str> =
        text.lines()
            .map(|line| {
                if line.starts_with("client_secret") { "client_secret = \"hunter2\"" } else { line }
            })
            .collect();
    fs::write(&path, changed.join("\n")).expect("it is written");
    let output: std::process::Output =
        Command::output(&mut rig.program(&["--once"])).expect("the program starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("error: `office365` failed: "), "{said}");
    assert!(!said.contains("hunter2"), "a secret is shown: {said}");
    assert!(said.contains("blobs delivered"), "what was done is told of a failed run too: {said}");
    assert!(output.stdout.is_empty(), "standard output is for a console sink");
}
