//! Whatever stands in a configuration file: it is read or refused, without a panic, and no secret is shown.

use std::{fmt::Write, io, path::Path, path::PathBuf, sync::Arc};

use o365flow::{
    components::REGISTRY,
    config::{self, fault::SourceFile},
    topology::{Means, check},
};
use proptest::{prelude::*, test_runner::RngSeed};

/// A configuration with options of every kind.
const FULL: &str = r#"
data_dir = "/tmp/state"
shutdown_timeout = "1m"
[api]
address = "127.0.0.1:8686"
[log]
components = { elastic = "debug" }
[metrics]
address = "127.0.0.1:9598"
[sources.office365]
type = "office365"
content_types = ["Audit.AzureActiveDirectory", "Audit.General"]
poll_interval = "5m"
lookback = "7d"
settle_time = "1m"
max_requests_per_minute = 2000
publisher_id = "0f1e2d3c-4b5a-4697-8877-665544332211"
record_path = ""
max_in_flight_bytes = "64MB"
[[sources.office365.tenants]]
name = "contoso"
tenant_id = "0f1e2d3c-4b5a-4697-8877-665544332211"
client_id = "8d7c6b5a-4f3e-4d2c-9b1a-00112233aabb"
client_secret = "open-sesame"
cloud = "enterprise"
[transforms.map]
type = "remap"
inputs = ["office365"]
source = '.event.id = .Id; ."@timestamp" = now()'
drop_on_error = true
timeout = "1s"
[sinks.elastic]
type = "elasticsearch"
inputs = ["map"]
endpoints = ["https://127.0.0.1:9200"]
mode = "bulk"
bulk = { index = "o365-%Y.%m.%d", action = "create" }
id_field = "event.id"
auth = { strategy = "basic", user = "elastic", password = "open-sesame" }
compression = "gzip"
batch = { max_events = 2000, max_bytes = "8MB", timeout = "1s" }
request = { concurrency = 4, timeout = "60s", retry_max_backoff = "1m" }
[sinks.file]
type = "file"
inputs = ["map.dropped"]
path = "/tmp/out.ndjson"
[sinks.console]
type = "console"
inputs = ["map"]
target = "stdout"
encoding = "json"
"#;

/// Reads and checks `text`, and gives what is shown of it.
fn shown(text: &str, secret: &str) -> String {
    let file = Arc::new(SourceFile { path: PathBuf::from("t.toml"), text: text.to_owned() });
    let (config, mut faults) = config::parse(&[file], REGISTRY, &|name| {
        name.starts_with("SECRET").then(|| secret.to_owned())
    });
    let is_whole = config.components.iter().all(|declared| declared.settings.is_some());
    assert!(is_whole || !faults.is_empty(), "a component was left out without a word:\n{text}");
    let no_file = |_: &Path| Err(io::Error::from(io::ErrorKind::NotFound));
    match check(config.components, Means::files(&no_file)) {
        Ok(checked) => faults.extend(checked.warnings),
        Err(more) => faults.extend(more),
    }
    let mut shown = String::new();
    for fault in faults {
        writeln!(shown, "{fault}\n{fault:?}").expect("a String takes all");
    }
    shown
}

#[test]
fn the_configuration_that_is_varied_is_right() {
    assert_eq!(shown(FULL, ""), "");
}

#[test]
fn no_fault_shows_what_a_variable_holds() {
    let mut leaks = Vec::new();
    // Close to what each kind of option takes, so that its parser gets as far as it can.
    for secret in [
        "hunter2",
        "5hunter2",
        "5 hunter2",
        "https://elastic:hunter2@[::",
        "hunter2.[",
        "hunter2\nhunter2(",
        ".x = hunter2(",
    ] {
        for (number, line) in FULL.lines().enumerate() {
            let Some((key, value)) = line.split_once(" = ") else { continue };
            let mut ways =
                vec![format!("{key} = \"${{SECRET}}\""), format!("{key} = [\"${{SECRET}}\"]")];
            let inner: Vec<(usize, &str)> = value.match_indices('"').collect();
            for quotes in inner.chunks_exact(2) {
                let (before, after) = (&value[..=quotes[0].0], &value[quotes[1].0..]);
                ways.push(format!("{key} = {before}${{SECRET}}{after}"));
                ways.push(format!("{key} = {before}x-${{SECRET}}-y{after}"));
            }
            for way in ways {
                let changed = |(at, line)| if at == number { way.as_str() } else { line };
                let text: Vec<&str> = FULL.lines().enumerate().map(changed).collect();
                let shown = shown(&text.join("\n"), secret);
                if shown.contains("hunter2") {
                    leaks.push(format!("with `{way}` and `{secret}`:\n{shown}"));
                }
            }
        }
    }
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
}

