//! One run of the program against one server, through a proxy.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::PathBuf,
    process::{Child, Stdio},
    time::Duration,
};

use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::{
    rig::Rig,
    target::{Resent, Target},
    toxiproxy::{Direction, Proxy, Toxic, toxiproxy},
};

/// Bytes that reach the server in a second on each connection until a trial's trouble is over, in thousands: so few that
/// requests are under way whenever something breaks.
const NARROW: u64 = 100;

/// Longest wait for the first events, and for the last ones: machines can be slow.
const WAIT_MAX: Duration = Duration::from_mins(2);

const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// The program at work.
pub(crate) struct Trial<T> {
    pub(crate) target: T,
    pub(crate) proxy: Proxy,
    pub(crate) rig: Rig,
    expected: BTreeSet<String>,
    running: Child,
    /// What the sink had complained of before there was a reason to.
    complaints_before: usize,
}

impl<T: Target> Trial<T> {
    /// Starts the program; it is amid its work when this returns.
    pub(crate) async fn begin(target: T) -> Trial<T> {
        let proxy = toxiproxy().proxy_for(&target).await;
        let mut trial = Trial::begin_through(target, proxy).await;
        let start = Instant::now();
        // A server that has just started may be too slow for the first requests.
        while trial.target.ids().await.is_empty() || trial.is_in_trouble() {
            assert!(start.elapsed() < WAIT_MAX, "nothing arrives:\n{}", trial.log());
            trial.assert_running();
            sleep(LOOK_INTERVAL).await;
        }
        trial.complaints_before = trial.complaints().count();
        trial
    }

    /// Starts the program with nothing in its way, and does not wait for anything.
    pub(crate) async fn begin_wide(target: T) -> Trial<T> {
        let proxy = toxiproxy().proxy_for(&target).await;
        let trial = Trial::begin_through(target, proxy).await;
        trial.proxy.heal().await;
        trial
    }

    /// Starts the program, and does not wait for anything.
    pub(crate) async fn begin_through(target: T, proxy: Proxy) -> Trial<T> {
        proxy.lay(Toxic::Bandwidth(NARROW), Direction::ToServer).await;
        // About 3,000 records.
        let rig =
            Rig::new(&["--blobs-per-hour", "0.05", "--records-min", "50", "--records-max", "100"]);
        rig.configure(&format!("[sinks.out]\ninputs = [\"map\"]\n{}", target.sink(&proxy.address)));
        let expected = rig.expected();
        let running = start(&rig);
        Trial { target, proxy, rig, expected, running, complaints_before: 0 }
    }

    /// How many different events have arrived.
    pub(crate) async fn arrived(&self) -> usize {
        self.target.ids().await.into_iter().collect::<BTreeSet<_>>().len()
    }

    /// How many events the program has noted as delivered.
    pub(crate) fn settled(&self) -> usize {
        let output = self.rig.command("report", &["--format", "json"]).output().expect("it starts");
        let report: Value = serde_json::from_slice(&output.stdout).expect("a report is JSON");
        let settled = report["sources"][0]["totals"]["records"]["delivered"].as_u64();
        usize::try_from(settled.expect("it counts records")).expect("it is small")
    }

