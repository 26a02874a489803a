//! What the page is opened at: the live demo, or a topology of one's own.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::rig::Rig;

/// Longest wait for what takes a second at most, on a machine that has other work.
const PATIENCE: Duration = Duration::from_mins(1);

/// How often a look is taken at what a program of its own does.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// A running program with a status page.
pub(super) struct Scene {
    child: Child,
    pub(super) url: String,
    /// Where it runs, with the programs that can be edited.
    pub(super) folder: TempDir,
}

impl Scene {
    /// The live demo, as `make demo LIVE=1` starts it, in a folder with the programs of this repository.
    pub(super) fn demo() -> Scene {
        let folder = tempfile::tempdir().expect("a folder");
        let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("vrl");
        copy(&programs, &folder.path().join("vrl"));
        let address = free_address();
        let mut demo = Command::new(env!("CARGO_BIN_EXE_o365flow"));
        demo.args(["demo", "--live"])
            .current_dir(folder.path())
            .env("DEMO_API_ADDRESS", &address)
            .env_remove("ELASTICSEARCH_URL");
        Scene::start(demo, &address, folder)
    }

    /// The configuration of `rig`, in which `ADDRESS` stands for a free one.
    pub(super) fn of(rig: &Rig, mapping: &str, rest: &str) -> Scene {
        let address = free_address();
        rig.configure_mapped(mapping, &rest.replace("ADDRESS", &address));
        Scene::start(rig.program(&[]), &address, tempfile::tempdir().expect("a folder"))
    }

    fn start(mut program: Command, address: &str, folder: TempDir) -> Scene {
        let mut child = program
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut log = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut said = String::new();
        while !said.contains("running") {
            let read = log.read_line(&mut said).expect("the log is text");
            assert!(read > 0, "it ended before it ran: {said}");
        }
        // The log is read on, so that the program never waits for us.
        std::thread::spawn(move || log.lines().for_each(drop));
        Scene { child, url: format!("http://{address}/"), folder }
    }

    /// The whole lines of a file that the demo writes.
    pub(super) fn written(&self, name: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.path().join("demo-output").join(name));
        let text = text.unwrap_or_default();
        // The last line may be written at this moment.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
    }

    /// Waits until the last line of a file that the demo writes is as wanted.
    pub(super) async fn until_written(&self, name: &str, is_wanted: impl Fn(&Value) -> bool) {
        self.until(name, || self.written(name).last().is_some_and(&is_wanted)).await;
    }

    /// Waits until something holds.
    pub(super) async fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let start = Instant::now();
        while !holds() {
            assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
            sleep(LOOK_INTERVAL).await;
        }
    }

    /// Ends the program as Ctrl-C does, and says whether all went well.
    pub(super) fn interrupt(mut self) -> bool {
        let id = i32::try_from(self.child.id()).expect("an id");
        kill(Pid::from_raw(id), Signal::SIGINT).expect("it is our child");
        self.child.wait().expect("it is our child").success()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// An address that nobody listens at, a moment ago at least.
fn free_address() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    listener.local_addr().expect("it has an address").to_string()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the folder is made");
    for entry in fs::read_dir(from).expect("it can be read") {
        let path = entry.expect("it can be read").path();
        let target: PathBuf = to.join(path.file_name().expect("it has a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).expect("it is copied");
        }
    }
}
