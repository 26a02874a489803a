//! Reloads of the real program: by SIGHUP under load, and when a file changes.

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, ChildStderr, Stdio},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tokio::time::Instant;

use crate::rig::{Rig, write_private};

/// Longest wait for what takes a second at most, on a machine that has other work.
const PATIENCE: Duration = Duration::from_mins(1);

const RELOADS: usize = 60;

/// The program, and the lines of its log.
struct Running {
    child: Child,
    log: Receiver<Value>,
}

impl Running {
    fn start(rig: &Rig, arguments: &[&str]) -> Running {
        let mut child =
            rig.program(arguments).stderr(Stdio::piped()).spawn().expect("the program starts");
        let (sender, log) = channel();
        let error: ChildStderr = child.stderr.take().expect("it is piped");
        std::thread::spawn(move || {
            for line in BufReader::new(error).lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut running = Running { child, log };
        running.wait_for(&["running"]);
        running
    }

    /// Waits for a line that says one of `parts`, and gives it.
    fn wait_for(&mut self, parts: &[&str]) -> Value {
        loop {
            let line = self.log.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("none of {parts:?} is in the log"));
            if parts
                .iter()
                .any(|part| line["message"].as_str().is_some_and(|text| text.contains(part)))
            {
                return line;
            }
        }
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("an id");
        kill(Pid::from_raw(id), signal).expect("it is our child");
    }

    /// Orders it to end, and gives what it said since.
    fn end(mut self) -> Vec<Value> {
        self.signal(Signal::SIGTERM);
        let status = self.child.wait().expect("it is our child");
        let said: Vec<Value> = self.log.iter().collect();
        assert_eq!(status.code(), Some(0), "{said:?}");
        said
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Where a test has failed. One that has ended can't be killed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

const TAKEN: &str = "the new configuration runs";
const SAME: &str = "says what it said before";
const REFUSED: &str = "not taken over";

/// How often each id stands in a file.
fn ids_in(path: &Path) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for line in fs::read_to_string(path).unwrap_or_default().lines() {
        let Ok(record) = serde_json::from_str::<Value>(line) else { continue };
        *times.entry(record["Id"].as_str().expect("an id").to_owned()).or_default() += 1;
    }
    times
}

/// A topology drawn by `dice`: what stays is the sink `keep`.
fn draw(dice: &mut fastrand::Rng, folder: &Path) -> (String, String, bool) {
    let shown = folder.display();
    let program = format!("source = '.version = {}'", dice.u8(0..4));
    let mut rest = String::new();
    let mut last = "map";
    if dice.bool() {
        rest += "[transforms.more]\ntype = \"filter\"\ninputs = [\"map\"]\ncondition = 'exists(.version)'\n";
        last = "more";
    }
    writeln!(
        rest,
        "[sinks.keep]\ntype = \"file\"\ninputs = [\"{last}\"]\npath = \"{shown}/keep.ndjson\""
    )
    .expect("a String takes all that is written to it");
    for number in 0..2 {
        if dice.bool() {
            let buffer = ["", "buffer.type = \"disk\"\n", "buffer.max_events = 500\n"];
            let buffer = buffer[dice.usize(0..3)];
            let input = ["office365", "map"][dice.usize(0..2)];
            writeln!(
                rest,
                "[sinks.other{number}]\ntype = \"file\"\ninputs = [\"{input}\"]\npath = \"{shown}/other{number}.{}.ndjson\"\n{buffer}",
                dice.u8(0..2)
            )
            .expect("a String takes all that is written to it");
        }
    }
    let is_broken = dice.u8(0..5) == 0;
    if is_broken {
        let broken = [
            "[sinks.bad]\ntype = \"file\"\ninputs = [\"nobody\"]\n",
            "[transforms.bad]\ntype = \"remap\"\n",
            "[[[",
        ];
        rest += broken[dice.usize(0..3)];
    }
    (program, rest, is_broken)
}

#[test]
fn reloads_under_load_lose_nothing_and_repeat_nothing() {
    let rig = Rig::new(&["--blobs-per-hour", "2", "--records-min", "20", "--records-max", "60"]);
    let folder = rig.folder.path().to_owned();
    let mut dice = fastrand::Rng::with_seed(7);
    let configure = |program: &str, rest: &str| {
        rig.configure_mapped(program, rest);
        // Slow enough to be under way for as long as this takes.
        let path = folder.join("o365flow.toml");
        let text = fs::read_to_string(&path).expect("it was written");
        let text =
            text.replace("max_requests_per_minute = 10000000", "max_requests_per_minute = 4000");
        write_private(&path, &text);
    };
    let keep = format!(
        "[sinks.keep]\ntype = \"file\"\ninputs = [\"map\"]\npath = \"{}/keep.ndjson\"\n",
        folder.display()
    );
    configure("source = '.version = 0'", &keep);
    let mut running = Running::start(&rig, &[]);
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..RELOADS {
        let (program, rest, is_broken) = draw(&mut dice, &folder);
        configure(&program, &rest);
        running.signal(Signal::SIGHUP);
        let end = running.wait_for(&[TAKEN, SAME, REFUSED]);
        let is_refused = end["message"].as_str().is_some_and(|text| text.contains(REFUSED));
        assert_eq!(is_refused, is_broken, "{end} of:\n{rest}");
        if is_refused {
            refused += 1;
        } else {
            taken += 1;
        }
        std::thread::sleep(Duration::from_millis(dice.u64(0..200)));
    }
    assert!(taken > RELOADS / 2 && refused > 3, "{taken} taken, {refused} refused");
    let expected: BTreeMap<String, usize> = rig.expected().into_iter().map(|id| (id, 1)).collect();
    let start = Instant::now();
    while ids_in(&folder.join("keep.ndjson")).len() < expected.len() && start.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(200));
    }
    running.end();
    let kept = ids_in(&folder.join("keep.ndjson"));
    let twice = kept.values().filter(|times| **times > 1).count();
    assert_eq!((kept.len(), twice), (expected.len(), 0));
    assert!(kept == expected, "the ids are others");
}