#[test]
fn a_secret_in_a_program_that_does_not_compile_is_not_shown() {
    let text = FULL.replace(".event.id = .Id", r#".key = "${SECRET}"; .x = downcase(1)"#);
    let shown = shown(&text, "hunter2");
    assert!(shown.contains("E110") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn names_that_could_leave_the_state_folder_are_refused() {
    for name in ["/tmp/x", "..", "a/b", "", "a b", "é", "a\\u0000", &"x".repeat(300)] {
        let text = FULL.replace("[sinks.console]", &format!("[sinks.\"{name}\"]"));
        assert!(shown(&text, "").contains("can't be a component's name"), "{name}");
    }
}

#[test]
fn an_input_under_two_names_is_found() {
    let text = FULL.replace(r#"["map.dropped"]"#, r#"["map", "map."]"#);
    assert!(shown(&text, "").contains("`map.` is listed twice"));
}

/// What is shown once `from` stands as `to`.
fn check_mistake(from: &str, to: &str, expected: &str) {
    assert!(FULL.contains(from), "{from}");
    let shown = shown(&FULL.replacen(from, to, 1), "");
    assert!(shown.contains(expected), "`{to}` gives:\n{shown}");
}

#[test]
fn frequent_mistakes_are_met_with_their_remedy() {
    check_mistake("[sinks.file]", "[sink.file]", "did you mean `sinks`?");
    check_mistake("{ elastic = \"debug", "{ elastik = \"debug", "did you mean `elastic`?");
    check_mistake("elastic = \"debug", "elastic = \"loud", "is not one of: off, error");
    check_mistake("[transforms.map]", "[transform.map]", "did you mean `transforms`?");
    check_mistake(
        "inputs = [\"map\"]",
        "inputs = \"map\"",
        "expected an array, as `[\"…\"]`, found string",
    );
    check_mistake(
        "type = \"remap\"",
        "type = \"console\"",
        "`console` is a sink: write `[sinks.…]`",
    );
    check_mistake("\"127.0.0.1:8686\"", "\"8686\"", "`8686` is not an address with its port, like");
    check_mistake("= 2000", "= \"2000\"", "expected a whole number from 1 on, found string");
    check_mistake("drop_on_error = true", "drop_on_error = \"no\"", "expected `true` or `false`");
}

#[test]
fn deep_nesting_is_refused_or_read() {
    for depth in [10, 100, 1000, 20_000] {
        let dotted = vec!["a"; depth].join(".");
        for text in [
            format!("{dotted} = 1"),
            format!("[{dotted}]\nx = 1"),
            format!("a = {}1{}", "[".repeat(depth), "]".repeat(depth)),
            format!("a = {}1{}", "{a=".repeat(depth), "}".repeat(depth)),
            format!("[sinks.x]\ntype = 'file'\ninputs = ['y']\n{dotted} = 1"),
        ] {
            assert!(!shown(&text, "").is_empty());
        }
    }
}

/// A value in the place of another.
fn values() -> impl Strategy<Value = String> {
    let odd = [
        "-1",
        "0",
        "1",
        "18446744073709551615",
        "9223372036854775807",
        "0x7f",
        "1e400",
        "nan",
        "-inf",
        "true",
        "\"\"",
        "\"x\"",
        "\"99999999999999y\"",
        "\"-5s\"",
        "\"1e30GB\"",
        "\".\"",
        "\"a[\"",
        "\"a[-1]\"",
        "\"${\"",
        "\"${SECRET}\"",
        "\"${NOBODY:-1s}\"",
        "\"$$\"",
        "'''\n'''",
        "[]",
        "{}",
        "[{}]",
        "[[\"x\"]]",
        "{ type = 1 }",
        "1979-05-27",
        "07:32:00",
        "\"map\"",
        "[\"map\"]",
        "[\"office365\", \"map.dropped\"]",
        "\"http://\"",
        "\"%Y%\"",
        "\"\\u0000\"",
        "\"😀\"",
    ];
    prop_oneof![
        prop::sample::select(odd.to_vec()).prop_map(str::to_owned),
        "[ -~]{0,12}",
        "\"[ !#-\\[\\]-~]{0,20}\"",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, rng_seed: RngSeed::Fixed(365), ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_it_panic(text in "([a-z.]{1,4} = [^\n]{0,6}\n|\\[{1,2}(sources|sinks|transforms)\\.[a-c]\\]{1,2}\n|type = '(office365|remap|file|console)'\n|inputs = \\['[a-c]'\\]\n){0,12}") {
        shown(&text, "");
    }

    #[test]
    fn no_value_makes_it_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), values()), 1..4), cut in any::<Option<prop::sample::Index>>()) {
        let mut lines: Vec<String> = FULL.lines().map(str::to_owned).collect();
        for (index, value) in changes {
            let line = index.get(&lines).clone();
            if let Some((key, _)) = line.split_once(" = ") {
                let at = index.index(lines.len());
                lines[at] = format!("{key} = {value}");
            }
        }
        let mut text = lines.join("\n");
        if let Some(cut) = cut {
            text.truncate(text.floor_char_boundary(cut.index(text.len())));
        }
        shown(&text, "hunter2");
    }
}
