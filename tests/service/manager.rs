//! What a service manager is told, as systemd would hear it.

use std::{
    fs, io,
    net::TcpListener,
    os::unix::net::UnixDatagram,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

use crate::rig::{Rig, write_private};

/// Longest wait for what takes a second at most, on a machine that has other work.
const PATIENCE: Duration = Duration::from_secs(20);

/// A service manager, as far as a service can see it.
struct Manager {
    socket: UnixDatagram,
    folder: TempDir,
}

impl Manager {
    fn new() -> Manager {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = UnixDatagram::bind(folder.path().join("notify")).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("sockets have time-outs");
        Manager { socket, folder }
    }

    /// Starts `program`, to be ended where it gives no sign of life for `watchdog`.
    fn start(&self, mut program: Command, watchdog: Duration) -> Child {
        program
            .env("NOTIFY_SOCKET", self.folder.path().join("notify"))
            .env("WATCHDOG_USEC", watchdog.as_micros().to_string())
            .stderr(Stdio::null());
        program.spawn().expect("the program starts")
    }

    fn hear(&self) -> io::Result<String> {
        let mut message = [0; 4096];
        let length = self.socket.recv(&mut message)?;
        Ok(String::from_utf8_lossy(&message[..length]).into_owned())
    }

    /// Hears one that begins so; signs of life may come before it.
    fn expect(&self, start: &str) -> String {
        loop {
            let message = self.hear().unwrap_or_else(|error| panic!("no `{start}`: {error}"));
            if message.starts_with(start) {
                return message;
            }
            assert_eq!(message, "WATCHDOG=1\n", "instead of `{start}`");
        }
    }
}

fn signal(running: &Child, signal: Signal) {
    let id = i32::try_from(running.id()).expect("an id");
    kill(Pid::from_raw(id), signal).expect("it is our child");
}

fn ended(mut running: Child) -> ExitStatus {
    running.wait().expect("it is our child")
}

fn tenant(rest: &str) -> Rig {
    let rig = Rig::new(&["--blobs-per-hour", "0.1", "--records-min", "2", "--records-max", "4"]);
    let sink = "[sinks.out]\ntype = \"blackhole\"\ninputs = [\"map\"]";
    rig.configure(&format!("{rest}\n{sink}"));
    rig
}

#[test]
fn it_hears_of_the_start_of_life_and_of_the_end() {
    let (rig, manager) = (tenant(""), Manager::new());
    let running = manager.start(rig.program(&[]), Duration::from_millis(600));
    let ready = manager.expect("READY=1\n");
    let status = "STATUS=running, generation 1; sources: 1, transforms: 1, sinks: 1\n";
    assert_eq!(ready, format!("READY=1\n{status}"));
    for _ in 0..5 {
        assert_eq!(manager.hear().expect("a sign of life"), "WATCHDOG=1\n");
    }
    signal(&running, Signal::SIGTERM);
    let stopping = manager.expect("STOPPING=1\n");
    // The drain's own time, one minute, and a quarter of one for what follows.
    assert!(stopping.contains("EXTEND_TIMEOUT_USEC=75000000\n"), "{stopping}");
    assert!(stopping.contains("STATUS=draining"), "{stopping}");
    assert_eq!(ended(running).code(), Some(0));
}

#[test]
fn it_hears_of_a_reload_and_of_one_that_is_refused() {
    let (rig, manager) = (tenant(""), Manager::new());
    let running = manager.start(rig.program(&[]), Duration::from_mins(1));
    manager.expect("READY=1\n");
    for (line, refused) in [("", false), ("date_dir = 1", true), ("", false)] {
        let path = rig.folder.path().join("o365flow.toml");
        let text = fs::read_to_string(&path).expect("it is configured");
        write_private(&path, &format!("{line}\n{text}"));
        signal(&running, Signal::SIGHUP);
        let reloading = manager.expect("RELOADING=1\n");
        let since = reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
        assert!(since.is_some_and(|since| since.parse::<u64>().is_ok()), "{reloading}");
        let ready = manager.expect("READY=1\n");
        assert!(ready.contains("generation 1; sources: 1"), "what runs, runs on: {ready}");
        assert_eq!(ready.contains("the last reload was refused"), refused, "{ready}");
        write_private(&path, &text);
    }
    signal(&running, Signal::SIGTERM);
    manager.expect("STOPPING=1\n");
    assert_eq!(ended(running).code(), Some(0));
}

#[test]
fn a_program_that_stands_still_gives_no_sign_of_life() {
    let (rig, manager) = (tenant(""), Manager::new());
    let running = manager.start(rig.program(&[]), Duration::from_millis(300));
    manager.expect("READY=1\n");
    manager.expect("WATCHDOG=1\n");
    signal(&running, Signal::SIGSTOP);
    manager.socket.set_read_timeout(Some(Duration::from_millis(900))).expect("it has time-outs");
    // What was sent before it stopped.
    let heard = (0..20).find_map(|_| manager.hear().err()).expect("it falls silent");
    assert_eq!(heard.kind(), io::ErrorKind::WouldBlock);
    signal(&running, Signal::SIGCONT);
    manager.socket.set_read_timeout(Some(PATIENCE)).expect("it has time-outs");
    assert_eq!(manager.hear().expect("it lives"), "WATCHDOG=1\n");
    signal(&running, Signal::SIGKILL);
    ended(running);
}

#[test]
fn one_that_cannot_start_is_never_ready() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    for (rest, code) in [
        (format!("[metrics]\naddress = \"{address}\""), 1),
        ("shutdown_timeout = \"soon\"".to_owned(), 78),
    ] {
        let (rig, manager) = (tenant(&rest), Manager::new());
        let running = manager.start(rig.program(&[]), Duration::from_mins(1));
        assert_eq!(ended(running).code(), Some(code));
        manager.socket.set_nonblocking(true).expect("it can be asked at once");
        assert_eq!(manager.hear().expect_err("it says nothing").kind(), io::ErrorKind::WouldBlock);
    }
}
