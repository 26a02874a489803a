//! The sink against receivers in the same process that do what the real one can't be made to do.

use std::{net::SocketAddr, time::Duration};

use lumberjack::{Decoder, Frame, Limits, ack};
use pipeline_core::{Outcome, SinkConfig};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::Config;
use crate::sinks::testing::{context, run_to_end};

const LIMITS: Limits =
    Limits { event_bytes_max: 1 << 20, compressed_bytes_max: 1 << 20, inflated_bytes_max: 1 << 20 };

/// Longer than any test takes.
const TEST_TIMEOUT: Duration = Duration::from_mins(1);

/// What a receiver does with a window.
#[derive(Clone, Copy, Debug)]
enum Deed {
    /// Takes it.
    Ack,
    /// Takes so many of its events, and hangs up.
    Part(u32),
    /// Says this, and goes on.
    Say(&'static [u8]),
    /// Hangs up without a word.
    HangUp,
    /// Takes it, unless an event with this id is in it: then it hangs up.
    Refuse(&'static str),
}

/// A receiver, and the windows that came.
struct Receiver {
    listener: TcpListener,
    /// What to do with the first windows; it takes all later ones.
    deeds: Vec<Deed>,
    windows: Vec<Vec<Value>>,
}

impl Receiver {
    async fn new(deeds: &[Deed]) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        Receiver { listener, deeds: deeds.to_vec(), windows: Vec::new() }
    }

    fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("it listens")
    }

    /// Serves one connection after the other, for ever.
    async fn serve(&mut self) {
        loop {
            let (mut stream, _) = self.listener.accept().await.expect("it accepts");
            let mut decoder = Decoder::of_sender(LIMITS);
            while let Some(window) = next_window(&mut stream, &mut decoder).await {
                let events = u32::try_from(window.len()).expect("it is small");
                let deed = match self.deeds.get(self.windows.len()).copied() {
                    Some(Deed::Refuse(id)) if window.iter().any(|event| event["id"] == id) => {
                        Deed::HangUp
                    }
                    Some(Deed::Refuse(_)) | None => Deed::Ack,
                    Some(deed) => deed,
                };
                self.windows.push(window);
                let said = match deed {
                    Deed::Ack => ack(events).to_vec(),
                    Deed::Part(acked) => ack(acked).to_vec(),
                    Deed::Say(bytes) => bytes.to_vec(),
                    Deed::HangUp | Deed::Refuse(_) => Vec::new(),
                };
                stream.write_all(&said).await.expect("the sink reads");
                if matches!(deed, Deed::Part(_) | Deed::HangUp) {
                    break;
                }
            }
        }
    }
}

/// Reads a whole window, or nothing when the sink hangs up.
async fn next_window(stream: &mut TcpStream, decoder: &mut Decoder) -> Option<Vec<Value>> {
    let (mut events, mut expected) = (Vec::new(), None);
    let mut chunk = [0; 4096];
    while expected != Some(events.len()) {
        match decoder.next_frame().expect("the sink writes frames") {
            Some(Frame::Window(count)) => expected = Some(count as usize),
            Some(Frame::Json { sequence, payload }) => {
                assert_eq!(sequence as usize, events.len() + 1, "events are numbered from 1");
                events.push(serde_json::from_slice(&payload).expect("events are JSON"));
            }
            Some(Frame::Ack(_)) => panic!("a sink acknowledges nothing"),
            None => {
                let count = stream.read(&mut chunk).await.ok().filter(|count| *count > 0)?;
                decoder.feed(&chunk[..count]);
            }
        }
    }
    Some(events)
}

fn config(receivers: &[&Receiver], more: &str) -> Config {
    let hosts: Vec<String> = receivers.iter().map(|one| one.address().to_string()).collect();
    let table = format!(
        "hosts = {hosts:?}\nbatch.timeout = \"10ms\"\nrequest.retry_initial_backoff = \"10ms\"\n\
         request.retry_max_backoff = \"50ms\"\n{more}"
    );
    let config: Config = toml::from_str(&table).expect("the table parses");
    assert_eq!(config.problems(), []);
    config
}

