mod cost;

use expect_test::expect;
use futures_util::FutureExt;
use pipeline_core::{
    Batch, ComponentKind, Outcome, Outputs, Receipt, Transform,
    testing::{ManualClock, batch},
};
use tokio::{
    task::unconstrained,
    time::{Duration, advance},
};
use vrl::{path::OwnedValuePath, value::Value};

use super::*;
use crate::live::{ComponentDescription, Description, Live, OutputDescription};

fn field(name: &str) -> OwnedValuePath {
    OwnedValuePath::single_field(name)
}

/// Numbers the events that it gets; lets those with `bad` out by its second port, and filters those with `drop` out.
#[derive(Default)]
struct Numbering(i64);

impl Transform for Numbering {
    fn transform(&mut self, batch: Batch, outputs: &mut Outputs) {
        for mut event in batch {
            self.0 += 1;
            let has = |name: &str| event.at(&field(name)).is_some();
            if has("drop") {
                event.settle(Outcome::Filtered);
                continue;
            }
            let port = usize::from(has("bad"));
            let mut value = event.take_value();
            value.insert(&field("number"), self.0);
            for event in event.split(vec![value]) {
                outputs.push(port, event);
            }
        }
    }
}

/// A transform `map` between a source and a sink, fed by hand.
struct Rig {
    live: Live,
    tap: Tap,
    transform: Numbering,
}

fn component(id: &str, kind: ComponentKind, ports: &[&str]) -> ComponentDescription {
    let output =
        |port: &&str| OutputDescription { port: (*port).to_owned(), kinds: "any".to_owned() };
    ComponentDescription {
        id: id.into(),
        kind,
        component_type: "test".to_owned(),
        inputs: vec![],
        outputs: ports.iter().map(output).collect(),
        program: None,
    }
}

fn whole() -> Description {
    let components = vec![
        component("in", ComponentKind::Source, &[""]),
        component("map", ComponentKind::Transform, &["", "dropped"]),
        component("out", ComponentKind::Sink, &[]),
    ];
    Description { generation: 1, components }
}

impl Rig {
    fn new() -> Rig {
        let live = Live::new().0;
        live.describe(whole());
        let tap = live.taps().of(&"map".into()).of_transform();
        Rig { live, tap, transform: Numbering::default() }
    }

    fn try_watch(
        &self,
        name: &str,
        side: Option<Side>,
        condition: &str,
    ) -> Result<Watch, WatchError> {
        let (component, port) = match name.split_once('.') {
            Some((component, port)) => (component, Some(port.to_owned())),
            None => (name, None),
        };
        let condition = Some(condition.to_owned());
        let component = component.to_owned();
        let request = WatchRequest { component, port, side, condition, rate: 3.0 };
        self.live.watch(&request, ManualClock::new(chrono::DateTime::UNIX_EPOCH))
    }

    fn watch(&self, name: &str, side: Option<Side>, condition: &str) -> Watch {
        self.try_watch(name, side, condition).expect("it can be watched")
    }

    /// Lets records pass the transform, and shows what left it.
    fn pass(&mut self, records: &[&str]) -> (String, Receipt) {
        let ports = [String::new(), "dropped".to_owned()];
        let (batch, receipt) = batch(records);
        let left = self.tap.pass(&mut self.transform, batch, &ports).into_batches();
        let shown = left.iter().map(|batch| {
            batch
                .events()
                .iter()
                .map(|event| event.value().to_string())
                .collect::<Vec<_>>()
                .join(" ")
        });
        let shown = shown.collect::<Vec<_>>().join(" | ");
        for batch in left {
            batch.settle(Outcome::Delivered);
        }
        (shown, receipt)
    }
}

/// What a watcher has got so far.
fn seen(watch: &mut Watch) -> String {
    let mut lines = Vec::new();
    // All of it, however much tokio finds fair.
    while let Some(Some(seen)) = unconstrained(watch.next()).now_or_never() {
        lines.push(match seen {
            Seen::Event(shown) => {
                let Shown { port, side, event, before, .. } = *shown;
                let before = before.map(|before| format!("{before} → ")).unwrap_or_default();
                format!("{side:?} {port:?} {before}{event}")
            }
            other => format!("{other:?}"),
        });
    }
    lines.join("\n")
}

