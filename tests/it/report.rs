//! The ledger's commands beside a program at work, after its end, and on files that are broken.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

use crate::rig::{Rig, row};

const PROGRAM: &str = env!("CARGO_BIN_EXE_o365flow");

/// Counts what it is given, and does nothing with it.
const BLACKHOLE: &str = "[sinks.out]\ntype = \"blackhole\"\ninputs = [\"map\", \"map.dropped\"]\n";

fn rig() -> Rig {
    let rig = Rig::new(&[
        "--blobs-per-hour",
        "0.5",
        "--records-min",
        "5",
        "--records-max",
        "20",
        "--latency-ms",
        "20",
    ]);
    rig.configure(BLACKHOLE);
    rig
}

/// Runs a command with the rig's configuration.
fn command(rig: &Rig, arguments: &[&str]) -> Output {
    Command::new(PROGRAM)
        .args(arguments)
        .arg("--config")
        .arg(rig.folder.path().join("o365flow.toml"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The report as JSON, about one source.
fn report(rig: &Rig, arguments: &[&str]) -> (Value, bool) {
    let output = command(rig, &[&["report", "--format", "json"], arguments].concat());
    let document: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)));
    assert_eq!(document["version"], 1);
    (document["sources"][0].clone(), output.status.success())
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn ledger(rig: &Rig) -> PathBuf {
    rig.folder.path().join("state/office365/ledger.db")
}

/// Reads the log until a line has one of `parts`.
fn wait_for(log: &mut impl BufRead, parts: &[&str]) -> String {
    let mut line = String::new();
    while log.read_line(&mut line).expect("the log can be read") > 0 {
        if parts.iter().any(|part| line.contains(part)) {
            return line;
        }
        line.clear();
    }
    panic!("the program ended without saying one of {parts:?}");
}

struct Running {
    child: Child,
    log: BufReader<std::process::ChildStderr>,
}

fn start(mut command: Command) -> Running {
    let mut child =
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let log = BufReader::new(child.stderr.take().expect("its log is piped"));
    Running { child, log }
}

#[test]
fn a_report_is_read_and_verified_beside_the_program_at_work_and_after_its_death() {
    let rig = rig();
    let mut running = start(rig.program(&[]));
    wait_for(&mut running.log, &["running"]);
    // While it works, and until it is done.
    let (expected, mut looks) = (rig.expected().len() as u64, 0);
    let done = loop {
        let (report, _) = report(&rig, &[]);
        looks += 1;
        let (blobs, records) = (&report["totals"]["blobs"], &report["totals"]["records"]);
        assert_eq!(report["totals"]["sums_add_up"], true, "{report:#}");
        let sum = ["delivered", "pending", "lost"].map(|state| number(&blobs[state]));
        assert_eq!(number(&blobs["listed"]), sum.iter().sum::<u64>());
        if number(&records["delivered"]) == expected {
            break report;
        }
        assert!(running.child.try_wait().expect("it is our child").is_none(), "it has ended");
        assert!(looks < 1000, "{report:#}");
    };
    assert_eq!(done["complete"], true, "{done:#}");
    let (verified, is_complete) = report(&rig, &["--verify", "--by", "day"]);
    assert!(is_complete, "{verified:#}");
    for feed in verified["feeds"].as_array().expect("feeds") {
        let found = &feed["verification"];
        assert!(number(&found["listed"]) > 20, "{feed:#}");
        assert_eq!((&found["missing"], &found["error"]), (&Value::Array(vec![]), &Value::Null));
    }
    // A second writer is refused, and says why.
    let second = rig.program(&["--once"]).output().expect("the program starts");
    assert_eq!(second.status.code(), Some(1));
    assert!(text(&second.stderr).contains("another process uses the ledger"));

    running.child.kill().expect("it is our child");
    running.child.wait().expect("it is our child");
    let (after, is_complete) = report(&rig, &[]);
    assert!(is_complete);
    assert_eq!(after["totals"], done["totals"]);
    let table = command(&rig, &["report", "--by", "feed"]);
    assert!(text(&table.stdout).contains("complete: nothing is lost"), "{}", text(&table.stdout));
}

#[test]
fn what_the_ledger_has_lost_makes_a_verification_fail() {
    let rig = rig();
    rig.run_once();
    let db = rusqlite::Connection::open(ledger(&rig)).expect("it can be opened");
    let id: String = db
        .query_row("DELETE FROM blobs WHERE id = 7 RETURNING content_id", [], |row| row.get(0))
        .expect("it is there");
    let (found, is_complete) = report(&rig, &["--verify"]);
    assert!(!is_complete && found["complete"] == false);
    let feeds = found["feeds"].as_array().expect("feeds");
    let missing: Vec<&Value> = feeds
        .iter()
        .flat_map(|feed| feed["verification"]["missing"].as_array().expect("an array"))
        .map(|blob| &blob["content_id"])
        .collect();
    assert_eq!(missing, [&Value::String(id.clone())]);
    let table = command(&rig, &["report", "--verify", "--by", "feed"]);
    let table = text(&table.stdout);
    assert!(table.contains(&format!("MISSING {id}")), "{table}");
    assert!(table.contains("NOT COMPLETE: 1 blob is missing"), "{table}");
}

#[test]
fn a_damaged_ledger_is_set_aside_and_nothing_is_lost_or_shipped_twice() {
    let rig = rig();
    let delivered = row(&rig.run_once(), "records out");
    assert_eq!(delivered, rig.expected().len() as u64);
    let path = ledger(&rig);
    let mut bytes = fs::read(&path).expect("it can be read");
    let middle = bytes.len() / 8192 / 2 * 8192;
    bytes[middle..][..4096].fill(0x5A);
    fs::write(&path, bytes).expect("it can be written");
    let said = rig.run_once();
    assert!(
        said.contains("the ledger is damaged") && said.contains("ledger.db.corrupt-"),
        "{said}"
    );
    assert_eq!(row(&said, "blobs lost"), 0);
    let again = row(&said, "records out");
    assert!(again < delivered / 2, "most ids were saved, and {again} of {delivered} came again");
    let (found, is_complete) = report(&rig, &["--verify"]);
    assert!(is_complete, "{found:#}");
}

#[test]
fn the_predecessors_state_is_where_the_feeds_go_on() {
    let rig = rig();
    let state = rig.folder.path().join("o365beat.state");
    let import = |text: &str, more: &[&str]| {
        fs::write(&state, text).expect("it is written");
        let file = state.to_str().expect("the path is text");
        command(&rig, &[&["state", "import", file], more].concat())
    };
    for (wrong, part) in [
        ("", "holds no time"),
        ("yesterday", "holds no time, but `yesterday`"),
        ("0001-01-01T00:00:00Z", "published nothing yet"),
        ("2990-01-01T00:00:00Z", "in the future"),
    ] {
        let output = import(wrong, &[]);
        assert_eq!(output.status.code(), Some(1), "{wrong}");
        assert!(text(&output.stderr).contains(part), "{}", text(&output.stderr));
    }
    let stopped = chrono::Utc::now() - chrono::TimeDelta::days(2);
    let stopped_text = stopped.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let output = import(&stopped_text, &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("go on at"), "{}", text(&output.stdout));
    rig.run_once();
    let (found, is_complete) = report(&rig, &["--verify"]);
    assert!(is_complete, "{found:#}");
    for feed in found["feeds"].as_array().expect("feeds") {
        let first = feed["periods"][0]["start"].as_str().expect("a time");
        let first: chrono::DateTime<chrono::Utc> = first.parse().expect("a time");
        assert!(first >= stopped - chrono::TimeDelta::hours(3), "{first} {stopped}");
    }
    let again = import(&stopped_text, &[]);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("already listed"), "{}", text(&again.stderr));
    assert!(import(&stopped_text, &["--force"]).status.success());
}

