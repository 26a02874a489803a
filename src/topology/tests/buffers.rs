//! Buffers in a running topology: what they say to the source, what they give to the sink, and when.

use std::{collections::BTreeSet, path::Path, time::Duration};

use super::rig::{DRAIN_TIMEOUT, Play, Played};

/// A source of 50 batches of 4 events, a sink that delivers everything, and another behind a buffer.
fn text(buffered: &str, buffer: &str) -> String {
    format!(
        r#"
[sources.a]
type = "script"
batches = 50
events = 4
[sinks.live]
type = "script"
inputs = ["a"]
[sinks.dead]
type = "script"
inputs = ["a"]
{buffered}
[sinks.dead.buffer]
{buffer}
"#
    )
}

/// Runs until the source is done with everything that it may send, and then orders to drain.
fn run_for(folder: &Path, text: &str, seconds: u64) -> Played {
    Play::PLAIN.run_in(folder, text, async |shutdown, _| {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        shutdown.drain();
    })
}

/// The events of the source from number `first` on, in order.
fn names(first: usize) -> Vec<String> {
    (first..200).map(|number| format!("a{number}")).collect()
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

const STUCK: &str = "ending = 'sticks'\nends_at = 2";

#[test]
fn a_dead_sink_with_a_disk_buffer_holds_nobody_back_and_gets_everything_when_it_is_back() {
    let folder = folder();
    let played = run_for(folder.path(), &text(STUCK, "type = 'disk'"), 10);
    assert_eq!(played.result, Ok(()));
    assert_eq!(played.observed.got("live"), names(0));
    assert_eq!(played.observed.got("dead"), names(0)[..8]);
    assert_eq!(played.fates("a").matches('D').count(), 200, "{}", played.fates("a"));
    // Without a source's events: what it gets is from the file.
    let rest = text("", "type = 'disk'").replace("batches = 50", "batches = 0");
    let played = run_for(folder.path(), &rest, 1000);
    assert_eq!(played.observed.got("dead"), names(8));
    assert!(played.took < Duration::from_secs(1000), "{:?}", played.took);
    assert_eq!(played.count("dead", "received"), 192);
    // And nothing is left for a third time.
    let played = run_for(folder.path(), &rest, 1000);
    assert_eq!(played.observed.got("dead"), Vec::<String>::new());
}

#[test]
fn a_slow_sink_gets_everything_in_order_before_the_run_ends() {
    for buffer in ["type = 'disk'", "type = 'memory'", "max_events = 10", "max_bytes = '100B'"] {
        let folder = folder();
        let played = run_for(folder.path(), &text("millis = 100", buffer), 100_000);
        assert_eq!(played.result, Ok(()), "{buffer}");
        assert_eq!(played.observed.got("dead"), names(0), "{buffer}");
        assert_eq!(played.fates("a").matches('D').count(), 200, "{buffer}");
        assert_eq!(played.count("dead", "received"), 200, "{buffer}");
        assert_eq!(played.sum("buffer_received_events_total", "dead"), 200, "{buffer}");
        assert_eq!(played.sum("buffer_sent_events_total", "dead"), 200, "{buffer}");
        assert_eq!(played.sum("buffer_size_events", "dead"), 0, "{buffer}");
        assert_eq!(played.sum("buffer_discarded_events_total", "dead"), 0, "{buffer}");
    }
}

#[test]
fn events_that_errored_are_given_again_and_no_others() {
    let folder = folder();
    let verdicts = "verdicts = ['delivered', 'rejected', 'delivered', 'delivered', 'errored_once']";
    let played = run_for(folder.path(), &text(verdicts, "type = 'disk'"), 100_000);
    assert_eq!(played.result, Ok(()));
    let got = played.observed.got("dead");
    assert_eq!(got.len(), 240);
    let twice: Vec<String> = names(0)
        .into_iter()
        .filter(|name| got.iter().filter(|other| *other == name).count() == 2)
        .collect();
    let expected: Vec<String> = names(0).into_iter().skip(4).step_by(5).collect();
    assert_eq!(twice, expected);
}

#[test]
fn a_full_buffer_makes_the_source_wait() {
    for buffer in ["type = 'memory'\nmax_events = 20", "max_bytes = '200B'"] {
        let folder = folder();
        let played = run_for(folder.path(), &text("ending = 'sticks'", buffer), 10);
        // The two edges and the buffer hold some; the other sink gets no more than that.
        let got = played.observed.got("live").len();
        assert!((20..80).contains(&got), "{buffer}: {got}");
        assert!(played.took < DRAIN_TIMEOUT * 2);
        assert_eq!(played.fates("a").matches('D').count(), 0, "{buffer}");
    }
}

#[test]
fn a_full_buffer_drops_what_comes_if_it_is_told_to() {
    let buffer = "type = 'memory'\nmax_events = 20\nwhen_full = 'drop_newest'";
    let folder = folder();
    let played = run_for(folder.path(), &text("millis = 1000", buffer), 100_000);
    assert_eq!(played.observed.got("live"), names(0));
    let got = played.observed.got("dead");
    let dropped = 200 - got.len() as u64;
    assert!((100..180).contains(&dropped), "{dropped}");
    assert_eq!(got[..20], names(0)[..20]);
    // Filtered by one sink and delivered by the other.
    assert_eq!(played.fates("a").matches('D').count(), 200);
    assert_eq!(played.sum("buffer_discarded_events_total", "dead"), dropped);
    assert_eq!(played.sum("component_discarded_events_total", "dead"), dropped);
    assert_eq!(played.sum("buffer_received_events_total", "dead"), 200 - dropped);
}

#[test]
fn what_is_in_memory_is_not_acknowledged() {
    let folder = folder();
    let played = run_for(folder.path(), &text(STUCK, "type = 'memory'"), 10);
    let distinct: BTreeSet<String> = played.observed.got("dead").into_iter().collect();
    assert_eq!(distinct.len(), 8);
    assert_eq!(played.fates("a").matches('D').count(), 8, "{}", played.fates("a"));
    assert_eq!(played.fates("a").matches('E').count(), 192);
}
