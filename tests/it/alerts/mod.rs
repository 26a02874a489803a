//! The alert rules and dashboards: checked by Prometheus' own tool, and by a Prometheus that scrapes the program while each
//! cause is brought about and mended.

mod dashboards;
mod trial;

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use serde_json::Value;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/prometheus");

/// The rules with an alert.
fn rules() -> Vec<Value> {
    let text = fs::read_to_string(Path::new(FOLDER).join("alerts.yml")).expect("there are rules");
    let rules: Value = serde_yaml_ng::from_str(&text).expect("they are YAML");
    let groups = rules["groups"].as_array().expect("groups");
    groups.iter().flat_map(|group| group["rules"].as_array().expect("rules").clone()).collect()
}

fn text_at<'a>(rule: &'a Value, path: &str) -> &'a str {
    rule.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

#[test]
fn promtool_finds_no_fault_in_the_rules_and_their_unit_tests_pass() {
    for arguments in [
        ["check", "config", "prometheus.yml"],
        ["check", "rules", "alerts.yml"],
        ["test", "rules", "alerts.test.yml"],
    ] {
        let promtool = Command::new("promtool").args(arguments).current_dir(FOLDER).output();
        let promtool = promtool.expect("promtool is installed; `make test` does that");
        let said = [promtool.stdout, promtool.stderr].concat();
        assert!(promtool.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&said));
    }
}

#[test]
fn each_alert_says_what_to_do_and_is_in_the_runbook_and_in_the_unit_tests() {
    let read = |path: &str| {
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect(path)
    };
    let (runbook, tests) = (read("docs/runbook.md"), read("config/prometheus/alerts.test.yml"));
    let headings: BTreeSet<&str> =
        runbook.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let mut names = BTreeSet::new();
    let rules = rules();
    for rule in &rules {
        let name = text_at(rule, "/alert");
        let severity = text_at(rule, "/labels/severity");
        assert!(["critical", "warning", "info"].contains(&severity), "{name}: {severity}");
        for annotation in ["summary", "description", "runbook"] {
            let text = text_at(rule, &format!("/annotations/{annotation}"));
            assert!(text.len() > 20, "{name}: {annotation}: {text}");
        }
        let url = format!("docs/runbook.md#{}", name.to_ascii_lowercase());
        assert_eq!(text_at(rule, "/annotations/runbook_url"), url);
        assert!(runbook.contains(&format!("## {name}\n\n*{severity}.*")), "{name}: {severity}");
        assert!(tests.contains(&format!("alertname=\"{name}\"")), "{name} has no unit test");
        names.insert(name);
    }
    assert_eq!(headings, names);
}
