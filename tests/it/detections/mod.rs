//! What detection rules ask of events is there to be found: records that should raise an alarm go through the program
//! and its ECS mapping into a real Elasticsearch with the shipped templates, and are found by queries for the facts by
//! which a rule would know them. Beside each lie records that look alike and must not be found.
//!
//! `cases.json` holds them. A case's `steps` are queries; with one step it finds all that `fires`, and with several,
//! each finds one, and what they find has a value of the field `joined_by` in common. `countries.mmdb` is a database of
//! our own in `MaxMind`'s format, which puts 198.51.100.0/24 into a country and knows no other address.

use std::{collections::BTreeSet, fs, process::Command};

use o365flow::sinks::elasticsearch::{Config, Fields, SetupMode, SetupPlan};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::services::{self, Elasticsearch};

/// More than all records together, so that one page of results holds every find.
const FOUND_MAX: usize = 1000;

/// One thing to detect.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    detects: String,
    /// What the records have in common.
    base: Map<String, Value>,
    steps: Vec<Value>,
    #[serde(default)]
    joined_by: Option<String>,
    fires: Vec<Map<String, Value>>,
    silent: Vec<Map<String, Value>>,
}

impl Case {
    /// The records, under ids that begin with `number`.
    fn records(&self, number: usize) -> Vec<Value> {
        let mut records = Vec::new();
        for (kind, own) in [("fires", &self.fires), ("silent", &self.silent)] {
            for (index, own) in own.iter().enumerate() {
                let mut record = self.base.clone();
                record.extend(own.clone());
                record.insert("Id".to_owned(), id(number, kind, index).into());
                record.insert("CreationTime".to_owned(), "2026-03-02T08:00:00".into());
                record.insert("OrganizationId".to_owned(), "0f7d7e52-3b1c-4a5e".into());
                record.insert("Version".to_owned(), 1.into());
                records.push(Value::Object(record));
            }
        }
        records
    }
}

fn id(case: usize, kind: &str, index: usize) -> String {
    format!("{case}-{kind}-{index}")
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("cases.json")).expect("the cases are well-formed")
}

/// Installs the templates and runs the program over `records`.
async fn ship(server: &Elasticsearch, namespace: &str, records: &[Value]) {
    let table = format!(
        "endpoints = [{:?}]\ndata_stream.dataset = \"o365.audit\"\ndata_stream.namespace = {namespace:?}",
        server.url
    );
    let config: Config = toml::from_str(&table).expect("the table parses");
    let plan = SetupPlan { mode: SetupMode::Install, fields: Fields::Ecs, keep_days: None };
    let steps = config.set_up(plan).await.expect("it answers");
    assert!(steps.iter().all(|step| step.result.is_good()), "{steps:?}");

    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().display();
    let lines: Vec<String> = records.iter().map(ToString::to_string).collect();
    fs::write(folder.path().join("records.ndjson"), lines.join("\n")).expect("it is written");
    let config = format!(
        r#"
data_dir = "{root}/state"
[enrichment_tables.places]
type = "geoip"
path = "tests/it/detections/countries.mmdb"
[sources.records]
type = "file"
include = ["{root}/records.ndjson"]
[transforms.ecs]
type = "remap"
inputs = ["records"]
file = "vrl/ecs.vrl"
settings = {{ namespace = "{namespace}" }}
[sinks.elastic]
type = "elasticsearch"
inputs = ["ecs"]
{table}
"#
    );
    let path = folder.path().join("o365flow.toml");
    fs::write(&path, config).expect("it is written");
    let output = Command::new(env!("CARGO_BIN_EXE_o365flow"))
        .args(["run", "--once", "--no-strict-permissions", "--config"])
        .arg(&path)
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The events of case `number` that `query` finds, by their ids, each with the values of `field`.
async fn found(
    server: &Elasticsearch,
    stream: &str,
    number: usize,
    query: &Value,
    field: &str,
) -> Vec<(String, BTreeSet<String>)> {
    let of_case = json!({"prefix": {"event.id": format!("{number}-")}});
    let body = json!({
        "size": FOUND_MAX,
        "query": {"bool": {"filter": [query, of_case]}},
        "_source": false,
        "fields": ["event.id", field],
        "sort": ["event.id"],
    });
    let answer = server.done("POST", &format!("/{stream}/_search"), &body.to_string()).await;
    let hits = answer["hits"]["hits"].as_array().expect("hits");
    let texts = |hit: &Value, field: &str| -> BTreeSet<String> {
        let values = hit["fields"][field].as_array().cloned().unwrap_or_default();
        values.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect()
    };
    let id = |hit| texts(hit, "event.id").pop_first().expect("an id");
    hits.iter().map(|hit| (id(hit), texts(hit, field))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_detection_finds_its_events_and_none_that_look_alike() {
    let server = services::plain();
    let namespace = crate::elasticsearch::unique("detections").replace('-', "_");
    let stream = format!("logs-o365.audit-{namespace}");
    let cases = cases();
    let records: Vec<Value> =
        cases.iter().enumerate().flat_map(|(number, case)| case.records(number)).collect();
    ship(server, &namespace, &records).await;
    assert_eq!(server.count(&stream).await, records.len() as u64);

    let mut wrong = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let field = case.joined_by.as_deref().unwrap_or("event.action");
        let mut finds = Vec::new();
        for query in &case.steps {
            finds.push(found(server, &stream, number, query, field).await);
        }
        let fires = (0..case.fires.len()).map(|index| id(number, "fires", index));
        let expected: Vec<Vec<String>> = match case.joined_by {
            None => vec![fires.collect()],
            Some(_) => fires.map(|id| vec![id]).collect(),
        };
        let ids: Vec<Vec<String>> =
            finds.iter().map(|found| found.iter().map(|(id, _)| id.clone()).collect()).collect();
        if ids != expected {
            wrong.push(format!("{}: found {ids:?}, not {expected:?}", case.detects));
            continue;
        }
        let values = finds.into_iter().flatten().map(|(_, values)| values);
        let common = values.reduce(|all, values| &all & &values).unwrap_or_default();
        if case.joined_by.is_some() && common.is_empty() {
            wrong.push(format!("{}: nothing in `{field}` joins the steps", case.detects));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