fn records(count: usize) -> Vec<String> {
    (0..count).map(|n| format!(r#"{{"id":"{n}"}}"#)).collect()
}

/// Sends `records` to receivers that do these deeds, and gives what each got, with the fates of all.
async fn ship(
    deeds: &[&[Deed]],
    more: &str,
    records: &[String],
) -> (Vec<Vec<Vec<Value>>>, Vec<Outcome>) {
    let mut receivers = Vec::new();
    for deeds in deeds {
        receivers.push(Receiver::new(deeds).await);
    }
    let config = config(&receivers.iter().collect::<Vec<_>>(), more);
    let (context, _dead_letters) = context();
    let sink = config.build(context).await.expect("it builds");
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    let serving = futures_util::future::join_all(receivers.iter_mut().map(Receiver::serve));
    let fates = tokio::select! {
        fates = timeout(TEST_TIMEOUT, run_to_end(sink, &records)) => fates.expect("it ends"),
        _ = serving => panic!("receivers serve for ever"),
    };
    let windows = receivers.into_iter().map(|receiver| receiver.windows).collect();
    (windows, fates.outcomes().to_vec())
}

fn ids(windows: &[Vec<Value>]) -> Vec<Vec<&str>> {
    let mut ids = Vec::new();
    for window in windows {
        ids.push(window.iter().filter_map(|event| event["id"].as_str()).collect());
    }
    ids
}

#[tokio::test]
async fn what_was_acknowledged_in_part_is_not_sent_again() {
    let (windows, outcomes) = ship(&[&[Deed::Part(2)]], "", &records(4)).await;
    assert_eq!(ids(&windows[0]), [vec!["0", "1", "2", "3"], vec!["2", "3"]]);
    assert_eq!(outcomes, [Outcome::Delivered; 4]);
}

#[tokio::test]
async fn windows_begin_small_grow_and_shrink_on_failure() {
    let more = "window_size = 40\nrequest.concurrency = 1";
    let (windows, outcomes) =
        ship(&[&[Deed::Ack, Deed::Ack, Deed::HangUp]], more, &records(200)).await;
    let sizes: Vec<usize> = windows[0].iter().map(Vec::len).collect();
    assert_eq!(sizes, [16, 32, 40, 20, 40, 40, 40, 12]);
    assert_eq!(outcomes, [Outcome::Delivered; 200]);
}

#[tokio::test]
async fn an_event_that_no_receiver_takes_is_alone_in_the_end() {
    // Others double the host's windows meanwhile.
    let deeds = [Deed::Refuse("70"); 50];
    let (windows, outcomes) = ship(&[&deeds], "batch.max_events = 50", &records(200)).await;
    assert_eq!(outcomes, [Outcome::Delivered; 200]);
    let mut refused = windows[0].iter().filter(|window| window.iter().any(|one| one["id"] == "70"));
    assert!(refused.any(|window| window.len() == 1), "{:?}", ids(&windows[0]));
}

#[tokio::test]
async fn an_event_that_no_receiver_takes_is_not_in_the_way_of_those_behind_it() {
    let (windows, outcomes) = ship(&[&[Deed::Refuse("3"); 40]], "", &records(12)).await;
    assert_eq!(outcomes, [Outcome::Delivered; 12]);
    let ids = ids(&windows[0]);
    assert_eq!(ids.last(), Some(&vec!["3"]), "{ids:?}");
    assert_eq!(ids[39], ["3"], "all others went before: {ids:?}");
}

#[tokio::test]
async fn nonsense_is_an_error_after_which_the_same_is_sent_again() {
    for (nonsense, again) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], &["0", "1", "2"][..]),
        (b"2A\0\0\0\x09", &["0", "1", "2"]),
        // Two were taken before it went back to one.
        (b"2A\0\0\0\x02\x32A\0\0\0\x01", &["2"]),
        (b"\x15\x03\x03\0\x02\x02\x46", &["0", "1", "2"]),
        (b"2C\xff\xff\xff\xff", &["0", "1", "2"]),
    ] {
        let (windows, outcomes) = ship(&[&[Deed::Say(nonsense)]], "", &records(3)).await;
        let ids = ids(&windows[0]);
        assert_eq!((&*ids[0], &*ids[1..].concat()), (&["0", "1", "2"][..], again));
        assert_eq!(outcomes, [Outcome::Delivered; 3]);
    }
}

