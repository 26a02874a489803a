use std::{path::PathBuf, sync::Arc, time::Duration};

use expect_test::{Expect, expect};

use serde::Deserialize;

use super::*;
use crate::config::{fault::SourceFile, tree, units};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its debug form is looked at")]
struct Sink {
    endpoint: String,
    port: u16,
    #[serde(default)]
    batch: Batch,
    #[serde(default)]
    mode: Mode,
    #[serde(default)]
    hosts: Vec<Host>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Batch {
    max_events: usize,
    #[serde(with = "units::duration")]
    timeout: Duration,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    #[default]
    Bulk,
    DataStream,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its debug form is looked at")]
struct Host {
    name: String,
    weight: Option<f64>,
}

#[expect(clippy::needless_pass_by_value, reason = "so that a test reads well")]
fn check(text: &str, expected: Expect) {
    let file = Arc::new(SourceFile { path: PathBuf::from("t.toml"), text: text.to_owned() });
    let (table, mut faults) = tree::parse(&file);
    let node = Node::new(Span::new(&file, 0..0), Value::Table(table));
    let sink: Option<Sink> = read(&node, &mut faults);
    let faults: Vec<String> = faults
        .iter()
        .map(|fault| {
            let span = fault.span.as_ref().expect("a fault in a file has a place");
            format!("{span}: {}; {}", fault.message, fault.fix.as_deref().unwrap_or("-"))
        })
        .collect();
    match sink {
        Some(sink) => expected.assert_eq(&format!("{sink:?}")),
        None => expected.assert_eq(&faults.join("\n")),
    }
}

#[test]
fn a_right_configuration_is_read() {
    check(
        "endpoint = 'a'\nport = 9200\nmode = 'data_stream'\nbatch.timeout = '1s'\n[[hosts]]\nname = 'x'\nweight = 0.5",
        expect![[
            r#"Sink { endpoint: "a", port: 9200, batch: Batch { max_events: 0, timeout: 1s }, mode: DataStream, hosts: [Host { name: "x", weight: Some(0.5) }] }"#
        ]],
    );
}

#[test]
fn every_mistake_is_found_at_once_at_its_line() {
    check(
        "port = 'x'\nmode = 'blk'\nbatch = { max_event = 1, timeout = '5 apples' }\nzzz = 1\n[[hosts]]\nname = 3\n[[hosts]]\nwieght = 1.0",
        expect![[r#"
            t.toml:1:8: expected a whole number from 0 to 65535, found string; -
            t.toml:2:8: `blk` is not one of: bulk, data_stream; -
            t.toml:3:11: unknown option `max_event`; did you mean `max_events`?
            t.toml:3:36: `5 apples` is not a duration like "30s", "5m" or "7d": unknown time unit "apples", supported units: ns, us/µs, ms, sec, min, hours, days, weeks, months, years (and few variations); -
            t.toml:4:1: unknown option `zzz`; the options here are: endpoint, port, batch, mode, hosts
            t.toml:6:8: expected a string, found integer; -
            t.toml:8:1: unknown option `wieght`; did you mean `weight`?
            t.toml:7:1: `name` is missing; add `name = …`
            t.toml:1:1: `endpoint` is missing; add `endpoint = …`"#]],
    );
}

#[test]
fn a_mistake_at_the_root_is_told_once() {
    let file = Arc::new(SourceFile { path: PathBuf::from("t.toml"), text: "x".to_owned() });
    let node = Node::new(Span::new(&file, 0..1), Value::String("x".to_owned()));
    let mut faults = Vec::new();
    assert_eq!(read::<Vec<String>>(&node, &mut faults), None);
    let shown: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(shown, [r#"t.toml:1:1: expected an array, as `["…"]`, found string"#]);
}

#[test]
fn all_that_is_missing_is_found() {
    check(
        "[[hosts]]\nweight = 1.0",
        expect![[r"
        t.toml:1:1: `name` is missing; add `name = …`
        t.toml:1:1: `endpoint` is missing; add `endpoint = …`
        t.toml:1:1: `port` is missing; add `port = …`"]],
    );
}
