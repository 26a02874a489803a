//! Reloads of a running topology: what goes on, what is made anew, what is refused, and what becomes of events on their way.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::{
    rig::{DRAIN_TIMEOUT, Play, Played, Stage},
    script::Observed,
};
use crate::live::Changes;

/// A source `a` of 100 events a second.
const SOURCE: &str = "[sources.a]\ntype = 'ledger'\nevery_millis = 20\nevents = 2\n";

/// A sink `out` behind a transform that lets all pass.
const OUT: &str = "[transforms.map]\ntype = 'remap'\ninputs = ['a']\nsource = '.'\n[sinks.out]\ntype = 'script'\ninputs = ['map']\n";

/// A second sink, at the source.
const SECOND: &str = "[sinks.second]\ntype = 'script'\ninputs = ['a']\n";

/// One that holds the first batch it gets, until it is told to leave.
const STUCK: &str = "[sinks.second]\ntype = 'script'\ninputs = ['a']\nending = 'sticks'\n";

fn seconds(seconds: u64) -> tokio::time::Sleep {
    sleep(Duration::from_secs(seconds))
}

/// Runs `text` for a second, then `direct`, then for another second, and drains.
fn play(text: &str, direct: impl AsyncFnOnce(&Stage, &Observed)) -> Played {
    let folder = tempfile::tempdir().expect("a folder");
    play_in(folder.path(), text, direct)
}

fn play_in(folder: &Path, text: &str, direct: impl AsyncFnOnce(&Stage, &Observed)) -> Played {
    Play::CONTINUOUS.run_in(folder, text, async |stage, observed| {
        seconds(1).await;
        direct(stage, observed).await;
        seconds(1).await;
        stage.drain();
    })
}

/// How often the sink has got each event.
fn times(played: &Played, sink: &str) -> BTreeMap<usize, usize> {
    let mut times = BTreeMap::new();
    for name in played.observed.got(sink) {
        let number = name.trim_start_matches(char::is_alphabetic).parse().expect("a number");
        *times.entry(number).or_default() += 1;
    }
    times
}

/// All events of the source, each once, in order.
fn check_exactly(played: &Played, sink: &str) {
    let done: Vec<usize> =
        played.observed.ledger("a", |ledger| ledger.done.iter().copied().collect());
    let got: Vec<usize> = times(played, sink).into_keys().collect();
    assert!(done.len() > 150, "{sink}: {}", done.len());
    assert_eq!(got, done, "{sink}");
    check_never_twice(played, sink);
}

fn check_never_twice(played: &Played, sink: &str) {
    let twice: Vec<usize> =
        times(played, sink).into_iter().filter(|(_, times)| *times > 1).map(|(n, _)| n).collect();
    assert!(twice.is_empty(), "{sink}: {twice:?}");
}

/// Each event that the source counts as done was got by one of the sinks.
fn check_nothing_lost(played: &Played, sinks: &[&str]) {
    let got: BTreeSet<usize> =
        sinks.iter().flat_map(|sink| times(played, sink).into_keys()).collect();
    let (done, next) = played.observed.ledger("a", |ledger| (ledger.done.clone(), ledger.next));
    assert_eq!(done.difference(&got).collect::<Vec<_>>(), Vec::<&usize>::new());
    assert!(next > 50, "{next}");
}

fn check_in_order(played: &Played, sink: &str) {
    let got: Vec<usize> = played
        .observed
        .got(sink)
        .iter()
        .map(|name| name.trim_start_matches(char::is_alphabetic).parse().expect("a number"))
        .collect();
    assert!(got.is_sorted(), "{sink}: {got:?}");
}

fn names(ids: &[&str]) -> Vec<pipeline_core::ComponentId> {
    ids.iter().map(|id| (*id).into()).collect()
}

