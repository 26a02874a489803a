//! What the program says and how it ends, as a user or a service manager sees it.

use std::{
    fs,
    process::{Command, Output},
};

use tempfile::TempDir;

fn o365flow(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_o365flow"))
        .args(arguments)
        .output()
        .expect("the program starts")
}

/// Writes `text` as a configuration and runs `command` with it.
fn with_config(command: &[&str], text: &str) -> (Output, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("o365flow.toml");
    fs::write(&path, text).expect("the configuration is written");
    let path = path.to_str().expect("the path is text").to_owned();
    (o365flow(&[command, &[path.as_str()]].concat()), folder)
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Mistakes of every sort: unknown option, type and input; a value of the wrong kind; a program that does not
/// compile; a cycle; a variable that is not set; a sink whose field nothing sets.
const BROKEN: &str = r#"
data_dirr = "/tmp/x"

[sources.office365]
type = "office365"
poll_interval = 5

[[sources.office365.tenants]]
name = "contoso"
tenant_id = "${O365FLOW_TEST_UNSET}"
client_id = "8d7c6b5a-4f3e-4d2c-9b1a-00112233aabb"
client_secret = "hunter2-in-the-file"

[transforms.map]
type = "remap"
inputs = ["office366"]
source = ".x = downcase(1)"

[transforms.round]
type = "remap"
inputs = ["round"]
source = "."

[sinks.out]
type = "elastic"
inputs = ["map"]

[sinks.file]
type = "file"
inputs = ["map", "round"]
path = 17
"#;

#[test]
fn every_mistake_of_a_configuration_is_shown_at_once() {
    let (output, _folder) = with_config(&["validate"], BROKEN);
    assert_eq!(output.status.code(), Some(78));
    let shown = stderr(&output);
    for (line, part) in [
        (2, "unknown option `data_dirr`"),
        (6, "expected a duration"),
        (10, "the variable `O365FLOW_TEST_UNSET` is not set"),
        (16, "there is no component `office366`"),
        (17, "invalid argument type"),
        (21, "feeds itself: round → round"),
        (25, "there is no sink of type `elastic`"),
        (31, "expected"),
    ] {
        let found = shown
            .lines()
            .any(|text| text.contains(&format!("o365flow.toml:{line}:")) && text.contains(part));
        assert!(found, "no `{part}` at line {line} in:\n{shown}");
    }
    assert!(shown.contains("did you mean `office365`?"), "{shown}");
    assert!(!shown.contains("hunter2"), "a secret is shown:\n{shown}");
}

#[test]
fn what_a_variable_holds_is_never_shown() {
    let secret = "hunter2-of-the-environment";
    let text = r#"
[sources.office365]
type = "office365"
poll_interval = "${O365FLOW_TEST_SECRET}"
[[sources.office365.tenants]]
name = "contoso"
tenant_id = "${O365FLOW_TEST_SECRET}"
client_id = "8d7c6b5a-4f3e-4d2c-9b1a-00112233aabb"
client_secret = "x"
login_url = "${O365FLOW_TEST_SECRET}"
[sinks.out]
type = "elasticsearch"
inputs = ["office365"]
endpoints = ["${O365FLOW_TEST_SECRET}"]
mode = "bulk"
bulk = { index = "${O365FLOW_TEST_SECRET}/", action = "create" }
"#;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("o365flow.toml");
    for text in [text.to_owned(), text.replace("poll_interval", "# ")] {
        fs::write(&path, text).expect("the configuration is written");
        let output = Command::new(env!("CARGO_BIN_EXE_o365flow"))
            .arg("validate")
            .arg(&path)
            .env("O365FLOW_TEST_SECRET", secret)
            .output()
            .expect("the program starts");
        assert_eq!(output.status.code(), Some(78));
        let shown = stderr(&output);
        assert!(shown.contains("the variable's value") || shown.contains("GUID"), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn a_broken_configuration_does_not_run() {
    let (output, folder) = with_config(&["run", "--once", "--config"], BROKEN);
    assert_eq!(output.status.code(), Some(78));
    assert!(!folder.path().join("o365flow-data").exists());
}

#[test]
fn a_configuration_that_is_not_there_is_an_error() {
    let output = o365flow(&["validate", "/nonexistent/o365flow.toml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("cannot read the configuration `/nonexistent/o365flow.toml`"));
}

#[test]
fn text_that_is_not_toml_is_shown_with_its_line() {
    let (output, _folder) = with_config(&["validate"], "data_dir = \"x\"\n[sources.a\ntype = 1\n");
    assert_eq!(output.status.code(), Some(78));
    assert!(stderr(&output).contains("o365flow.toml:2:"), "{}", stderr(&output));
}

#[test]
fn the_graph_is_drawn_in_both_languages() {
    let text = r#"
[sources.office365]
type = "office365"
[[sources.office365.tenants]]
name = "contoso"
tenant_id = "0f1e2d3c-4b5a-4697-8877-665544332211"
client_id = "8d7c6b5a-4f3e-4d2c-9b1a-00112233aabb"
client_secret = "${SECRET_OF_A_GRAPH}"
[transforms.map]
type = "remap"
inputs = ["office365"]
source = "."
[sinks.out]
type = "blackhole"
inputs = ["map", "map.dropped"]
"#;
    let (output, _folder) = with_config(&["graph", "--config"], text);
    let dot = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(dot.starts_with("digraph o365flow {") && dot.contains("n0 -> n1;"), "{dot}");
    assert!(dot.contains(r#"n1 -> n2 [label="dropped"];"#), "{dot}");
    let (output, _folder) = with_config(&["graph", "--format", "mermaid", "--config"], text);
    let mermaid = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(mermaid.starts_with("flowchart LR") && mermaid.contains("n0 --> n1"), "{mermaid}");
}
