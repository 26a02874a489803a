//! Every panel of every dashboard, asked of a real Elasticsearch that holds what the demo makes.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use o365flow::fields::{self, Field, Type};
use serde_json::{Value, json};

use super::{
    dashboards::{Description, Kind, Panel, Search},
    refusals::{store, stream},
    templates,
};
use crate::services::{self, Elasticsearch};

/// What can be empty when all is well.
const MAY_BE_EMPTY: [&str; 4] = [
    "Without a name for their record type",
    "Values that were cut",
    "Marks of programs",
    "Events with values that were cut",
];

/// The events of a demo.
fn demo() -> Vec<Value> {
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new(env!("CARGO_BIN_EXE_o365flow"))
        .args(["demo", "--blobs-per-hour", "0.1", "--output"])
        .arg(folder.path())
        .env_remove("ELASTICSEARCH_URL")
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    events(&folder.path().join("o365.ndjson"))
}

/// The events in a file of lines.
pub(super) fn events(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("it is there");
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

/// What a panel asks, as Kibana asks it.
fn request(panel: &Panel) -> Value {
    let terms = |field: &str| json!({ "terms": { "field": field, "size": 10 } });
    let aggregation = match &panel.kind {
        Kind::Count | Kind::Search { .. } => json!({ "value_count": { "field": "@timestamp" } }),
        Kind::Distinct { field } => json!({ "cardinality": { "field": field } }),
        Kind::Newest { field } => json!({ "max": { "field": field } }),
        Kind::Time { field, time_field } => json!({
            "date_histogram": { "field": time_field, "fixed_interval": "3h", "min_doc_count": 1 },
            "aggs": { "values": terms(field) },
        }),
        Kind::Share { field } | Kind::Top { field } => terms(field),
        Kind::Table { fields } => fields.iter().rev().fold(Value::Null, |inner, field| {
            let mut outer = terms(field);
            if !inner.is_null() {
                outer["aggs"] = json!({ "values": inner });
            }
            outer
        }),
    };
    json!({ "size": 0, "query": query(&panel.query), "aggs": { "values": aggregation } })
}

/// A query in Lucene's syntax, as Kibana sends it.
fn query(text: &str) -> Value {
    json!({ "query_string": { "query": text, "analyze_wildcard": true } })
}

/// Whether there is something to see, down to the last column of a table.
fn shows(answer: &Value) -> bool {
    match answer["buckets"].as_array() {
        Some(buckets) => buckets.iter().any(|bucket| bucket.get("values").is_none_or(shows)),
        None => answer["value"].as_f64().is_some_and(|value| value > 0.0),
    }
}

async fn ask(server: &Elasticsearch, stream: &str, panel: &Panel) -> bool {
    let path = format!("/{stream}/_search");
    let answer = server.done("POST", &path, &request(panel).to_string()).await;
    shows(&answer["aggregations"]["values"])
}

async fn finds(server: &Elasticsearch, stream: &str, search: &Search) -> bool {
    let path = format!("/{stream}/_count");
    let body = json!({ "query": query(&search.query) }).to_string();
    server.done("POST", &path, &body).await["count"].as_u64().is_some_and(|count| count > 0)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_panel_shows_something_of_the_demo() {
    let server = services::plain();
    let stream = stream(server, "panels").await;
    assert_eq!(store(server, &stream, &demo()).await, [""; 0]);
    let description = Description::read();
    let mut empty = Vec::new();
    for dashboard in &description.dashboards {
        for panel in &dashboard.panels {
            if !ask(server, &stream, panel).await && !MAY_BE_EMPTY.contains(&&*panel.title) {
                empty.push(format!("{}: {}", dashboard.id, panel.title));
            }
        }
    }
    for search in &description.searches {
        if !finds(server, &stream, search).await && !MAY_BE_EMPTY.contains(&&*search.title) {
            empty.push(format!("search {}", search.id));
        }
    }
    assert_eq!(empty, [""; 0]);
}

/// Whether a value of this type can be counted by value.
fn can_be_counted(field: &Field) -> bool {
    templates::is_leaf(field)
        && !matches!(field.field_type, Type::MatchOnlyText | Type::GeoPoint)
        && field.name != "event.original"
}

/// The description of a field, or of the object by name that it lies in.
fn described(name: &str) -> bool {
    fields::field(name).is_some_and(can_be_counted)
        || name.match_indices('.').any(|(at, _)| {
            fields::field(&name[..at]).is_some_and(|parent| parent.shape.is_container())
        })
}

#[test]
fn panels_and_searches_use_fields_that_are_described() {
    let description = Description::read();
    let panels = description.dashboards.iter().flat_map(|dashboard| &dashboard.panels);
    let of_panels = panels.clone().flat_map(|panel| panel.kind.fields());
    let of_searches = description.searches.iter().flat_map(|search| &search.columns);
    let mut used: BTreeSet<&str> = of_panels.chain(of_searches.map(String::as_str)).collect();
    let queries = panels.map(|panel| &panel.query);
    let queries = queries.chain(description.searches.iter().map(|search| &search.query));
    for query in queries {
        // `field:value`, and `_exists_:field`.
        for word in query.split([' ', '(', ')']) {
            match word.split_once(':') {
                Some(("_exists_", field) | (field, _)) => used.insert(field),
                None => true,
            };
        }
    }
    assert!(used.len() > 20, "{used:?}");
    let unknown: Vec<&&str> = used.iter().filter(|name| !described(name)).collect();
    // A message is read, not counted.
    assert_eq!(unknown, [&"message"]);
}