#[test]
fn what_says_the_same_changes_nothing() {
    let text = format!("{SOURCE}{OUT}{SECOND}");
    let played = play(&text, async |stage, observed| {
        // The same in other words, and other places.
        let again =
            format!("{SECOND}\n# A comment.\n{OUT}{}", SOURCE.replace("events = 2", "events=2"));
        assert_eq!(stage.reload(&again).await, Ok(Changes::default()));
        assert_eq!(observed.ledger("a", |ledger| ledger.openings), 1);
    });
    assert_eq!(played.result, Ok(()));
    check_exactly(&played, "out");
    check_exactly(&played, "second");
}

#[test]
fn a_changed_program_takes_over_and_source_and_sink_go_on() {
    let text = format!("{SOURCE}{OUT}{SECOND}");
    let played = play(&text, async |stage, _| {
        let new = text.replace("source = '.'", "source = '.x = 1'");
        let changes = stage.reload(&new).await.expect("it is right");
        assert_eq!(changes, Changes { changed: names(&["map"]), ..Changes::default() });
    });
    assert_eq!(played.result, Ok(()));
    check_exactly(&played, "out");
    check_in_order(&played, "out");
    check_exactly(&played, "second");
    assert_eq!(played.observed.starts("out"), 1);
    assert_eq!(played.observed.ledger("a", |ledger| ledger.openings), 1);
}

#[test]
fn sinks_come_and_go_and_the_others_notice_nothing() {
    let text = format!("{SOURCE}{OUT}");
    let played = play(&text, async |stage, observed| {
        let with = format!("{text}{SECOND}");
        let changes = stage.reload(&with).await.expect("it is right");
        assert_eq!(changes, Changes { added: names(&["second"]), ..Changes::default() });
        seconds(1).await;
        let before = observed.got("second").len();
        assert!(before > 90, "{before}");
        let changes = stage.reload(&text).await.expect("it is right");
        assert_eq!(changes, Changes { removed: names(&["second"]), ..Changes::default() });
        seconds(1).await;
        assert!(observed.got("second").len() <= before + 20);
    });
    assert_eq!(played.result, Ok(()));
    check_exactly(&played, "out");
    check_in_order(&played, "out");
    check_never_twice(&played, "second");
    assert!(played.observed.ledger("a", |ledger| ledger.sent_again.is_empty()));
}

#[test]
fn nothing_is_shown_of_what_is_gone() {
    let text = format!("{SOURCE}{OUT}");
    let played = play(&text, async |stage, observed| {
        stage.reload(&format!("{text}{SECOND}")).await.expect("it is right");
        stage.reload(&text).await.expect("it is right");
        seconds(1).await;
        assert_eq!(observed.gone(), ["second"]);
        stage.reload(&format!("{SOURCE}{SECOND}")).await.expect("it is right");
        seconds(1).await;
        let mut gone = observed.gone();
        gone.sort_unstable();
        assert_eq!(gone, ["map", "out", "second"]);
        // What waits is counted from nothing, whether the old one has ended or not.
        stage.reload(&text).await.expect("it is right");
        stage.reload(&format!("{text}{SECOND}")).await.expect("it is right");
        seconds(1).await;
    });
    assert_eq!(played.result, Ok(()));
    for sink in ["out", "second"] {
        assert_eq!(played.sum("buffer_size_events", sink), 0, "{sink}");
    }
}

#[test]
fn a_changed_sink_starts_when_the_old_one_has_ended() {
    let text = format!("{SOURCE}{OUT}{}", SECOND.replace("inputs", "millis = 50\ninputs"));
    let played = play(&text, async |stage, _| {
        let changes = stage.reload(&format!("{text}tag = 'new'\n")).await.expect("it is right");
        assert_eq!(changes.changed, names(&["second"]));
    });
    assert_eq!(played.result, Ok(()));
    assert_eq!(played.observed.starts("second"), 2);
    check_nothing_lost(&played, &["second"]);
    for sink in ["out", "second"] {
        check_never_twice(&played, sink);
        check_in_order(&played, sink);
    }
}