/// A full disk, made of a limit on the size of files, which the system enforces as it does a disk's.
#[test]
fn a_full_disk_stops_the_intake_and_lets_it_go_on_when_there_is_room() {
    let rig = rig();
    let program = rig.program(&["--once"]);
    // The signal that comes with it is left out, as it does not come with a full disk. Blocks of 512 bytes.
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -S -f 1000; exec \"$@\"", "sh"]);
    limited.arg(program.get_program()).args(program.get_args());
    limited.current_dir(env!("CARGO_MANIFEST_DIR"));
    let mut running = start(limited);
    let refusal = wait_for(&mut running.log, &["trying again"]);
    assert!(refusal.contains("cannot"), "{refusal}");
    let before = fs::metadata(ledger(&rig)).map_or(0, |metadata| metadata.len());
    assert!(before <= 1000 * 512, "{before}");
    assert!(running.child.try_wait().expect("it is our child").is_none(), "it has ended");
    let pid = running.child.id().to_string();
    let freed = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited"]).status();
    assert!(freed.expect("prlimit is there").success());
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut running.log, &mut rest).expect("the log can be read");
    assert!(running.child.wait().expect("it is our child").success(), "{rest}");
    assert_eq!(row(&rest, "records out"), rig.expected().len() as u64, "{rest}");
    let (found, is_complete) = report(&rig, &["--verify"]);
    assert!(is_complete, "{found:#}");
}
