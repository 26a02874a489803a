//! The source over files in a folder of the test, on paused time.

mod bad_input;
mod follow;

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