#[test]
fn a_sink_gets_the_file_that_another_one_has_when_that_has_ended() {
    let slow = SECOND.replace("inputs", "millis = 50\nclaim = 'file'\ninputs");
    let text = format!("{SOURCE}{OUT}{slow}");
    let played = play(&text, async |stage, _| {
        stage.reload(&format!("{text}tag = 'new'\n")).await.expect("the file will be free");
        // Under another name, before that has ended.
        let third = slow.replace("second", "third");
        stage.reload(&format!("{SOURCE}{OUT}{third}")).await.expect("the file will be free");
        let both = format!("{SOURCE}{OUT}{slow}{third}");
        let refused = stage.reload(&both).await.expect_err("the third keeps the file");
        assert!(refused.contains("`second` and `third` both write to `file`"), "{refused}");
        seconds(2).await;
        stage.reload(&both).await.expect_err("the third keeps the file");
    });
    assert_eq!(played.result, Ok(()));
    check_nothing_lost(&played, &["second", "third"]);
    check_never_twice(&played, "out");
    assert_eq!((played.observed.starts("second"), played.observed.starts("third")), (2, 1));
}

#[test]
fn a_changed_source_keeps_its_place() {
    let text = format!("{SOURCE}{OUT}{SECOND}");
    let played = play(&text, async |stage, _| {
        let new = text.replace("events = 2", "events = 3");
        let changes = stage.reload(&new).await.expect("it is right");
        assert_eq!(changes.changed, names(&["a"]));
    });
    assert_eq!(played.result, Ok(()));
    assert_eq!(played.observed.ledger("a", |ledger| ledger.openings), 2);
    check_exactly(&played, "out");
    check_exactly(&played, "second");
    assert_eq!(played.observed.starts("out"), 1);
}

#[test]
fn a_source_can_come_and_go() {
    let text = format!("{SOURCE}{OUT}");
    let played = play(&text, async |stage, observed| {
        let with = format!("{text}{}", SOURCE.replace("sources.a", "sources.b"))
            .replace("inputs = ['a']", "inputs = ['a', 'b']");
        let changes = stage.reload(&with).await.expect("it is right");
        assert_eq!(changes.added, names(&["b"]));
        assert_eq!(changes.changed, names(&["map"]));
        seconds(1).await;
        assert!(observed.ledger("b", |ledger| ledger.done.len()) > 80);
        stage.reload(&text).await.expect("it is right");
        seconds(1).await;
        let (done, next) = observed.ledger("b", |ledger| (ledger.done.len(), ledger.next));
        assert_eq!(done, next, "it has delivered all it had");
        // And again, with its place.
        stage.reload(&with).await.expect("it is right");
        seconds(1).await;
        assert!(observed.ledger("b", |ledger| ledger.done.len()) > done + 80);
    });
    assert_eq!(played.result, Ok(()));
    let got = played.observed.got("out");
    let distinct: BTreeSet<&String> = got.iter().collect();
    assert_eq!(got.len(), distinct.len());
    for source in ["a", "b"] {
        let next = played.observed.ledger(source, |ledger| ledger.next);
        assert_eq!(got.iter().filter(|name| name.starts_with(source)).count(), next);
    }
}

#[test]
fn a_sink_that_cannot_be_opened_leaves_everything_as_it_was() {
    let text = format!("{SOURCE}{OUT}{SECOND}");
    let played = play(&text, async |stage, _| {
        let new = format!("{text}broken = true\n").replace("source = '.'", "source = 'abort'");
        let refused = stage.reload(&new).await.expect_err("the sink is broken");
        assert!(refused.contains("the sink is broken"), "{refused}");
    });
    assert_eq!(played.result, Ok(()));
    check_exactly(&played, "out");
    check_exactly(&played, "second");
    assert_eq!(played.observed.starts("second"), 1);
}

