//! How events pass: fan-out, fan-in, fused chains, dropped ports, back-pressure.

use std::{sync::atomic::Ordering, time::Duration};

use super::rig::{Play, play};

/// Two batches of three events, straight to one sink.
const STRAIGHT: &str = r#"
[sources.a]
type = "script"
batches = 2
events = 3
[sinks.out]
type = "script"
inputs = ["a"]
"#;

fn names(of: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{of}{number}")).collect()
}

#[test]
fn every_sink_gets_every_event_and_the_worst_outcome_counts() {
    let played = play(&format!(
        "{STRAIGHT}\nverdicts = ['delivered', 'rejected', 'delivered']\n[sinks.other]\ntype = 'script'\ninputs = ['a']\nverdicts = ['errored', 'delivered', 'delivered']"
    ));
    assert_eq!(played.result, Ok(()));
    assert_eq!(played.observed.got("out"), names("a", 6));
    assert_eq!(played.observed.got("other"), names("a", 6));
    assert_eq!(played.fates("a"), "ERD|ERD");
    assert_eq!((played.count("a", "sent"), played.count("out", "received")), (6, 6));
}

#[test]
fn sources_share_a_sink() {
    let played = play(
        &(STRAIGHT.replace("[\"a\"]", "[\"a\", \"b\"]")
            + "[sources.b]\ntype = 'script'\nbatches = 3\nevents = 1"),
    );
    assert_eq!(played.result, Ok(()));
    let mut got = played.observed.got("out");
    got.sort();
    assert_eq!(got, [names("a", 6), names("b", 3)].concat());
    assert_eq!((played.fates("a"), played.fates("b")), ("DDD|DDD".to_owned(), "D|D|D".to_owned()));
    assert_eq!(played.count("out", "received"), 9);
}

#[test]
fn a_chain_keeps_the_order_and_counts_at_each_step() {
    let played = play(
        r#"
[sources.a]
type = "script"
batches = 20
events = 5
[transforms.first]
type = "remap"
inputs = ["a"]
source = "if mod!(.n, 5) == 0 { abort }"
[transforms.second]
type = "act"
inputs = ["first"]
every = 5
rest = 1
action = "split"
[transforms.third]
type = "remap"
inputs = ["second"]
source = "if mod!(.n, 5) == 2 { . = to_int!(\"no number\") }"
[sinks.out]
type = "script"
inputs = ["third"]
"#,
    );
    assert_eq!(played.result, Ok(()));
    let expected: Vec<String> = (0..100)
        .filter(|number| ![0, 2].contains(&(number % 5)))
        .flat_map(|number| vec![format!("a{number}"); 1 + usize::from(number % 5 == 1)])
        .collect();
    assert_eq!(played.observed.got("out"), expected);
    assert_eq!(played.fates("a"), vec!["FDRDD"; 20].join("|"));
    for (id, received, sent) in
        [("first", 100, 80), ("second", 80, 100), ("third", 100, 80), ("out", 80, 80)]
    {
        assert_eq!(
            (played.count(id, "received"), played.count(id, "sent")),
            (received, sent),
            "{id}"
        );
    }
    assert_eq!(played.sum("component_discarded_events_total", "first"), 20);
    assert_eq!(played.sum("component_discarded_events_total", "third"), 20);
}

const DROPPING: &str = r#"
[sources.a]
type = "script"
batches = 2
events = 3
[transforms.map]
type = "remap"
inputs = ["a"]
source = "if mod!(.n, 3) == 1 { .x = to_int!(\"no number\") }"
[sinks.out]
type = "script"
inputs = ["map"]
"#;

#[test]
fn what_nobody_reads_is_kept_before_it_is_given_up() {
    let played = play(DROPPING);
    assert_eq!(played.result, Ok(()));
    assert_eq!(played.fates("a"), "DRD|DRD");
    assert_eq!(played.observed.got("out"), ["a0", "a2", "a3", "a5"]);
    for (number, settled) in played.observed.settled("a").iter().enumerate() {
        assert!(settled.letters > number, "batch {number} was settled before its letter was kept");
    }
    let letters = played.observed.letters.shown();
    assert_eq!(letters.len(), 2);
    assert!(letters[0].starts_with("map: ") && letters[0].contains("to_int"), "{letters:?}");
    // What was discarded did not go on.
    assert_eq!(played.count("map", "sent"), 4);
    assert_eq!(played.sum("component_discarded_events_total", "map"), 2);
}