#[tokio::test(start_paused = true)]
async fn what_leaves_is_seen_by_port_and_as_often_as_asked_for() {
    let mut rig = Rig::new();
    let mut all = rig.watch("map", None, "");
    let mut dropped = rig.watch("map.dropped", None, "");
    rig.pass(&["{}", r#"{"bad":1}"#, r#"{"drop":1}"#, "{}", "{}"]);
    expect![[r#"
        Out Some("") { "number": 1 }
        Out Some("") { "number": 4 }
        Out Some("") { "number": 5 }"#]]
    .assert_eq(&seen(&mut all));
    expect![[r#"Out Some("dropped") { "bad": 1, "number": 2 }"#]].assert_eq(&seen(&mut dropped));
    advance(Duration::from_secs(1)).await;
    assert_eq!(seen(&mut all), "Skipped(1)");
    rig.pass(&["{}"]);
    assert_eq!(seen(&mut all), r#"Out Some("") { "number": 6 }"#);
    assert_eq!(seen(&mut dropped), "");
}

#[tokio::test(start_paused = true)]
async fn each_event_is_seen_with_what_became_of_it_and_the_stream_stays_the_same() {
    let records = ["{}", r#"{"a":1}"#, r#"{"drop":1,"a":1}"#, r#"{"bad":1}"#, r#"{"bad":1,"a":1}"#];
    let (mut plain, mut watched) = (Rig::new(), Rig::new());
    let mut watch = watched.watch("map", Some(Side::Both), "exists(.a)");
    let (left, _) = plain.pass(&records);
    let (left_when_watched, receipt) = watched.pass(&records);
    assert_eq!(left, left_when_watched);
    expect![[r#"
        Out Some("") { "a": 1 } → { "a": 1, "number": 2 }
        In None { "a": 1, "drop": 1 }
        Out Some("dropped") { "a": 1, "bad": 1 } → { "a": 1, "bad": 1, "number": 5 }"#]]
    .assert_eq(&seen(&mut watch));
    let fates = receipt.await;
    assert_eq!((fates.count(Outcome::Delivered), fates.count(Outcome::Filtered)), (4, 1));
}

#[tokio::test(start_paused = true)]
async fn a_watcher_who_does_not_read_holds_nothing_up_and_nothing_back() {
    let mut rig = Rig::new();
    let request = WatchRequest {
        component: "map".to_owned(),
        port: None,
        side: Some(Side::In),
        condition: None,
        rate: 1000.0,
    };
    let clock = ManualClock::new(chrono::DateTime::UNIX_EPOCH);
    let mut watch = rig.live.watch(&request, clock).expect("it can be watched");
    let (_, receipt) = rig.pass(&["{}"; 600]);
    assert_eq!(receipt.await.count(Outcome::Delivered), 600);
    let before = seen(&mut watch).lines().count();
    advance(Duration::from_secs(1)).await;
    assert_eq!((before, seen(&mut watch).as_str()), (256, "Skipped(344)"));
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_watcher_is_bounded_in_bytes_too() {
    let mut rig = Rig::new();
    let mut watch = rig.watch("map", Some(Side::In), "");
    let large = format!(r#"{{"a":"{}"}}"#, "x".repeat(700_000));
    rig.pass(&[&large, &large, "{}"]);
    assert_eq!(seen(&mut watch).lines().count(), 2, "one large event and the small one");
}

#[tokio::test(start_paused = true)]
async fn a_watch_outlives_the_component_and_finds_it_again() {
    let mut rig = Rig::new();
    let mut watch = rig.watch("map", None, "");
    let mut without = whole();
    without.components.remove(1);
    rig.live.describe(without.clone());
    assert_eq!(seen(&mut watch), "Gone");
    rig.live.describe(without);
    assert_eq!(seen(&mut watch), "");
    rig.tap = rig.live.taps().of(&"map".into()).of_transform();
    rig.live.describe(whole());
    rig.pass(&["{}"]);
    // What has been seen comes first, whenever it was.
    let seen = seen(&mut watch);
    assert!(seen.contains("Back") && seen.contains(r#"{ "number": 1 }"#), "{seen}");
}

#[tokio::test(start_paused = true)]
async fn once_nobody_watches_nothing_is_looked_at() {
    let rig = Rig::new();
    let first = rig.watch("map", None, "");
    let second = rig.watch("map", Some(Side::In), "");
    drop(first);
    assert_eq!(rig.tap.0.watchers(), 1);
    drop(second);
    assert!(!rig.tap.0.is_watched());
    assert!(!rig.tap.0.is_open());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_watched_is_said_with_what_can() {
    let rig = Rig::new();
    let check = |name: &str, side, condition: &str, expected: &str| {
        let error = rig.try_watch(name, side, condition).expect_err(name);
        let shown = match error {
            WatchError::Unknown { message, fix } => format!("{message}; {fix}"),
            WatchError::Condition(error) => error.message,
            other => other.to_string(),
        };
        assert_eq!(shown, expected);
    };
    check("mapp", None, "", "there is no component `mapp`; did you mean `map`?");
    check("zzz", None, "", "there is no component `zzz`; the components are: in, map, out");
    let outputs = "its outputs are: `map`, `map.dropped`";
    check("map.high", None, "", &format!("there is no output `map.high`; {outputs}"));
    check("out", Some(Side::Out), "", "`out` is a sink; nothing leaves it");
    check("in", Some(Side::In), "", "`in` is a source; nothing arrives at it");
    check("map", None, ".a == ", "condition line 1: syntax error (E204)");
    check("map", None, ".a = 1", "condition line 1: mutation of read-only value (E315)");
    let mut watches = Vec::new();
    while let Ok(watch) = rig.try_watch("map", None, "") {
        watches.push(watch);
    }
    assert_eq!(watches.len(), WATCHERS_MAX);
    check("in", None, "", "32 watch already, which is as many as can");
    watches.pop();
    assert!(rig.try_watch("in", None, "").is_ok());
}

#[tokio::test(start_paused = true)]
async fn rates_that_nobody_can_mean_are_refused() {
    let rig = Rig::new();
    for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 1001.0] {
        let component = "map".to_owned();
        let request = WatchRequest { component, port: None, side: None, condition: None, rate };
        let clock = ManualClock::new(chrono::DateTime::UNIX_EPOCH);
        assert!(matches!(rig.live.watch(&request, clock), Err(WatchError::Rate { .. })), "{rate}");
    }
}

#[tokio::test(start_paused = true)]
async fn samples_are_the_latest_events_and_keep_their_types() {
    let mut rig = Rig::new();
    rig.pass(&["{}"]);
    assert!(rig.live.taps().samples("map").is_empty(), "nobody has asked for them");
    let numbered: Vec<String> = (0..40).map(|number| format!(r#"{{"n":{number}}}"#)).collect();
    let records: Vec<&str> = numbered.iter().map(String::as_str).collect();
    rig.live.taps().ask_for_samples();
    let (_, receipt) = rig.pass(&records);
    assert!(receipt.await.is_settled(), "a sample speaks for nobody");
    rig.pass(&["{}"]);
    let samples = rig.live.taps().samples("map");
    assert_eq!(samples.len(), 20, "of a batch after which none was asked for");
    rig.live.taps().ask_for_samples();
    let time = Value::Timestamp(chrono::DateTime::UNIX_EPOCH);
    let (batch, _receipt) = batch(&["{}"]);
    let mut event = batch.into_events().remove(0);
    let mut value = event.take_value();
    value.insert(&field("at"), time.clone());
    let ports = [String::new(), "dropped".to_owned()];
    let batch = Batch::from(event.split(vec![value]));
    rig.tap.pass(&mut rig.transform, batch, &ports).into_batches();
    let samples = rig.live.taps().samples("map");
    assert_eq!(samples.len(), 20);
    assert_eq!(samples[19].at(&field("at")), Some(&time));
}

#[tokio::test(start_paused = true)]
async fn samples_take_no_more_than_their_share_of_memory() {
    let mut rig = Rig::new();
    let text = format!(r#"{{"a":"{}"}}"#, "x".repeat(300_000));
    rig.live.taps().ask_for_samples();
    rig.pass(&[&text, &text, &text, &text, "{}"]);
    let samples = rig.live.taps().samples("map");
    let bytes: usize = samples.iter().map(pipeline_core::Event::byte_size).sum();
    assert_eq!(samples.len(), 4, "the oldest of the large ones had to go");
    assert!(bytes < SAMPLES_BYTES_MAX, "{bytes}");
}
