use std::sync::mpsc;

use pipeline_core::testing::ManualClock;
use proptest::prelude::*;
use serde_json::{Value, json};
use tracing::{debug, error, info, info_span, subscriber::with_default, warn};

use super::*;

/// What `play` logs, as lines.
fn logged(filter: &str, renderer: Renderer, play: impl FnOnce(&Logs)) -> Vec<String> {
    let (sender, written) = mpsc::channel();
    let out = move |line: &[u8]| {
        drop(sender.send(String::from_utf8(line.to_vec()).expect("a line is text")));
    };
    let clock = ManualClock::new(pipeline_core::Timestamp::UNIX_EPOCH);
    let logs = Logs {
        levels: Levels::new(filter),
        lines: Arc::new(Lines::new(renderer, clock, Box::new(out))),
    };
    let layer = LogLayer(Arc::clone(&logs.lines)).with_filter(logs.levels.clone());
    with_default(tracing_subscriber::registry().with(layer), || play(&logs));
    written.try_iter().collect()
}

fn logged_as_json(filter: &str, play: impl FnOnce(&Logs)) -> Vec<Value> {
    let lines = logged(filter, Renderer::Json, play);
    lines.iter().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

#[test]
fn a_line_tells_its_place() {
    let lines = logged_as_json("info", |_| {
        let _component = info_span!("component", component_id = "audit").entered();
        info!("alone");
        let _feed =
            info_span!("feed", tenant = "contoso", content_type = "Audit.General").entered();
        warn!(component_id = "own", blobs = 3, "seen");
    });
    let without_time = |mut line: Value| {
        line.as_object_mut().and_then(|line| line.remove("timestamp")).expect("a time");
        line
    };
    let lines: Vec<Value> = lines.into_iter().map(without_time).collect();
    assert_eq!(
        lines,
        [
            json!({"level": "INFO", "message": "alone", "component_id": "audit"}),
            json!({
                "level": "WARN", "message": "seen", "component_id": "own", "tenant": "contoso",
                "content_type": "Audit.General", "blobs": 3
            }),
        ]
    );
}

#[test]
fn a_component_can_have_a_level_of_its_own() {
    let levels = [("loud".into(), LogLevel::Debug), ("quiet".into(), LogLevel::Error)].into();
    let lines = logged_as_json("info", |logs| {
        logs.set_component_levels(&levels);
        for component_id in ["loud", "quiet", "other"] {
            let _span = info_span!("component", component_id).entered();
            debug!("detail");
            info!("news");
        }
        debug!(component_id = "loud", "without a span");
        logs.set_component_levels(&BTreeMap::new());
        debug!(component_id = "loud", "after");
    });
    let shown: Vec<String> =
        lines.iter().map(|line| format!("{} {}", line["component_id"], line["message"])).collect();
    assert_eq!(
        shown,
        [
            "\"loud\" \"detail\"",
            "\"loud\" \"news\"",
            "\"other\" \"news\"",
            "\"loud\" \"without a span\""
        ]
    );
}

#[test]
fn copies_are_summed_up() {
    let lines = logged_as_json("info", |logs| {
        for failures in 0..1000 {
            for component_id in ["a", "b"] {
                error!(component_id, failures, error = "refused", "no delivery");
            }
        }
        error!(component_id = "a", failures = 1000, error = "another", "no delivery");
        info!("said twice");
        info!("said twice");
        logs.sum_up();
    });
    let shown: Vec<Value> = lines
        .iter()
        .map(|line| {
            json!([line["component_id"], line["error"], line["failures"], line["repeated"]])
        })
        .collect();
    assert_eq!(
        shown,
        [
            json!(["a", "refused", 0, null]),
            json!(["b", "refused", 0, null]),
            json!(["a", "another", 1000, null]),
            json!([null, null, null, null]),
            json!([null, null, null, null]),
            json!(["a", "refused", 999, 999]),
            json!(["b", "refused", 999, 999]),
        ]
    );
}

#[test]
fn a_flood_of_different_lines_of_one_cause_is_bounded_and_counted() {
    let lines = logged_as_json("info", |logs| {
        for number in 0..5000 {
            error!(component_id = "es", error = format!("event {number} refused"), "refused");
        }
        logs.sum_up();
    });
    assert_eq!(lines.len(), 101);
    assert_eq!(lines[100]["repeated"], 4900);
    assert_eq!(lines[100]["error"], "event 4999 refused");
}

#[tokio::test(start_paused = true)]
async fn what_is_repeated_is_told_when_the_window_ends() {
    let lines = logged_as_json("info", |logs| {
        let say = || warn!("again");
        let mut at = Instant::now();
        say();
        say();
        for _ in 0..3 {
            at += Duration::from_secs(6);
            logs.lines.sum_up(Some(at));
        }
    });
    let repeated: Vec<&Value> = lines.iter().map(|line| &line["repeated"]).collect();
    assert_eq!(repeated, [&Value::Null, &json!(1)]);
}

#[test]
fn text_is_for_people() {
    let lines = logged("info", Renderer::Text { in_colour: false }, |_| {
        let error = std::io::Error::other("no \u{1b}[31mspace\nleft");
        error!(
            component_id = "es",
            path = "/a b",
            empty = "",
            count = 2,
            error = &error as &dyn std::error::Error,
            "disk\u{7} full"
        );
    });
    let (time, rest) = lines[0].split_once(' ').expect("a time");
    assert!(time.ends_with('Z'), "{time}");
    assert_eq!(
        rest,
        "ERROR disk\\u{7} full component_id=es path=\"/a b\" empty=\"\" count=2 error=\"no \\u001b[31mspace\\nleft\"\n"
    );
}

proptest! {
    #[test]
    fn a_line_is_one_line_whatever_is_logged(message in any::<String>(), value in any::<String>()) {
        // JSON lets the control characters beyond ASCII be.
        for renderer in [Renderer::Json, Renderer::Text { in_colour: false }] {
            let lines = logged("info", renderer, |_| error!(component_id = %value, value, "{message}"));
            let [line] = lines.as_slice() else { panic!("{lines:?}") };
            let line = line.strip_suffix('\n').expect("a line feed");
            let is_wrong = |letter: char| match renderer {
                Renderer::Json => letter.is_ascii_control() && letter != '\u{7f}',
                Renderer::Text { .. } => letter.is_control(),
            };
            prop_assert!(!line.contains(is_wrong), "{line:?}");
        }
    }
}