#[test]
fn a_source_that_cannot_be_opened_is_replaced_by_the_old_one() {
    let text = format!("{SOURCE}{OUT}{SECOND}");
    let played = play(&text, async |stage, _| {
        let new = text.replace("events = 2", "events = 2\nbroken = true");
        let refused = stage.reload(&new).await.expect_err("the source is broken");
        assert!(refused.contains("the source is broken"), "{refused}");
        let added = format!("{text}{}", SOURCE.replace("sources.a", "sources.b"))
            .replace("inputs = ['a']", "inputs = ['a', 'b']")
            + "broken = true";
        stage.reload(&added).await.expect_err("the new source is broken");
    });
    assert_eq!(played.result, Ok(()));
    assert_eq!(played.observed.ledger("a", |ledger| ledger.openings), 2);
    check_exactly(&played, "out");
    check_exactly(&played, "second");
    assert_eq!(played.observed.starts("out"), 1);
}

#[test]
fn a_sink_that_does_not_answer_does_not_hold_a_reload_up() {
    // It stays, and gets nothing more; the topology is full.
    let text = format!("{SOURCE}{OUT}{STUCK}");
    let played = play(&text, async |stage, observed| {
        seconds(5).await;
        let start = Instant::now();
        stage
            .reload(&text.replace("source = '.'", "source = '.x = 1'"))
            .await
            .expect("it is right");
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
        seconds(10).await;
        let before = observed.got("out").len();
        // It is put right.
        let right = text.replace("ending = 'sticks'", "tag = 'right'");
        stage.reload(&right).await.expect("it is right");
        sleep(DRAIN_TIMEOUT).await;
        seconds(10).await;
        assert!(observed.got("out").len() > before + 500, "{before}");
    });
    assert_eq!(played.result, Ok(()));
    check_nothing_lost(&played, &["out"]);
    check_nothing_lost(&played, &["second"]);
    check_never_twice(&played, "second");
}

#[test]
fn what_a_removed_sink_could_not_deliver_is_not_sent_to_the_others_again() {
    let text = format!("{SOURCE}{OUT}{STUCK}");
    let played = play(&text, async |stage, observed| {
        seconds(5).await;
        stage.reload(&format!("{SOURCE}{OUT}")).await.expect("it is right");
        let before = observed.got("out").len();
        seconds(5).await;
        assert!(observed.got("out").len() > before + 300, "the others go on at once");
        sleep(DRAIN_TIMEOUT).await;
    });
    assert_eq!(played.result, Ok(()));
    check_exactly(&played, "out");
    assert!(played.observed.ledger("a", |ledger| ledger.sent_again.is_empty()));
    let (done, next) = played.observed.ledger("a", |ledger| (ledger.done.len(), ledger.next));
    assert_eq!(done, next);
}

#[test]
fn what_only_a_removed_sink_had_is_sent_again() {
    let only = "[sinks.second]\ntype = 'script'\ninputs = ['a']\nending = 'sticks'\n";
    let played = play(&format!("{SOURCE}{only}"), async |stage, _| {
        seconds(5).await;
        stage.reload(&format!("{SOURCE}{OUT}")).await.expect("it is right");
        sleep(DRAIN_TIMEOUT).await;
        seconds(5).await;
    });
    assert_eq!(played.result, Ok(()));
    check_exactly(&played, "out");
    assert!(played.observed.ledger("a", |ledger| !ledger.sent_again.is_empty()));
}

#[test]
fn a_sink_with_another_name_gets_what_the_old_one_could_not_deliver() {
    let text = format!("{SOURCE}{OUT}{STUCK}");
    let played = play(&text, async |stage, _| {
        seconds(5).await;
        let renamed = SECOND.replace("sinks.second", "sinks.third");
        stage.reload(&format!("{SOURCE}{OUT}{renamed}")).await.expect("it is right");
        sleep(DRAIN_TIMEOUT).await;
        seconds(5).await;
    });
    assert_eq!(played.result, Ok(()));
    check_nothing_lost(&played, &["out"]);
    check_nothing_lost(&played, &["second", "third"]);
}