    /// What the program has logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(log_file(&self.rig)).expect("there is a log")
    }

    /// Waits, and checks that the program had to wait too, and says so.
    pub(crate) async fn endure(&mut self, time: Duration) {
        sleep(time).await;
        self.assert_running();
        let complaints = self.complaints().count();
        assert!(complaints > self.complaints_before, "it says nothing:\n{}", self.log());
    }

    /// Waits until the sink complains of something.
    pub(crate) async fn await_complaint(&mut self, of: &str) {
        let start = Instant::now();
        while !self.complaints().any(|line| line.contains(of)) {
            self.assert_running();
            assert!(start.elapsed() < WAIT_MAX, "no complaint of `{of}`:\n{}", self.log());
            sleep(LOOK_INTERVAL).await;
        }
    }

    /// The lines in which the sink complains.
    pub(crate) fn complaints(&self) -> impl Iterator<Item = String> {
        let log = self.log().lines().map(str::to_owned).collect::<Vec<_>>();
        log.into_iter().filter(|line| {
            line.contains(r#""component_id":"out""#)
                && (line.contains(r#""level":"WARN""#) || line.contains(r#""level":"ERROR""#))
        })
    }

    /// Whether the sink's last word on delivery was a complaint.
    fn is_in_trouble(&self) -> bool {
        let log = self.log();
        let is_word = |line: &&str| {
            line.contains(r#""component_id":"out""#) && line.contains(r#""message":"delivery "#)
        };
        log.lines().rev().find(is_word).is_some_and(|line| !line.contains(r#""level":"INFO""#))
    }

    /// Kills the program where it stands.
    pub(crate) fn kill(&mut self) {
        self.assert_running();
        self.running.kill().expect("it is our child");
        self.running.wait().expect("it is our child");
    }

    /// Starts the program after it was killed.
    pub(crate) fn start_again(&mut self) {
        self.running = start(&self.rig);
    }

    pub(crate) fn assert_running(&mut self) {
        let ended = self.running.try_wait().expect("it is our child");
        assert!(ended.is_none(), "the program has ended, {ended:?}:\n{}", self.log());
    }

    /// Waits for the program's end, with nothing in its way any more. All must be there then, and of repeats no more than
    /// there may be after `resent`.
    pub(crate) async fn finish(mut self, resent: Resent) {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.running.try_wait().expect("it is our child") {
                break status;
            }
            assert!(start.elapsed() < WAIT_MAX, "it does not end:\n{}", self.log());
            sleep(LOOK_INTERVAL).await;
        };
        let log = self.log();
        assert!(status.success(), "the run failed:\n{log}");
        self.assert_nothing_given_up(&log);
        let found = self.target.ids().await;
        let distinct: BTreeSet<String> = found.iter().cloned().collect();
        let missing = self.expected.difference(&distinct).count();
        assert_eq!(missing, 0, "{missing} of {} events are missing:\n{log}", self.expected.len());
        assert_eq!(distinct.len(), self.expected.len(), "there are events of nobody");
        let (repeats, most) = (found.len() - distinct.len(), self.target.repeats_max(resent));
        report(&format!(
            "{} events arrived, {repeats} of them again; at most {most} may",
            distinct.len()
        ));
        assert!(repeats <= most, "{repeats} repeats where {most} may be:\n{log}");
    }

    /// Kills the program, whose events could not be delivered: none may be given up.
    pub(crate) fn give_up(mut self) {
        self.kill();
        self.assert_nothing_given_up(&self.log());
    }

    fn assert_nothing_given_up(&self, log: &str) {
        let folder = self.rig.folder.path().join("state/dead-letters");
        let letters: Vec<PathBuf> = fs::read_dir(&folder)
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default();
        assert!(letters.is_empty(), "there are dead letters: {letters:?}\n{log}");
        for secret in self.target.secrets().iter().chain([&self.rig.client_secret()]) {
            assert!(!log.contains(secret.as_str()), "the log holds a secret:\n{log}");
        }
    }
}

impl<T> Drop for Trial<T> {
    fn drop(&mut self) {
        // After a failed check it may still run; both fail if it does not.
        self.running.kill().unwrap_or_default();
        self.running.wait().map(drop).unwrap_or_default();
    }
}

fn log_file(rig: &Rig) -> PathBuf {
    rig.folder.path().join("log")
}

fn start(rig: &Rig) -> Child {
    let log = File::options().create(true).append(true).open(log_file(rig)).expect("a log");
    let output = log.try_clone().expect("a log");
    rig.program(&["--once"]).stdout(Stdio::from(output)).stderr(log).spawn().expect("it starts")
}

/// Prints, which the test runner shows when a test fails or is told to.
#[expect(clippy::print_stdout, reason = "figures for people")]
fn report(line: &str) {
    println!("{line}");
}
