use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::Write,
    path::PathBuf,
    time::Duration,
};

use pipeline_core::{
    ComponentKind, DeadLetters, Event, Outcome, RunError, RunMode, Shutdown, SourceConfig,
    SourceContext, edge,
    testing::{DeadLettersInMemory, ManualClock, metrics},
};
use proptest::prelude::*;
use tempfile::TempDir;
use tokio::time::sleep;

use super::*;

/// A folder with files, and the state of a source that reads them.
struct Bench {
    folder: TempDir,
    letters: std::sync::Arc<DeadLettersInMemory>,
}

/// The ids of the events of a run, in order; and how it ended.
struct Ran {
    ids: Vec<String>,
    result: Result<(), RunError>,
}

fn record(id: impl std::fmt::Display) -> String {
    format!("{{\"Id\":\"{id}\",\"CreationTime\":\"2024-01-01T00:00:00\"}}")
}

fn id(event: &Event) -> String {
    event.value().get(vrl::path!("Id")).expect("an id").to_string_lossy().into_owned()
}

impl Bench {
    fn new() -> Bench {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("state")).expect("a folder");
        Bench { folder, letters: std::sync::Arc::default() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).expect("it is written");
    }

    fn append(&self, name: &str, content: impl AsRef<[u8]>) {
        let mut options = OpenOptions::new();
        let mut file = options.append(true).create(true).open(self.path(name)).expect("a file");
        file.write_all(content.as_ref()).expect("it is written");
    }

    fn config(&self, more: &str) -> Config {
        let include = self.path("*").display().to_string();
        toml::from_str(&format!("include = [{include:?}]\n{more}")).expect("it parses")
    }

    /// Runs the source. `judge` says what becomes of each event, nothing being silence; `direct` runs beside.
    async fn run(
        &self,
        config: Config,
        mode: RunMode,
        judge: impl Fn(&Event) -> Option<Outcome>,
        direct: impl AsyncFnOnce(&Shutdown, &RefCell<Vec<String>>),
    ) -> Ran {
        let dead_letters: std::sync::Arc<dyn DeadLetters> = self.letters.clone();
        let context = SourceContext {
            id: "files".into(),
            data_dir: self.path("state"),
            mode,
            clock: ManualClock::new(chrono::DateTime::UNIX_EPOCH),
            dead_letters,
            metrics: metrics(ComponentKind::Source, "files"),
        };
        let source = config.build(context).await.expect("it is built");
        let (outlet, mut inlet) =
            edge(std::num::NonZeroUsize::MIN, &metrics(ComponentKind::Sink, "sink"));
        let (shutdown, ids) = (Shutdown::new(), RefCell::new(Vec::new()));
        let sink = async {
            while let Some(batch) = inlet.next().await {
                for event in batch {
                    ids.borrow_mut().push(id(&event));
                    if let Some(outcome) = judge(&event) {
                        event.settle(outcome);
                    }
                }
            }
        };
        let running = source.run(outlet, shutdown.clone());
        let (result, (), ()) = tokio::join!(running, sink, direct(&shutdown, &ids));
        Ran { ids: ids.into_inner(), result }
    }

    /// Runs to the end of all files; everything is delivered. Gives the ids, sorted.
    async fn read(&self, more: &str) -> Vec<String> {
        let config = self.config(more);
        let delivered = |_: &Event| Some(Outcome::Delivered);
        let ran = self.run(config, RunMode::Once, delivered, async |_, _| {}).await;
        assert!(ran.result.is_ok(), "{:?}", ran.result);
        let mut ids = ran.ids;
        ids.sort();
        ids
    }

    fn letters(&self) -> Vec<String> {
        let letters = self.letters.letters();
        let root = format!("{}/", self.folder.path().display());
        letters
            .iter()
            .map(|letter| format!("{} {}", letter.origin.replace(&root, ""), letter.reason))
            .collect()
    }
}

