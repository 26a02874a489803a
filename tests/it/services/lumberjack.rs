//! A Lumberjack receiver on Elastic's own implementation of the protocol, by the scripts in `tests/services`.
//!
//! It starts in a moment, so that each test has its own, with the faults that it needs.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::atomic::{AtomicU32, Ordering},
};

use serde_json::Value;

use super::{folder, script};

/// Whether a receiver speaks TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Security {
    /// Not at all.
    Plain,
    /// With a certificate for `localhost` and `127.0.0.1`.
    Tls,
    /// As `Tls`, and it refuses clients without a certificate of its authority.
    Mutual,
    /// With a certificate of the test's own.
    Own { certificate: PathBuf, key: PathBuf },
}

/// A receiver that runs, unless it was stopped. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Lumberjack {
    /// As `127.0.0.1:5044`.
    pub(crate) address: String,
    folder: PathBuf,
    security: Security,
}

impl Lumberjack {
    /// Starts a receiver. `switches` are those of the program, as `-never-ack`.
    pub(crate) fn start(security: Security, switches: &[&str]) -> Lumberjack {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = folder(&format!("lumberjack-{number}"));
        let mut server = Lumberjack { address: String::new(), folder, security };
        server.start_again(switches);
        server
    }

    /// A receiver without TLS and without faults.
    pub(crate) fn plain() -> Lumberjack {
        Lumberjack::start(Security::Plain, &[])
    }

    /// Starts a receiver that was stopped or killed, at its address and with the events that it had.
    pub(crate) fn start_again(&mut self, switches: &[&str]) {
        let mut command = Command::new(script("lumberjack-start.sh"));
        command
            .arg(&self.folder)
            .arg("0")
            .args(switches)
            .env("LUMBERJACK_OWNER_PID", std::process::id().to_string());
        match &self.security {
            Security::Plain => {}
            Security::Tls => drop(command.env("LUMBERJACK_TLS", "1")),
            Security::Mutual => drop(command.env("LUMBERJACK_TLS", "mutual")),
            Security::Own { certificate, key } => {
                command
                    .env("LUMBERJACK_TLS", "1")
                    .env("LUMBERJACK_CERTIFICATE", certificate)
                    .env("LUMBERJACK_KEY", key);
            }
        }
        let output = command.output().expect("the script runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "the receiver does not start: {said}");
        let address = fs::read_to_string(self.folder.join("address")).expect("it has an address");
        address.trim().clone_into(&mut self.address);
    }

    /// Stops the receiver as a service manager does; its events stay.
    pub(crate) fn stop(&self) {
        let status = Command::new(script("lumberjack-stop.sh")).arg(&self.folder).status();
        assert!(status.expect("the script runs").success(), "the receiver does not stop");
    }

    /// Kills the receiver at once; its events stay.
    pub(crate) fn kill(&self) {
        let pid = fs::read_to_string(self.folder.join("pid")).expect("it runs");
        let status = Command::new("kill").args(["-KILL", pid.trim()]).status();
        assert!(status.expect("kill runs").success(), "the receiver does not run");
        // The script also waits for the end, and removes the pid.
        self.stop();
    }

    /// A file that lies in the receiver's folder, as `ca.crt`, `client.crt` or `client.key`.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// All events that have arrived, in order, repeats included.
    pub(crate) fn events(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.file("events.ndjson")).unwrap_or_default();
        // What a killed receiver was writing may lack its end.
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// How often each id has arrived: that of the field `id`, or else `event.id`.
    pub(crate) fn arrivals(&self) -> BTreeMap<String, usize> {
        let mut arrivals = BTreeMap::new();
        for event in self.events() {
            let id = event["id"].as_str().or(event["event"]["id"].as_str()).expect("an id");
            *arrivals.entry(id.to_owned()).or_default() += 1;
        }
        arrivals
    }
}

impl Drop for Lumberjack {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Sends the JSON lines of a file with the client that Beats use.
pub(crate) fn send_by_reference_client(address: &str, events: &Path, more: &[&str]) -> Output {
    let installed = Command::new(script("lumberjack-install.sh")).output().expect("it runs");
    let installed = String::from_utf8(installed.stdout).expect("a path is text");
    Command::new(Path::new(installed.trim()).join("send"))
        .args(["-address", address, "-events"])
        .arg(events)
        .args(more)
        .output()
        .expect("it runs")
}