#[test]
fn dead_letters_wait_for_the_disk() {
    let play = Play { letters_failing: 3, ..Play::PLAIN };
    let played = play.run(DROPPING, async |_, observed| {
        tokio::time::sleep(Duration::from_secs(14)).await;
        assert!(observed.settled("a").is_empty(), "settled without its dead letter");
    });
    assert_eq!(played.result, Ok(()));
    assert_eq!(played.fates("a"), "DRD|DRD");
    assert_eq!(played.observed.letters.kept(), 2);
}

#[test]
fn a_dropped_port_that_is_read_makes_no_dead_letters() {
    let played = play(&format!(
        "{DROPPING}\n[sinks.errors]\ntype = 'script'\ninputs = ['map.dropped']\nverdicts = ['delivered']"
    ));
    assert_eq!(played.result, Ok(()));
    assert_eq!(played.observed.got("errors"), ["a1", "a4"]);
    assert_eq!(played.fates("a"), "DDD|DDD");
    assert_eq!(played.observed.letters.kept(), 0);
    assert_eq!(played.count("map", "sent"), 6);
}

#[test]
fn an_abort_filters() {
    let played = play(&DROPPING.replace(r#".x = to_int!(\"no number\")"#, "abort"));
    assert_eq!(played.result, Ok(()));
    assert_eq!(played.fates("a"), "DFD|DFD");
    assert_eq!(played.observed.letters.kept(), 0);
}

#[test]
fn a_panic_costs_one_batch() {
    let played = play(
        r#"
[sources.a]
type = "script"
batches = 4
events = 2
[transforms.map]
type = "act"
inputs = ["a"]
every = 8
rest = 3
action = "panic"
[sinks.out]
type = "script"
inputs = ["map"]
"#,
    );
    assert_eq!(played.result, Ok(()));
    assert_eq!(played.fates("a"), "DD|EE|DD|DD");
    assert_eq!(played.observed.got("out"), ["a0", "a1", "a4", "a5", "a6", "a7"]);
    assert_eq!(played.sum("component_errors_total", "map"), 1);
}

/// A source with a chain of two and a sink that takes a second for a batch.
const SLOW: &str = r#"
[sources.a]
type = "script"
batches = 100
events = 1
[transforms.first]
type = "remap"
inputs = ["a"]
source = "."
[transforms.second]
type = "remap"
inputs = ["first"]
source = "."
[sinks.out]
type = "script"
inputs = ["second"]
millis = 1000
"#;

/// Batches that a chain can hold: on the edges before and behind it, at work, handed on, at the sink, with some to
/// spare for what has left the source's hands.
const HELD_MAX: usize = 4 + 4 + 3 + 3;

#[test]
fn a_slow_sink_slows_the_source() {
    let played = Play::PLAIN.run(SLOW, async |_, observed| {
        for second in 0..90 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let taken = observed.batches_taken.load(Ordering::SeqCst);
            let held = taken - observed.got("out").len();
            assert!(held <= HELD_MAX, "{held} batches are in memory after {second} s");
        }
    });
    assert_eq!(played.result, Ok(()));
    assert_eq!(played.observed.got("out"), names("a", 100));
    assert_eq!(played.took, Duration::from_secs(100));
}

#[test]
fn a_stuck_sink_holds_the_others_back_once_its_edge_is_full() {
    let text = format!(
        "{}\n[sinks.stuck]\ntype = 'script'\ninputs = ['second']\nending = 'sticks'",
        SLOW.replace("millis = 1000", "")
    );
    let played = Play::PLAIN.run(&text, async |shutdown, observed| {
        tokio::time::sleep(Duration::from_hours(1)).await;
        let taken = observed.batches_taken.load(Ordering::SeqCst);
        assert!(taken <= HELD_MAX, "{taken} batches are in memory");
        assert!(observed.settled("a").is_empty());
        shutdown.abandon();
    });
    assert_eq!(played.result, Ok(()));
    // The stuck sink has said nothing, so nothing counts as delivered.
    assert!(!played.fates("a").contains('D'), "{}", played.fates("a"));
    assert!(!played.observed.got("out").is_empty());
}