#[tokio::test]
async fn the_first_host_that_works_gets_all() {
    let (windows, outcomes) = ship(&[&[], &[]], "", &records(100)).await;
    assert_eq!(windows[0].iter().map(Vec::len).sum::<usize>(), 100);
    assert_eq!(windows[1].len(), 0);
    assert_eq!(outcomes, [Outcome::Delivered; 100]);
    let (windows, outcomes) =
        ship(&[&[Deed::HangUp; 100], &[]], "request.concurrency = 1", &records(100)).await;
    assert_eq!(windows[1].iter().map(Vec::len).sum::<usize>(), 100);
    assert_eq!(outcomes, [Outcome::Delivered; 100]);
}

#[tokio::test]
async fn events_are_spread_over_the_hosts_that_work() {
    let more = "loadbalance = true\nwindow_size = 5\nbatch.max_events = 10";
    let dead = [Deed::HangUp; 100];
    let (windows, outcomes) = ship(&[&[], &dead, &[]], more, &records(300)).await;
    let counts = windows.iter().map(|windows| windows.iter().map(Vec::len).sum::<usize>());
    let [first, _, third] = counts.collect::<Vec<_>>()[..] else { panic!("there are three") };
    assert!(first > 10 && third > 10, "{first} and {third}");
    assert_eq!((first + third, outcomes), (300, vec![Outcome::Delivered; 300]));
}

#[tokio::test]
async fn the_metadata_is_that_of_a_beat() {
    let records = [
        r#"{"id":"1"}"#.to_owned(),
        "{}".to_owned(),
        r#"{"@metadata":{"pipeline":"p","beat":"mine"},"id":"3"}"#.to_owned(),
        r#"{"@metadata":{}}"#.to_owned(),
        r#"{"@metadata":"x"}"#.to_owned(),
    ];
    let (windows, outcomes) = ship(&[&[]], "metadata.version = \"9\"", &records).await;
    let metadata = json!({"beat": "o365beat", "type": "_doc", "version": "9"});
    let merged = json!({"beat": "mine", "type": "_doc", "version": "9", "pipeline": "p"});
    assert_eq!(
        windows[0],
        [[
            json!({"@metadata": metadata, "id": "1"}),
            json!({"@metadata": metadata}),
            json!({"@metadata": merged, "id": "3"}),
            json!({"@metadata": metadata}),
        ]]
    );
    assert_eq!(outcomes[..4], [Outcome::Delivered; 4]);
    assert_eq!(outcomes[4], Outcome::Rejected);
}

#[tokio::test]
async fn an_event_that_is_too_large_is_a_dead_letter_and_the_others_go_on() {
    for level in [0, 3] {
        let more = format!("compression_level = {level}\nmax_event_bytes = \"200B\"");
        let long = format!(r#"{{"id":"{}"}}"#, "x".repeat(200));
        let records = [r#"{"id":"1"}"#.to_owned(), long, r#"{"id":"3"}"#.to_owned()];
        let (windows, outcomes) = ship(&[&[]], &more, &records).await;
        assert_eq!(ids(&windows[0]), [vec!["1", "3"]]);
        assert_eq!(outcomes, [Outcome::Delivered, Outcome::Rejected, Outcome::Delivered]);
    }
}

#[test]
fn what_cannot_work_is_a_problem() {
    for (table, expected) in [
        ("", "no host is given"),
        ("hosts = [\"a\"]\ncompression_level = 10", "10 is not a level from 0 to 9"),
        ("hosts = [\"a\"]\nwindow_size = 1000001", "a window of 1000001 events is too large"),
        ("hosts = [\"a\"]\nbatch.max_bytes = \"2GiB\"", "no frames of more than 1GiB"),
        ("hosts = [\"a\"]\nmax_event_bytes = \"2GiB\"", "no frames of more than 1GiB"),
        ("hosts = [\"a\"]\nrequest.timeout = \"0s\"", "nothing is done in no time"),
        ("hosts = [\"a\"]\ntls.ca_file = \"a.pem\"", "TLS is not switched on"),
        ("hosts = [\"a\"]\ntls.crt_file = \"a.pem\"", "`crt_file` is set without `key_file`"),
    ] {
        let config: Config = toml::from_str(table).expect("the table parses");
        let problems = config.problems();
        assert!(problems.iter().any(|one| one.message.contains(expected)), "{problems:?}");
    }
}