#[test]
fn a_buffer_stays_and_gives_the_changed_sink_what_the_old_one_could_not_deliver() {
    for buffer in ["type = 'disk'", "type = 'memory'"] {
        let stuck = format!("{STUCK}[sinks.second.buffer]\n{buffer}\n");
        let text =
            format!("{SOURCE}{OUT}{stuck}").replace("every_millis = 20", "every_millis = 200");
        let played = play(&text, async |stage, _| {
            seconds(5).await;
            let right = text.replace("ending = 'sticks'", "tag = 'right'");
            let changes = stage.reload(&right).await.expect("it is right");
            assert_eq!(changes.changed, names(&["second"]));
            sleep(DRAIN_TIMEOUT).await;
            seconds(20).await;
        });
        assert_eq!(played.result, Ok(()), "{buffer}");
        check_nothing_lost(&played, &["out"]);
        check_nothing_lost(&played, &["second"]);
        check_never_twice(&played, "second");
        if buffer.contains("disk") {
            check_exactly(&played, "out");
            check_exactly(&played, "second");
        }
    }
}

#[test]
fn a_changed_buffer_is_opened_when_the_old_one_has_ended() {
    let buffers = [
        "[sinks.second.buffer]\ntype = 'disk'\n",
        "[sinks.second.buffer]\ntype = 'disk'\nmax_bytes = '2MiB'\n",
        "",
        "[sinks.second.buffer]\ntype = 'memory'\nmax_events = 10\n",
        "[sinks.second.buffer]\ntype = 'disk'\n",
        "[sinks.second.buffer]\nmax_events = 100\n",
    ];
    let slow = SECOND.replace("inputs", "millis = 15\ninputs");
    let text = |buffer: &str| format!("{SOURCE}{OUT}{slow}{buffer}");
    let played = play(&text(buffers[0]), async |stage, _| {
        for buffer in &buffers[1..] {
            let changes = stage.reload(&text(buffer)).await.expect("it is right");
            assert_eq!(changes.changed, names(&["second"]));
            seconds(2).await;
        }
    });
    assert_eq!(played.result, Ok(()));
    check_exactly(&played, "out");
    check_exactly(&played, "second");
    check_in_order(&played, "second");
}

#[test]
fn a_source_whose_events_cannot_be_delivered_is_replaced_after_the_time_for_draining() {
    let text = format!("{SOURCE}{OUT}{STUCK}");
    let played = play(&text, async |stage, observed| {
        let start = Instant::now();
        let new = text.replace("events = 2", "events = 3");
        stage.reload(&new).await.expect("it is right");
        assert!(start.elapsed() >= DRAIN_TIMEOUT);
        assert!(start.elapsed() < DRAIN_TIMEOUT + Duration::from_secs(10));
        assert_eq!(observed.ledger("a", |ledger| ledger.openings), 2);
        // Nobody is left of before.
        assert_eq!(observed.starts("out"), 2);
        let right = new.replace("ending = 'sticks'", "tag = 'right'");
        stage.reload(&right).await.expect("it is right");
        sleep(DRAIN_TIMEOUT).await;
        seconds(5).await;
    });
    assert_eq!(played.result, Ok(()));
    check_nothing_lost(&played, &["out"]);
    check_nothing_lost(&played, &["second"]);
    let sent_again = played.observed.ledger("a", |ledger| ledger.sent_again.clone());
    for (number, times) in times(&played, "out") {
        assert!(times == 1 || sent_again.contains(&number), "{number}");
    }
}

#[test]
fn the_order_to_end_comes_before_a_reload() {
    let text = format!("{SOURCE}{OUT}{STUCK}");
    let played = Play::CONTINUOUS.run(&text, async |stage, _| {
        seconds(1).await;
        // The source can't end, as its events can't be delivered.
        let new = text.replace("events = 2", "events = 3");
        let end = async {
            seconds(5).await;
            stage.drain();
        };
        let (reloaded, ()) = tokio::join!(stage.reload(&new), end);
        assert_eq!(reloaded, Err("the topology is ending".to_owned()));
    });
    assert_eq!(played.result, Ok(()));
    assert!(played.took < DRAIN_TIMEOUT + Duration::from_secs(20), "{:?}", played.took);
}

