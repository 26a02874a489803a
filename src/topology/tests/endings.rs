//! How a run ends: by itself, by an order, by a component that fails.

use std::time::Duration;

use super::rig::{DRAIN_TIMEOUT, Play, play};

fn text(sink: &str) -> String {
    format!(
        r#"
[sources.a]
type = "script"
batches = 20
events = 2
stays = true
[transforms.map]
type = "remap"
inputs = ["a"]
source = "."
[sinks.out]
type = "script"
inputs = ["map"]
{sink}
"#
    )
}

/// A sink that ends early ends the run, and what it did not take is not delivered.
fn check_ending(ending: &str, error: &str) {
    for also in ["", "[sinks.other]\ntype = 'script'\ninputs = ['map']"] {
        let played = play(&text(&format!("ending = '{ending}'\nends_at = 2\n{also}")));
        let shown = played.result.as_ref().expect_err("the sink has ended");
        assert!(shown.contains(error), "{ending}: {shown}");
        assert_eq!(played.observed.got("out"), ["a0", "a1", "a2", "a3"]);
        let fates = played.fates("a");
        assert!(fates.starts_with("DD|DD|EE"), "{ending}: {fates}");
        assert_eq!(fates.matches('D').count(), 4, "{ending}: {fates}");
        // The other sink still got what was under way.
        assert!(also.is_empty() || played.observed.got("other").len() >= 6);
    }
}

#[test]
fn a_sink_that_fails_ends_the_run_with_its_error() {
    check_ending("fails", "`out` failed: the script says so");
}

#[test]
fn a_sink_that_panics_ends_the_run_with_its_panic() {
    check_ending("panics", "`out` failed: it panicked: the script says so");
}

#[test]
fn a_sink_that_leaves_ends_the_run() {
    check_ending("leaves", "`out` failed: it ended before what feeds it");
}

#[test]
fn a_drain_delivers_what_is_under_way() {
    let played = Play::PLAIN.run(&text("millis = 1000"), async |shutdown, _| {
        tokio::time::sleep(Duration::from_millis(5500)).await;
        shutdown.drain();
    });
    assert_eq!(played.result, Ok(()));
    let (fates, got) = (played.fates("a"), played.observed.got("out"));
    // One batch was waiting for a place and was not sent.
    assert_eq!(fates.matches('D').count(), got.len());
    assert!(fates.matches('E').count() <= 2, "{fates}");
    assert!(got.len() > 10, "{got:?}");
    assert!(played.took < Duration::from_secs(30), "{:?}", played.took);
}

#[test]
fn a_drain_that_takes_too_long_is_broken_off() {
    for ending in ["sticks", "hangs"] {
        let text = text(&format!("ending = '{ending}'\nends_at = 1"));
        let played = Play::PLAIN.run(&text, async |shutdown, _| {
            tokio::time::sleep(Duration::from_secs(1)).await;
            shutdown.drain();
        });
        assert_eq!(played.result, Ok(()), "{ending}");
        assert!(played.fates("a").starts_with("DD|EE|"), "{ending}: {}", played.fates("a"));
        assert_eq!(played.fates("a").matches('D').count(), 2);
        assert!(played.took >= DRAIN_TIMEOUT + Duration::from_secs(1));
        assert!(played.took <= DRAIN_TIMEOUT + Duration::from_secs(10), "{:?}", played.took);
    }
}

#[test]
fn dead_letters_that_cannot_be_kept_do_not_hold_an_end_up() {
    let text = text("").replace("source = \".\"", "source = '.x = to_int!(\"no number\")'");
    let play = Play { letters_failing: usize::MAX, ..Play::PLAIN };
    let played = play.run(&text, async |shutdown, _| {
        tokio::time::sleep(Duration::from_secs(1)).await;
        shutdown.drain();
    });
    assert_eq!(played.result, Ok(()));
    assert_eq!(played.observed.letters.kept(), 0);
    assert!(played.fates("a").chars().all(|fate| "E|".contains(fate)), "{}", played.fates("a"));
}
