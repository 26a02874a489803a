//! Letters written, bounded, taken and sent again.

use std::{collections::BTreeMap, num::NonZeroUsize, os::unix::fs::MetadataExt, path::PathBuf};

use expect_test::expect;
use metrics_exporter_prometheus::PrometheusBuilder;
use pipeline_core::{
    ComponentKind, Inlet, LetterKind, Outcome, Outlet, Output, RunMode, Schema, Shutdown,
    SourceConfig, SourceContext, Timestamp, edge,
    testing::{DeadLettersInMemory, ManualClock, metrics},
};

use super::*;

fn letter(component_id: &str, payload: &[u8]) -> DeadLetter {
    DeadLetter {
        component_id: component_id.into(),
        kind: LetterKind::Refused,
        reason: "it \"never\" fits".to_owned(),
        time: Timestamp::from_timestamp(1_700_000_000, 0).expect("a time"),
        origin: "blob-1".to_owned(),
        metadata: None,
        payload: payload.to_vec(),
    }
}

#[tokio::test]
async fn letters_are_kept_by_component_whatever_they_hold() {
    let data_dir = tempfile::tempdir().expect("a folder");
    let files = DeadLetterFiles::open(data_dir.path()).expect("it opens");
    let letters = vec![
        letter("es", b"{\"n\":12345678901234567890}"),
        letter("es", b"{\"n\":\n1}"),
        letter("es", b"not JSON"),
        letter("../x.y", b"{}"),
        letter("es", b"{\xff"),
    ];
    files.put(letters).await.expect("they are kept");
    let text = fs::read_to_string(files.path("es")).expect("a file");
    expect![[r#"
        {"time":"2023-11-14T22:13:20.000Z","component_id":"es","kind":"refused","reason":"it \"never\" fits","origin":"blob-1","event":{"n":12345678901234567890}}
        {"time":"2023-11-14T22:13:20.000Z","component_id":"es","kind":"refused","reason":"it \"never\" fits","origin":"blob-1","record":"{\"n\":\n1}"}
        {"time":"2023-11-14T22:13:20.000Z","component_id":"es","kind":"refused","reason":"it \"never\" fits","origin":"blob-1","record":"not JSON"}
        {"time":"2023-11-14T22:13:20.000Z","component_id":"es","kind":"refused","reason":"it \"never\" fits","origin":"blob-1","record":"{\u{fffd}","record_base64":"e/8="}
    "#]]
    .assert_eq(&text.replace('\u{fffd}', "\\u{fffd}"));
    let folder = data_dir.path().join("dead-letters");
    assert!(folder.join("%2E%2E%2Fx%2Ey.ndjson").exists());
    assert_eq!(fs::metadata(&folder).expect("a folder").mode() & 0o777, 0o700);
}

#[tokio::test]
async fn a_disk_that_refuses_is_an_error_and_nothing_is_written_twice() {
    let data_dir = tempfile::tempdir().expect("a folder");
    let files = DeadLetterFiles::open(data_dir.path()).expect("it opens");
    files.put(vec![letter("es", b"{}")]).await.expect("it is kept");
    let folder = data_dir.path().join("dead-letters");
    let aside = data_dir.path().join("aside");
    fs::rename(&folder, &aside).expect("it moves");
    files.put(vec![letter("es", b"{}")]).await.expect_err("its folder is gone");
    fs::rename(&aside, &folder).expect("it moves");
    files.put(vec![letter("es", b"{}")]).await.expect("it is kept");
    let text = fs::read_to_string(files.path("es")).expect("a file");
    assert_eq!(text.lines().count(), 2);
}

fn numbered(number: usize) -> DeadLetter {
    letter("es", format!("{{\"n\":{number}}}").as_bytes())
}

fn numbers(lines: impl IntoIterator<Item = LetterLine>) -> Vec<usize> {
    let number = |line: LetterLine| {
        let payload = line.letter.expect("a letter").payload();
        let event: BTreeMap<String, usize> = serde_json::from_slice(&payload).expect("an event");
        event["n"]
    };
    lines.into_iter().map(number).collect()
}

fn lines_of(path: &Path) -> Vec<LetterLine> {
    let mut reader = LetterReader::open(path).expect("it opens");
    std::iter::from_fn(|| reader.next_line().expect("it can be read")).collect()
}

/// The numbers of all letters on disk.
fn on_disk(data_dir: &Path) -> Vec<usize> {
    let files = LetterFolder::of(data_dir).files().expect("a folder");
    files.iter().flat_map(|file| numbers(lines_of(&file.path))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_that_are_taken_while_others_are_written_come_once_each() {
    const LETTERS: usize = 300;
    let data_dir = tempfile::tempdir().expect("a folder");
    // As two processes would.
    let files = DeadLetterFiles::open(data_dir.path()).expect("it opens");
    let folder = LetterFolder::of(data_dir.path());
    let writer = async {
        for number in 0..LETTERS {
            files.put(vec![numbered(number)]).await.expect("it is kept");
        }
    };
    let take = move || {
        let mut all = Vec::new();
        while all.len() < LETTERS {
            folder.move_aside("es").expect("it moves");
            let files = folder.files().expect("a folder").into_iter();
            for file in files.filter(|file| file.number.is_some()) {
                let lines = lines_of(&file.path);
                // Every second one is left for the next time.
                let offsets: Vec<u64> = lines.iter().step_by(2).map(|line| line.offset).collect();
                all.extend(numbers(lines.into_iter().step_by(2)));
                let taker = LetterTaker::open(&file.path).expect("it opens");
                taker.strike_out(&offsets).expect("it is written");
                taker.compact(&folder).expect("it is replaced");
            }
        }
        all
    };
    let (taken, ()) = tokio::join!(tokio::task::spawn_blocking(take), writer);
    let mut taken = taken.expect("no panic");
    taken.sort_unstable();
    assert_eq!(taken, (0..LETTERS).collect::<Vec<_>>());
    assert_eq!(LetterFolder::of(data_dir.path()).files().expect("a folder"), []);
}

#[tokio::test]
async fn what_is_struck_out_is_gone_whether_the_file_was_replaced_or_not() {
    let data_dir = tempfile::tempdir().expect("a folder");
    let files = DeadLetterFiles::open(data_dir.path()).expect("it opens");
    files.put((0..5).map(numbered).collect()).await.expect("they are kept");
    let folder = LetterFolder::of(data_dir.path());
    folder.move_aside("es").expect("it moves");
    let path = folder.files().expect("a folder").remove(0).path;
    let offset = |index: usize| lines_of(&path)[index].offset;
    let offsets = [offset(0), offset(3)];
    let taker = LetterTaker::open(&path).expect("it opens");
    taker.strike_out(&offsets).expect("it is written");
    // Killed here, the rest is what is left.
    assert_eq!(on_disk(data_dir.path()), [1, 2, 4]);
    assert_eq!(count_letters(&path).expect("it can be read"), 3);
    taker.compact(&folder).expect("it is replaced");
    assert_eq!(on_disk(data_dir.path()), [1, 2, 4]);
    assert!(!fs::read_to_string(&path).expect("text").contains('#'));
    // A file that was dropped meanwhile, and another one in its place, is left alone.
    let taker = LetterTaker::open(&path).expect("it opens");
    fs::remove_file(&path).expect("it goes");
    fs::write(&path, "{\"mine\":1}\n").expect("a file");
    taker.compact(&folder).expect("it is no error");
    assert_eq!(fs::read_to_string(&path).expect("text"), "{\"mine\":1}\n");
}

#[tokio::test]
async fn a_line_that_a_kill_has_torn_is_no_letter_and_the_next_ones_are() {
    let data_dir = tempfile::tempdir().expect("a folder");
    let files = DeadLetterFiles::open(data_dir.path()).expect("it opens");
    files.put(vec![numbered(1)]).await.expect("it is kept");
    let torn = |path: &Path| {
        let mut text = fs::read(path).expect("a file");
        text.extend_from_slice(b"{\"time\":\"2023");
        fs::write(path, text).expect("a file");
    };
    torn(&files.path("es"));
    assert_eq!(on_disk(data_dir.path()), [1]);
    files.put(vec![numbered(2)]).await.expect("it is kept");
    assert_eq!(on_disk(data_dir.path()), [1, 2]);
    torn(&files.path("es"));
    LetterFolder::of(data_dir.path()).move_aside("es").expect("it moves");
    assert_eq!(on_disk(data_dir.path()), [1, 2]);
}

fn bounded(when_full: WhenLettersFull) -> DeadLetterConfig {
    DeadLetterConfig { max_file_bytes: 500, max_total_bytes: 2000, when_full }
}

#[tokio::test]
async fn where_there_is_no_room_a_letter_waits() {
    let data_dir = tempfile::tempdir().expect("a folder");
    let files = DeadLetterFiles::open_with(data_dir.path(), bounded(WhenLettersFull::Block));
    let files = files.expect("it opens");
    let mut kept = 0;
    let error = loop {
        match files.put(vec![numbered(kept)]).await {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
    };
    assert!((10..20).contains(&kept), "{kept}");
    assert_eq!(error.source.kind(), io::ErrorKind::QuotaExceeded);
    let folder = LetterFolder::of(data_dir.path());
    let bytes: u64 = folder.files().expect("a folder").iter().map(|file| file.bytes).sum();
    assert!(bytes <= 2000, "{bytes}");
    assert_eq!(on_disk(data_dir.path()), (0..kept).collect::<Vec<_>>());
    fs::remove_file(&folder.files().expect("a folder")[0].path).expect("it goes");
    files.put(vec![numbered(kept)]).await.expect("there is room");
}

#[tokio::test]
async fn where_the_oldest_may_go_they_do_and_are_counted() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let data_dir = tempfile::tempdir().expect("a folder");
    let files = DeadLetterFiles::open_with(data_dir.path(), bounded(WhenLettersFull::DropOldest));
    let files = files.expect("it opens");
    for number in 0..100 {
        ::metrics::with_local_recorder(&recorder, || files.0.put(&[numbered(number)]))
            .expect("it is kept");
    }
    let left = on_disk(data_dir.path());
    let dropped = 100 - left.len();
    assert_eq!(left, (dropped..100).collect::<Vec<_>>(), "the youngest are there");
    assert!(left.len() >= 10, "{left:?}");
    let text = handle.render();
    let told = format!("o365_dead_letters_dropped_total{{component_id=\"es\"}} {dropped}");
    assert!(text.contains(&told), "{text}");
}

#[tokio::test]
async fn the_metrics_are_there_after_a_restart_and_follow_other_processes() {
    let data_dir = tempfile::tempdir().expect("a folder");
    let files = DeadLetterFiles::open(data_dir.path()).expect("it opens");
    files.put((0..3).map(numbered).collect()).await.expect("they are kept");
    drop(files);
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let shows = |text: &str| assert!(handle.render().contains(text), "{}", handle.render());
    ::metrics::with_local_recorder(&recorder, || {
        let files = DeadLetterFiles::open(data_dir.path()).expect("it opens");
        shows("o365_dead_letters{component_id=\"es\"} 3\n");
        shows("o365_dead_letter_files{component_id=\"es\"} 1\n");
        files.0.put(&[numbered(3)]).expect("it is kept");
        shows("o365_dead_letters{component_id=\"es\"} 4\n");
        fs::remove_file(files.path("es")).expect("it goes");
        files.0.shown.refresh(&files.0.folder).expect("a folder");
        shows("o365_dead_letters{component_id=\"es\"} 0\n");
        shows("o365_dead_letter_bytes{component_id=\"es\"} 0\n");
    });
}

/// A source of all letters of `es` that are moved aside.
fn source(data_dir: &Path, selection: Selection) -> LetterSource {
    let folder = LetterFolder::of(data_dir);
    folder.move_aside("es").expect("it moves");
    let files: Vec<PathBuf> =
        folder.files().expect("a folder").into_iter().map(|file| file.path).collect();
    let read_again = |letter: &[u8]| serde_json::from_slice(letter).ok();
    LetterSource {
        folder,
        files,
        selection,
        outputs: vec![Output::main(Schema::any())],
        read_again: Arc::new(read_again),
        replayed: Arc::default(),
    }
}

/// Runs the source against a sink that `judge`s each number; the sink ends after `batches_max` batches.
async fn replay(
    source: &LetterSource,
    batches_max: usize,
    judge: impl Fn(i64) -> Outcome,
) -> (Replayed, Vec<i64>) {
    let context = SourceContext {
        id: "dead_letters".into(),
        data_dir: PathBuf::new(),
        mode: RunMode::Once,
        clock: ManualClock::new(Timestamp::UNIX_EPOCH),
        dead_letters: Arc::new(DeadLettersInMemory::default()),
        metrics: metrics(ComponentKind::Source, "dead_letters"),
    };
    let built = source.build(context).await.expect("it is built");
    let (sender, inlet) = edge(NonZeroUsize::MIN, &metrics(ComponentKind::Sink, "sink"));
    let outlet = Outlet::fan_out(&[sender], &metrics(ComponentKind::Source, "dead_letters"));
    let mut seen = Vec::new();
    let mut sink = async |mut inlet: Inlet| {
        for _ in 0..batches_max {
            let Some(batch) = inlet.next().await else { break };
            for event in batch {
                let path = vrl::owned_value_path!("n");
                let number = event.at(&path).and_then(vrl::value::Value::as_integer);
                let number = number.expect("a number");
                seen.push(number);
                event.settle(judge(number));
            }
        }
    };
    let (result, ()) = tokio::join!(built.run(outlet, Shutdown::new()), sink(inlet));
    assert_eq!(result.is_err(), batches_max < usize::MAX, "{result:?}");
    (*source.replayed.lock().expect("no panic"), seen)
}

#[tokio::test]
async fn a_letter_goes_when_its_event_is_settled_and_stays_otherwise() {
    let data_dir = tempfile::tempdir().expect("a folder");
    let files = DeadLetterFiles::open(data_dir.path()).expect("it opens");
    let mut letters: Vec<DeadLetter> = (0..8).map(numbered).collect();
    letters.insert(4, letter("es", b"no event"));
    files.put(letters).await.expect("they are kept");
    let judge = |number| match number % 4 {
        0 => Outcome::Delivered,
        1 => Outcome::Filtered,
        2 => Outcome::Rejected,
        _ => Outcome::Errored,
    };
    let source = source(data_dir.path(), Selection::default());
    let (replayed, seen) = replay(&source, usize::MAX, judge).await;
    assert_eq!(seen, (0..8).collect::<Vec<i64>>());
    let expected =
        Replayed { delivered: 2, filtered: 2, rejected: 2, undelivered: 2, unreadable: 1 };
    assert_eq!(replayed, expected);
    let left = lines_of(&source.files[0]);
    let payloads = left.into_iter().map(|line| line.letter.expect("a letter").payload());
    let payloads: Vec<String> =
        payloads.map(|payload| String::from_utf8(payload).expect("text")).collect();
    assert_eq!(payloads, ["{\"n\":3}", "no event", "{\"n\":7}"]);
}

#[tokio::test]
async fn only_what_is_selected_is_sent_and_the_rest_stays() {
    let data_dir = tempfile::tempdir().expect("a folder");
    let files = DeadLetterFiles::open(data_dir.path()).expect("it opens");
    let at = |seconds| Timestamp::from_timestamp(seconds, 0).expect("a time");
    let letters = (0..6).map(|number| DeadLetter {
        time: at(i64::try_from(number).expect("it is small")),
        kind: if number == 3 { LetterKind::TooLarge } else { LetterKind::Refused },
        ..numbered(number)
    });
    files.put(letters.collect()).await.expect("they are kept");
    let kinds = vec![LetterKind::Refused];
    let selection = Selection { since: Some(at(2)), until: Some(at(5)), kinds };
    let source = source(data_dir.path(), selection);
    let (_, seen) = replay(&source, usize::MAX, |_| Outcome::Delivered).await;
    assert_eq!(seen, [2, 4]);
    assert_eq!(on_disk(data_dir.path()), [0, 1, 3, 5]);
}

#[tokio::test]
async fn what_was_not_acknowledged_at_an_early_end_is_sent_next_time() {
    const LETTERS: usize = 1500;
    let data_dir = tempfile::tempdir().expect("a folder");
    let files = DeadLetterFiles::open(data_dir.path()).expect("it opens");
    files.put((0..LETTERS).map(numbered).collect()).await.expect("they are kept");
    let first = source(data_dir.path(), Selection::default());
    let (_, seen) = replay(&first, 3, |_| Outcome::Delivered).await;
    assert!((1..LETTERS).contains(&seen.len()), "{}", seen.len());
    let second = source(data_dir.path(), Selection::default());
    let (replayed, again) = replay(&second, usize::MAX, |_| Outcome::Delivered).await;
    let missing =
        (0..).take(LETTERS).filter(|it| !seen.contains(it) && !again.contains(it)).count();
    assert_eq!(missing, 0);
    assert!(again.len() < LETTERS, "what was settled is not sent again");
    assert_eq!(replayed.delivered, again.len() as u64);
    assert_eq!(on_disk(data_dir.path()), [0_usize; 0]);
}

#[test]
fn one_at_a_time_takes_letters_and_clears_away_what_a_killed_one_left() {
    let data_dir = tempfile::tempdir().expect("a folder");
    DeadLetterFiles::open(data_dir.path()).expect("it opens");
    let folder = LetterFolder::of(data_dir.path());
    let half_written = folder.path().join("es.ndjson.1.tmp");
    fs::write(&half_written, "{\"time\":").expect("a file");
    let lock = folder.lock_for_taking().expect("nobody holds it");
    assert!(!half_written.exists());
    let error = folder.lock_for_taking().expect_err("it is held");
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    drop(lock);
    folder.lock_for_taking().expect("nobody holds it");
}