#[test]
fn a_removed_sink_that_panics_is_no_failure_of_the_run() {
    let panics = SECOND.replace("inputs", "millis = 200\nending = 'panics'\nends_at = 7\ninputs");
    let played = play(&format!("{SOURCE}{OUT}{panics}"), async |stage, _| {
        stage.reload(&format!("{SOURCE}{OUT}")).await.expect("it is right");
        seconds(5).await;
    });
    assert_eq!(played.result, Ok(()));
    check_nothing_lost(&played, &["out"]);
    // And one that stays still is.
    let played = play(&format!("{SOURCE}{OUT}{panics}"), async |stage, _| {
        let other = format!("{SOURCE}{OUT}{panics}").replace("source = '.'", "source = '.x = 1'");
        stage.reload(&other).await.expect("it is right");
        seconds(5).await;
    });
    let error = played.result.expect_err("the sink has panicked");
    assert!(error.contains("`second` failed: it panicked"), "{error}");
}

#[test]
fn ports_can_be_read_by_others() {
    let route = "[transforms.split]\ntype = 'route'\ninputs = ['a']\nroute.even = 'mod(int!(.n), 2) == 0'\n";
    let sink = |name: &str, input: &str| {
        format!("[sinks.{name}]\ntype = 'script'\ninputs = ['{input}']\n")
    };
    let text =
        format!("{SOURCE}{route}{}{}", sink("one", "split.even"), sink("two", "split._unmatched"));
    let played = play(&text, async |stage, _| {
        let swapped = format!(
            "{SOURCE}{route}{}{}",
            sink("one", "split._unmatched"),
            sink("two", "split.even")
        );
        let changes = stage.reload(&swapped).await.expect("it is right");
        assert_eq!(changes.changed, names(&["one", "two"]));
    });
    assert_eq!(played.result, Ok(()));
    let (mut one, two) = (times(&played, "one"), times(&played, "two"));
    assert!(one.keys().all(|number| !two.contains_key(number)));
    one.extend(two);
    assert!(one.values().all(|times| *times == 1));
    assert_eq!(one.len(), played.observed.ledger("a", |ledger| ledger.next));
    assert_eq!(played.observed.starts("one"), 1);
}

#[test]
fn what_is_dropped_is_kept_as_dead_letters_before_and_after() {
    let text =
        format!("{SOURCE}{OUT}").replace("source = '.'", "source = '.x = int!(\"no number\")'");
    let played = play(&text, async |stage, _| {
        stage.reload(&text.replace("no number", "none")).await.expect("it is right");
    });
    assert_eq!(played.result, Ok(()));
    let next = played.observed.ledger("a", |ledger| ledger.next);
    assert_eq!(played.observed.letters.kept(), next);
    assert_eq!(played.observed.ledger("a", |ledger| ledger.done.len()), next);
}

#[test]
fn what_a_transform_remembers_stays() {
    // Each event comes twice, and the copy after the reload.
    let dedupe = "[transforms.once]\ntype = 'dedupe'\ninputs = ['map']\nfields.match = ['n']\ncache.num_events = 100000\n";
    let text =
        format!("{SOURCE}{OUT}{dedupe}").replace("inputs = ['map']\n[t", "inputs = ['once']\n[t");
    let played = play(&text, async |stage, _| {
        let modulo = "source = '.n = mod(int!(.n), 50)'";
        stage.reload(&text.replace("source = '.'", modulo)).await.expect("it is right");
        seconds(1).await;
    });
    assert_eq!(played.result, Ok(()));
    check_never_twice(&played, "out");
    let got = times(&played, "out").len();
    assert!(got < 120, "none comes after the reload: {got}");
}