#[test]
fn a_reload_with_three_mistakes_tells_all_three_and_changes_nothing() {
    let rig = Rig::new(&["--blobs-per-hour", "0.2", "--records-min", "5", "--records-max", "9"]);
    let folder = rig.folder.path().to_owned();
    let sink = format!(
        "[sinks.keep]\ntype = \"file\"\ninputs = [\"map\"]\npath = \"{}/keep.ndjson\"\n",
        folder.display()
    );
    rig.configure_mapped("source = '.'", &sink);
    let mut running = Running::start(&rig, &[]);
    let wrong = sink.replace("inputs = [\"map\"]", "inputs = [\"mapp\"]\npat = \"x\"");
    rig.configure_mapped("source = '.x = '", &wrong);
    running.signal(Signal::SIGHUP);
    let said = running.wait_for(&[REFUSED]);
    assert_eq!(said["level"], "ERROR");
    let diagnostics = said["diagnostics"].as_str().expect("it says what is wrong");
    for part in [
        "there is no component `mapp`",
        "did you mean `map`?",
        "unknown option `pat`",
        "syntax error",
    ] {
        assert!(diagnostics.contains(part), "no `{part}` in:\n{diagnostics}");
    }
    assert!(!diagnostics.contains(&rig.client_secret()));
    // And it runs on.
    let start = Instant::now();
    while ids_in(&folder.join("keep.ndjson")).len() < rig.expected().len() {
        assert!(start.elapsed() < PATIENCE, "what is there is not delivered");
        std::thread::sleep(Duration::from_millis(100));
    }
    running.end();
}

/// The page for newcomers says: edit a program, and see what comes of it.
#[test]
fn an_edited_program_is_taken_over_within_two_seconds() {
    let rig = Rig::new(&["--blobs-per-hour", "0.2", "--records-min", "5", "--records-max", "9"]);
    let folder = rig.folder.path().to_owned();
    let program = folder.join("flatten.vrl");
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("vrl/flatten.vrl"))
        .expect("it is there");
    fs::write(&program, &text).expect("it is written");
    let sink = format!(
        "[sinks.keep]\ntype = \"file\"\ninputs = [\"map\"]\npath = \"{}/keep.ndjson\"\n",
        folder.display()
    );
    rig.configure_mapped(&format!("file = \"{}\"", program.display()), &sink);
    let mut running = Running::start(&rig, &["--watch-config"]);
    let mut check = |edit: &dyn Fn(), parts: &[&str]| {
        let start = Instant::now();
        edit();
        running.wait_for(parts);
        start.elapsed()
    };
    // As some editors do, and as others.
    let took = check(
        &|| fs::write(&program, format!("{text}\n.one = 1\n")).expect("it is written"),
        &[TAKEN],
    );
    assert!(took < Duration::from_secs(2), "{took:?}");
    let aside = folder.join("flatten.vrl.new");
    let replace = |text: &str| {
        fs::write(&aside, text).expect("it is written");
        fs::rename(&aside, &program).expect("it is renamed");
    };
    check(&|| replace(&format!("{text}\n.two = 2\n")), &[TAKEN]);
    check(&|| replace(".three = "), &[REFUSED]);
    check(&|| fs::remove_file(&program).expect("it is removed"), &[REFUSED]);
    check(&|| replace(&format!("{text}\n.four = 4\n")), &[TAKEN]);
    // As a mounted `ConfigMap` is changed.
    for version in ["a", "b"] {
        fs::create_dir(folder.join(version)).expect("a folder");
        fs::write(
            folder.join(version).join("flatten.vrl"),
            format!("{text}\n.five = \"{version}\"\n"),
        )
        .expect("it is written");
    }
    let link = |version: &str| {
        let aside = folder.join("current.new");
        std::os::unix::fs::symlink(folder.join(version), &aside).expect("a link");
        fs::rename(&aside, folder.join("current")).expect("it is renamed");
    };
    link("a");
    let linked = folder.join("current/flatten.vrl");
    let configure = || rig.configure_mapped(&format!("file = \"{}\"", linked.display()), &sink);
    check(&configure, &[TAKEN]);
    check(&|| link("b"), &[TAKEN]);
    let mut rest = String::new();
    for line in running.end() {
        rest += line["message"].as_str().unwrap_or_default();
    }
    assert!(!rest.contains(TAKEN), "it was taken over for nothing");
    let mut written = String::new();
    fs::File::open(folder.join("keep.ndjson"))
        .expect("it was written")
        .read_to_string(&mut written)
        .expect("text");
}

#[test]
fn state_cannot_be_moved_from_under_a_running_program() {
    let rig = Rig::new(&["--blobs-per-hour", "0.2", "--records-min", "5", "--records-max", "9"]);
    let folder = rig.folder.path().to_owned();
    rig.configure_mapped(
        "source = '.'",
        "[sinks.keep]\ntype = \"blackhole\"\ninputs = [\"map\"]\n",
    );
    let mut running = Running::start(&rig, &[]);
    let path = folder.join("o365flow.toml");
    let text = fs::read_to_string(&path).expect("it was written");
    write_private(&path, &text.replace("/state\"", "/elsewhere\""));
    running.signal(Signal::SIGHUP);
    let said = running.wait_for(&[REFUSED]).to_string();
    assert!(said.contains("`data_dir` can't be changed while the program runs"), "{said}");
    write_private(&path, &text);
    running.signal(Signal::SIGHUP);
    running.wait_for(&[SAME]);
    running.end();
}
