//! The dashboards for Grafana: what each panel asks is asked of a Prometheus.

use std::{fs, path::Path};

use serde_json::Value;

use crate::services::prometheus::Prometheus;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/grafana");

const NAMES: [&str; 2] = ["pipeline.json", "feeds.json"];

fn dashboard(name: &str) -> Value {
    let text = fs::read_to_string(Path::new(FOLDER).join(name)).expect("there is a dashboard");
    serde_json::from_str(&text).expect("a dashboard is JSON")
}

/// The panels that show something. Rows are open, so that none is inside one.
fn panels(dashboard: &Value) -> Vec<&Value> {
    let all = dashboard["panels"].as_array().into_iter().flatten();
    all.filter(|panel| panel["type"] != "row").collect()
}

/// A query as Grafana would ask it when everything is selected.
fn filled_in(query: &str) -> String {
    let mut filled = query.replace("$__rate_interval", "60s").replace("$__range", "60s");
    while let Some(start) = filled.find('$') {
        let end = filled[start + 1..].find(|one: char| !one.is_alphanumeric() && one != '_');
        let end = end.map_or(filled.len(), |end| start + 1 + end);
        filled.replace_range(start..end, ".*");
    }
    filled
}

/// Asks every query of every panel and of every variable, for the last so many seconds. A zero that a panel shows where
/// there is nothing is no answer.
pub(super) fn all_have_data(prometheus: &Prometheus, seconds: u64) {
    let mut empty = Vec::new();
    for name in NAMES {
        let dashboard = dashboard(name);
        for panel in panels(&dashboard) {
            for target in panel["targets"].as_array().expect("a panel has targets") {
                let query = filled_in(target["expr"].as_str().expect("a target has a query"));
                let query = query.trim_end_matches(" or vector(0)");
                if !prometheus.has_data(query, seconds) {
                    empty.push(format!("{name}: {}: {query}", panel["title"]));
                }
            }
        }
        for variable in dashboard["templating"]["list"].as_array().expect("variables") {
            let Some(query) = variable["query"]["query"].as_str() else { continue };
            let (_, series) = query.split_once("label_values(").expect("it asks for a label");
            let (series, label) = series.rsplit_once(", ").expect("it asks for a label");
            let label = label.trim_end_matches(')');
            let query = format!("count by ({label}) ({})", filled_in(series));
            let known = prometheus.query(&query);
            if !known.iter().any(|series| series["metric"][label].is_string()) {
                empty.push(format!("{name}: variable: {query}"));
            }
        }
    }
    assert!(empty.is_empty(), "these give nothing:\n{}", empty.join("\n"));
}

#[test]
fn each_panel_says_what_it_shows_in_which_unit_and_from_where() {
    for name in NAMES {
        let dashboard = dashboard(name);
        // Grafana 10 and newer.
        assert!(dashboard["schemaVersion"].as_u64() >= Some(38), "{name}");
        assert!(dashboard["uid"].is_string() && dashboard["id"].is_null(), "{name}");
        let panels = panels(&dashboard);
        assert!(panels.len() >= 8, "{name}");
        for panel in panels {
            let title = panel["title"].as_str().expect("a title");
            assert!(panel["description"].as_str().is_some_and(|it| it.len() > 20), "{title}");
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{title}");
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
            assert_eq!(panel["datasource"]["type"], "prometheus", "{title}");
        }
    }
}
