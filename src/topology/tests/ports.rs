//! Transforms with several ports: what leaves where, what is fused, what is counted.

use super::rig::play;

/// Twelve events; the port `even` leads on by two more transforms, `low` by one, `_unmatched` nowhere.
const ROUTED: &str = r#"
[sources.a]
type = "script"
batches = 3
events = 4
[transforms.r]
type = "route"
inputs = ["a"]
route.even = "mod!(.n, 2) == 0"
route.low = "int!(.n) < 4"
route.high = "int!(.n) > 9"
[transforms.named]
type = "remap"
inputs = ["r.even"]
source = ".name = \"even\""
[transforms.once]
type = "dedupe"
inputs = ["named"]
fields.match = ["name"]
[transforms.low]
type = "remap"
inputs = ["r.low"]
source = "if .n == 3 { abort }"
[sinks.even_out]
type = "script"
inputs = ["once"]
[sinks.low_out]
type = "script"
inputs = ["low"]
[sinks.high_out]
type = "script"
inputs = ["r.high"]
"#;

#[test]
fn events_leave_by_the_ports_that_take_them_and_transforms_behind_them_are_fused() {
    let played = play(ROUTED);
    assert_eq!(played.result, Ok(()));
    assert_eq!(played.stages, ["r + named + low + once"]);
    let got = |sink| played.observed.got(sink).join(" ");
    assert_eq!(
        (got("even_out"), got("low_out"), got("high_out")),
        ("a0".into(), "a0 a1 a2".into(), "a10 a11".into())
    );
    // 0: even and low. 1: low. 2: a copy, and low. 3: filtered. 4, 6, 8: copies. 5, 7, 9: unmatched. 10: a copy, and high.
    assert_eq!(played.fates("a"), "DDDF|FFFF|FFDD");
    let count = |id, what| played.count(id, what);
    assert_eq!((count("r", "received"), count("r", "sent")), (12, 6 + 4 + 2));
    assert_eq!((count("named", "received"), count("named", "sent")), (6, 6));
    assert_eq!((count("once", "received"), count("once", "sent")), (6, 1));
    assert_eq!((count("low", "received"), count("low", "sent")), (4, 3));
    assert_eq!(played.sum("component_discarded_events_total", "r"), 3);
    assert_eq!(played.sum("component_discarded_events_total", "once"), 5);
    for (port, sent) in [("even", 6), ("low", 4), ("high", 2)] {
        assert_eq!(played.sent_by("r", port), sent, "{port}");
    }
}

#[test]
fn a_port_with_two_readers_is_read_by_both() {
    let text = ROUTED
        .replace("inputs = [\"r.high\"]", "inputs = [\"r.high\", \"r.low\", \"r._unmatched\"]");
    let played = play(&text);
    assert_eq!(played.result, Ok(()));
    assert_eq!(played.stages.len(), 2, "what two read is not fused: {:?}", played.stages);
    assert_eq!(played.observed.got("low_out").join(" "), "a0 a1 a2");
    let mut high = played.observed.got("high_out");
    high.sort();
    assert_eq!(high.join(" "), "a0 a1 a10 a11 a2 a3 a5 a7 a9");
    assert_eq!(played.fates("a"), "DDDD|FDFD|FDDD");
}

#[test]
fn no_event_is_a_copy_of_one_that_its_sink_has_failed_on() {
    let failing = "inputs = [\"once\"]\nmillis = 50\nverdicts = [\"errored\"]";
    let played = play(&ROUTED.replace("inputs = [\"once\"]", failing));
    assert_eq!(played.result, Ok(()));
    // The even ones all fail: as the first, or with it.
    assert_eq!(played.fates("a"), "EDEF|EFEF|EFED");
    assert_eq!(played.sum("component_discarded_events_total", "once"), 0);
}