/// Waits, in paused time, until so many events have come.
async fn until(ids: &RefCell<Vec<String>>, count: usize) {
    for _ in 0..10_000 {
        if ids.borrow().len() >= count {
            return;
        }
        sleep(Duration::from_millis(100)).await;
    }
    panic!("{} of {count} events have come: {:?}", ids.borrow().len(), ids.borrow());
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).expect("memory");
    encoder.finish().expect("memory")
}

fn utf16(text: &str, mark: [u8; 2]) -> Vec<u8> {
    let unit =
        |unit: u16| if mark == [0xFF, 0xFE] { unit.to_le_bytes() } else { unit.to_be_bytes() };
    mark.into_iter().chain(text.encode_utf16().flat_map(unit)).collect()
}

/// A file of each kind, each with the records `a`, `ü` and `c`.
fn files() -> BTreeMap<&'static str, Vec<u8>> {
    let [a, b, c] = ["a", "ü", "c"].map(record);
    let quoted = |record: &str| format!("\"{}\"", record.replace('"', "\"\""));
    let pretty = b.replace(',', ",\r\n  ");
    let shell = format!(
        "#TYPE Deserialized.Results\r\n\"RecordType\",\"AuditData\",\"Identity\"\r\n\"x\",{},\"1\"\r\n\"x\",{},\"2\"\r\n\"x\",{},\"3\"\r\n",
        quoted(&a),
        quoted(&pretty),
        quoted(&c)
    );
    let portal = format!(
        "\u{feff}RecordId,CreationDate,Operation,AuditData\n1,t,o,{}\n2,t,\"o\n\",{}\n3,t,o,{}",
        quoted(&a),
        quoted(&b),
        quoted(&c)
    );
    let lines = format!("{a}\n{b}\n{c}\n");
    let export =
        [&a, &b, &c].map(|record| format!("{{\"AuditData\":{record:?}}}").replace("\\u{fc}", "ü"));
    let array = format!("[\n{a},\n{pretty} , {c}]\n");
    BTreeMap::from([
        ("lines.ndjson", lines.clone().into_bytes()),
        ("windows.ndjson", format!("\u{feff}{a}\r\n\r\n{b}\r\n{c}").into_bytes()),
        ("big-endian.ndjson", utf16(&lines, [0xFE, 0xFF])),
        ("packed.log", gzip(lines.as_bytes())),
        ("twice.gz", [gzip(a.as_bytes()), gzip(format!("\n{b}\n{c}").as_bytes())].concat()),
        ("array.json", array.clone().into_bytes()),
        ("packed-array", gzip(format!("\u{feff}{array}").as_bytes())),
        ("little-endian.json", utf16(&array, [0xFF, 0xFE])),
        ("export.json", format!("[{}]", export.join(",")).into_bytes()),
        ("export.ndjson", export.join("\n").into_bytes()),
        ("shell.csv", shell.clone().into_bytes()),
        ("unicode.csv", utf16(&shell, [0xFF, 0xFE])),
        ("portal.csv", portal.clone().into_bytes()),
        ("packed.csv", gzip(portal.as_bytes())),
        (
            "local.csv",
            format!("t;AuditData\n1;{}\n1;{}\n1;{}\n", quoted(&a), quoted(&b), quoted(&c))
                .into_bytes(),
        ),
        (
            "joined.csv",
            format!("AuditData\n{}\nAuditData\n{}\n\n{}\n", quoted(&a), quoted(&b), quoted(&c))
                .into_bytes(),
        ),
    ])
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_file_is_read_and_once_only() {
    for (name, content) in files() {
        let bench = Bench::new();
        bench.write(name, content);
        assert_eq!(bench.read("").await, ["a", "c", "ü"], "{name}");
        assert_eq!(bench.read("").await, Vec::<String>::new(), "{name}");
        assert_eq!(bench.letters(), Vec::<String>::new(), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn reading_goes_on_where_delivery_ended() {
    for (name, content) in files() {
        let bench = Bench::new();
        bench.write(name, content);
        // The first is delivered, and then the sink ends without a word; so no chunk is done with.
        let config = bench.config("");
        let judge = |event: &Event| (id(event) == "a").then_some(Outcome::Delivered);
        let stop = async |shutdown: &Shutdown, ids: &RefCell<Vec<String>>| {
            until(ids, 3).await;
            shutdown.drain();
        };
        let ran = bench.run(config, RunMode::Once, judge, stop).await;
        assert!(ran.result.is_ok(), "{name}: {:?}", ran.result);
        assert_eq!(bench.read("").await, ["a", "c", "ü"], "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_sink_fails_on_is_sent_again_and_nothing_else() {
    let bench = Bench::new();
    bench.write("a.ndjson", (0..10).map(|n| record(n) + "\n").collect::<String>());
    let failures = RefCell::new(3);
    let judge = |event: &Event| {
        let mut left = failures.borrow_mut();
        let fails = id(event) == "4" && *left > 0;
        *left -= usize::from(fails);
        Some(if fails { Outcome::Errored } else { Outcome::Delivered })
    };
    let ran = bench.run(bench.config(""), RunMode::Once, judge, async |_, _| {}).await;
    assert!(ran.result.is_ok());
    assert_eq!(ran.ids.concat(), "0123456789444");
    assert_eq!(bench.read("").await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn what_is_no_record_is_kept_and_the_rest_goes_on() {
    let bench = Bench::new();
    let long = format!("{{\"x\":\"{}\"}}", "y".repeat(3000));
    let lines = ["no json", "{\"Id\":1}", "[1]", &long, &record(1), "{\"Id\":\"x\"", "\u{fffd}"];
    bench.write("a.ndjson", [record(0).as_str(), &lines.join("\n"), "\u{0}\n"].join("\n"));
    bench.append("a.ndjson", b"{\"Id\":\"\xff\"}\n");
    bench.write("b.json", format!("[{}, 5, {long}, {}]", record(2), record(3)));
    bench.write(
        "c.csv",
        format!(
            "x,AuditData\n1\n1,\n1,'{}'\n1,\"{}\"\n",
            record(4),
            record(5).replace('"', "\"\"")
        ),
    );
    assert_eq!(bench.read("record_bytes_max = \"1KB\"").await, ["0", "1", "2", "3", "5"]);
    expect_test::expect![[r#"
        a.ndjson@48 record is not valid JSON: expected ident at line 1 column 2
        a.ndjson@56 `Id` of the record is not a string
        a.ndjson@65 record is not an object
        a.ndjson@69 record has 3008 bytes, more than the limit
        a.ndjson@3126 record is not valid JSON: EOF while parsing an object at line 1 column 9
        a.ndjson@3136 record is not valid JSON: expected value at line 1 column 1
        a.ndjson@3140 record is not valid JSON: expected value at line 1 column 1
        a.ndjson@3142 record is not valid UTF-8
        b.json@1 element 1 is not an object
        b.json@2 element 2 has 3008 bytes, more than the limit
        c.csv@12 row has 1 fields, and the header 2
        c.csv@14 record is not valid JSON: EOF while parsing a value at line 1 column 0
        c.csv@17 row has 3 fields, and the header 2"#]]
    .assert_eq(&bench.letters().join("\n"));
    assert_eq!(bench.read("record_bytes_max = \"1KB\"").await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_read_is_an_error_at_the_end_and_holds_up_no_other() {
    let whole = gzip([record(1), record(2)].join("\n").as_bytes());
    for (content, reason) in [
        (&b"a,b\n1,2\n"[..], "is no CSV with a column `AuditData`, nor JSON"),
        (b"[{\"Id\":1}", "is no array of records"),
        (b"[{}] x", "is no array of records"),
        (&whole[..whole.len() - 9], "cannot read `"),
    ] {
        let bench = Bench::new();
        bench.write("0-bad", content);
        bench.write("1-good.ndjson", record("good"));
        let ran = bench
            .run(bench.config(""), RunMode::Once, |_| Some(Outcome::Delivered), async |_, _| {})
            .await;
        let error = ran.result.expect_err("it cannot be read").to_string();
        assert!(error.contains(reason), "{error}");
        assert!(ran.ids.contains(&"good".to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn what_stands_before_the_place_that_cannot_be_read_is_delivered() {
    let packed = gzip((0..20_000).map(|n| record(n) + "\n").collect::<String>().as_bytes());
    for content in [
        format!("[{}, {}, {}", record(0), record(1), &record(2)[..20]).as_bytes(),
        format!("[{}, {}] [", record(0), record(1)).as_bytes(),
        &packed[..packed.len() / 2],
    ] {
        let bench = Bench::new();
        bench.write("bad", content);
        let ran = bench
            .run(bench.config(""), RunMode::Once, |_| Some(Outcome::Delivered), async |_, _| {})
            .await;
        ran.result.expect_err("it cannot be read to its end");
        assert!(ran.ids.starts_with(&["0".to_owned(), "1".to_owned()]), "{:?}", ran.ids);
    }
}

#[tokio::test(start_paused = true)]
async fn a_growing_file_is_followed_through_rotation_truncation_and_replacement() {
    let bench = Bench::new();
    let line = |n: u32| record(n) + "\n";
    bench.write("a.log", line(0));
    let name = |name: &str| bench.path(name);
    let direct = async |shutdown: &Shutdown, ids: &RefCell<Vec<String>>| {
        until(ids, 1).await;
        // A line that comes in two parts.
        let (first, second) = (line(1), line(1));
        bench.append("a.log", &first[..10]);
        sleep(Duration::from_secs(5)).await;
        assert_eq!(ids.borrow().len(), 1);
        bench.append("a.log", &second[10..]);
        until(ids, 2).await;
        // Moved away, with a line more than was read.
        bench.append("a.log", line(2));
        fs::rename(name("a.log"), name("a.log.1")).expect("it moves");
        bench.write("a.log", line(3) + &line(4));
        until(ids, 5).await;
        // Copied and cut short.
        fs::copy(name("a.log"), bench.folder.path().join("state/copy")).expect("it is copied");
        bench.write("a.log", line(5));
        until(ids, 6).await;
        // Cut short, and grown beyond what was read, between two looks.
        bench.write("a.log", [6, 7, 8].map(line).concat());
        until(ids, 9).await;
        // Another file in its place.
        bench.write("new", line(9));
        fs::rename(name("new"), name("a.log")).expect("it moves");
        until(ids, 10).await;
        // A last line without an end is taken when nothing more comes.
        bench.append("a.log", record(10));
        until(ids, 11).await;
        bench.append("a.log", format!("\n{}", line(11)));
        until(ids, 12).await;
        bench.append("table.csv", "AuditData\nx");
        bench.append("table.csv", "y");
        fs::remove_file(name("a.log")).expect("it goes");
        sleep(Duration::from_mins(5)).await;
        shutdown.drain();
    };
    let ran = bench
        .run(bench.config(""), RunMode::Continuous, |_| Some(Outcome::Delivered), direct)
        .await;
    assert!(ran.result.is_ok(), "{:?}", ran.result);
    let mut ids: Vec<u32> = ran.ids.iter().map(|id| id.parse().expect("a number")).collect();
    // Two files keep their own orders only.
    assert_eq!(ids.iter().position(|id| *id == 3).map(|at| ids[at + 1]), Some(4));
    ids.sort_unstable();
    assert_eq!(ids, (0..12).collect::<Vec<u32>>());
    assert_eq!(
        bench.letters(),
        ["table.csv@10 record is not valid JSON: expected value at line 1 column 1"]
    );
    assert_eq!(bench.read("").await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn more_files_than_may_be_open_are_followed_to_their_last_rows() {
    let bench = Bench::new();
    let row = |n: u32| format!("\"{}\"", record(n).replace('"', "\"\""));
    let name = |n: u32| format!("{n}.csv");
    // Of each file the last row has no end.
    (0..250)
        .for_each(|n| bench.write(&name(n), format!("AuditData\n{}\n{}", row(n), row(1000 + n))));
    let direct = async |shutdown: &Shutdown, ids: &RefCell<Vec<String>>| {
        until(ids, 250).await;
        until(ids, 500).await;
        (0..250).for_each(|n| bench.append(&name(n), format!("\n{}\n", row(2000 + n))));
        until(ids, 750).await;
        shutdown.drain();
    };
    let ran = bench
        .run(bench.config(""), RunMode::Continuous, |_| Some(Outcome::Delivered), direct)
        .await;
    assert!(ran.result.is_ok(), "{:?}", ran.result);
    let mut ids: Vec<u32> = ran.ids.iter().map(|id| id.parse().expect("a number")).collect();
    ids.sort_unstable();
    let expected = [0, 1000, 2000].into_iter().flat_map(|first| first..first + 250);
    assert_eq!(ids, expected.collect::<Vec<u32>>());
    assert_eq!(bench.letters(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_file_written_anew_between_two_runs_is_read_anew() {
    let bench = Bench::new();
    let lines = |ids: &[u32]| ids.iter().map(|id| record(id) + "\n").collect::<String>();
    let long: Vec<u32> = (100..200).collect();
    bench.write("a", lines(&long));
    assert_eq!(bench.read("").await.len(), 100);
    bench.append("a", lines(&[1, 2]));
    assert_eq!(bench.read("").await, ["1", "2"]);
    // The same start, and longer than before: but not what was read.
    bench.write("a", lines(&long[..50]) + &lines(&(300..400).collect::<Vec<u32>>()));
    assert_eq!(bench.read("").await.len(), 150);
    bench.write("a", lines(&long[..50]));
    assert_eq!(bench.read("").await.len(), 50);
    let text = |ids: &[u32]| format!("[{}]", ids.iter().map(record).collect::<Vec<_>>().join(","));
    bench.write("a", text(&[1, 2]));
    assert_eq!(bench.read("").await, ["1", "2"]);
    bench.write("a", text(&[1, 2, 3]));
    assert_eq!(bench.read("").await, ["1", "2", "3"], "an array is read as a whole");
}

#[tokio::test(start_paused = true)]
async fn a_table_that_grows_is_read_on_with_its_header() {
    let bench = Bench::new();
    let row = |id: &str| format!("x;\"{}\"\r\n", record(id).replace('"', "\"\""));
    bench.write("a.csv", format!("\u{feff}#TYPE x\r\nx;AuditData\r\n{}", row("1")));
    assert_eq!(bench.read("").await, ["1"]);
    bench.append("a.csv", row("2"));
    assert_eq!(bench.read("").await, ["2"]);
}

#[tokio::test(start_paused = true)]
async fn excluded_files_are_left_alone_and_linked_ones_are_read_once() {
    let bench = Bench::new();
    bench.write("a.ndjson", record(1));
    bench.write("b.gz", record(2));
    fs::hard_link(bench.path("a.ndjson"), bench.path("c.ndjson")).expect("a link");
    let excluded = bench.path("*.gz").display().to_string();
    assert_eq!(bench.read(&format!("exclude = [{excluded:?}]")).await, ["1"]);
}

#[tokio::test(start_paused = true)]
async fn events_say_where_they_come_from() {
    let bench = Bench::new();
    bench.write("a.ndjson", format!("\n{}\n", record(1)));
    let seen = RefCell::new(String::new());
    let judge = |event: &Event| {
        *seen.borrow_mut() = format!("{} {}", event.origin().name(), event.metadata());
        Some(Outcome::Delivered)
    };
    bench
        .run(bench.config(""), RunMode::Once, judge, async |_, _| {})
        .await
        .result
        .expect("it ends");
    let file = bench.path("a.ndjson").display().to_string();
    let expected = format!(
        "{file} {{ \"file\": {file:?}, \"ingest_time\": t'1970-01-01T00:00:00Z', \"offset\": 1 }}"
    );
    assert_eq!(seen.into_inner(), expected);
}

#[tokio::test]
async fn two_sources_do_not_share_a_folder_of_state() {
    let bench = Bench::new();
    let (first, _) = checkpoints::Checkpoints::open(&bench.path("state")).expect("it opens");
    let second = checkpoints::Checkpoints::open(&bench.path("state")).expect_err("it is locked");
    assert!(second.to_string().starts_with("another process reads these files"));
    drop(first);
    bench.write("state/checkpoints.json", "{\"version\":1,\"files\":[");
    let damaged = checkpoints::Checkpoints::open(&bench.path("state")).expect_err("it is damaged");
    assert!(damaged.to_string().contains("are damaged"));
}

#[test]
fn mistakes_are_problems_at_their_options() {
    let problems = |toml: &str| {
        let config: Config = toml::from_str(toml).expect("it parses");
        let problems = config.problems();
        problems.iter().map(|it| it.key.join(".")).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(problems("include = ['*']"), "");
    assert_eq!(problems("include = []"), "include");
    assert_eq!(problems("include = ['a', '***']\nexclude = ['[']"), "include.1 exclude.0");
    assert_eq!(
        problems("include = ['*']\nrecord_path = 'a[0]'\npoll_interval = '0s'"),
        "record_path poll_interval"
    );
    assert_eq!(
        problems("include = ['*']\nrecord_bytes_max = '0B'\nmax_in_flight_bytes = '0B'"),
        "max_in_flight_bytes record_bytes_max"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// However often a run is cut off, every record arrives, and what comes twice was on its way.
    #[test]
    fn nothing_is_lost_however_often_a_run_is_cut_off(
        lines in 300..2000_usize,
        cuts in prop::collection::vec(1..1500_usize, 0..5),
        name in prop::sample::select(vec!["a.ndjson", "a.csv", "a.json", "a.gz"]),
    ) {
        let bench = Bench::new();
        let records: Vec<String> = (0..lines).map(record).collect();
        let rows = records.iter().map(|it| format!("\"{}\"\n", it.replace('"', "\"\"")));
        let content = match name {
            "a.csv" => format!("AuditData\n{}", rows.collect::<String>()).into_bytes(),
            "a.json" => format!("[{}]", records.join(",")).into_bytes(),
            "a.gz" => gzip(records.join("\n").as_bytes()),
            _ => records.join("\n").into_bytes(),
        };
        bench.write(name, content);
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build().expect("a runtime");
        let mut delivered: BTreeMap<String, usize> = BTreeMap::new();
        let kills = cuts.len();
        for cut in cuts.into_iter().map(Some).chain([None]) {
            let (seen, got) = (RefCell::new(0), RefCell::new(Vec::new()));
            let judge = |event: &Event| {
                *seen.borrow_mut() += 1;
                if cut.is_some_and(|cut| *seen.borrow() > cut) {
                    return None;
                }
                got.borrow_mut().push(id(event));
                Some(Outcome::Delivered)
            };
            let direct = async |shutdown: &Shutdown, _: &RefCell<Vec<String>>| {
                // In the end there may be fewer events left than it takes.
                for _ in 0..2000 {
                    if cut.is_none_or(|cut| *seen.borrow() > cut.min(lines / 2)) {
                        break;
                    }
                    sleep(Duration::from_millis(1)).await;
                }
                if cut.is_some() {
                    shutdown.abandon();
                }
            };
            let config = bench.config("max_in_flight_bytes = \"20KB\"");
            runtime.block_on(bench.run(config, RunMode::Once, judge, direct)).result.expect("it ends");
            for id in got.into_inner() {
                *delivered.entry(id).or_default() += 1;
            }
        }
        prop_assert_eq!(delivered.len(), lines);
        let repeats = delivered.values().sum::<usize>() - lines;
        prop_assert!(repeats <= kills * 1024, "{} repeats", repeats);
    }
}
