//! No server refuses what a record can become, with the templates that `o365flow setup elasticsearch` installs.

use o365flow::sinks::elasticsearch::{Config, Fields, SetupMode, SetupPlan};
use serde_json::{Value, json};

use crate::{
    elasticsearch::{each, unique},
    services::Elasticsearch,
};

/// Documents in a request. Few, as each may change the mapping of the index, which takes its time.
const STORED_AT_ONCE: usize = 40;

/// Installs the templates for a data stream of its own, and gives the stream's name.
pub(super) async fn stream(server: &Elasticsearch, name: &str) -> String {
    let dataset = unique(name).replace('-', ".");
    let table = format!("endpoints = [{:?}]\ndata_stream.dataset = {dataset:?}", server.url);
    let config: Config = toml::from_str(&table).expect("the table parses");
    let plan = SetupPlan { mode: SetupMode::Install, fields: Fields::Ecs, keep_days: Some(400) };
    let steps = config.set_up(plan).await.expect("it answers");
    assert!(steps.iter().all(|step| step.result.is_good()), "{steps:?}");
    format!("logs-{dataset}-default")
}

/// Stores documents, and gives those that were refused, with the reason.
pub(super) async fn store(
    server: &Elasticsearch,
    stream: &str,
    documents: &[Value],
) -> Vec<String> {
    let mut refused = Vec::new();
    for some in documents.chunks(STORED_AT_ONCE) {
        let lines = some.iter().map(|document| format!("{{\"create\":{{}}}}\n{document}\n"));
        let body: String = lines.collect();
        let answer = server.done("POST", &format!("/{stream}/_bulk?refresh=true"), &body).await;
        let items = answer["items"].as_array().expect("an item for each");
        for (item, document) in items.iter().zip(some) {
            if item["create"]["status"] != 201 {
                let shown: String = document.to_string().chars().take(200).collect();
                refused.push(format!("{shown}: {}", item["create"]["error"]));
            }
        }
    }
    refused
}

/// `value` at the bottom of so many objects, or of arrays.
fn deep(value: Value, depth: usize, wrap: impl Fn(Value) -> Value) -> Value {
    (0..depth).fold(value, |inner, _| wrap(inner))
}

/// Values of every sort for one field.
fn odd_values() -> Vec<Value> {
    let long = "ä".repeat(14_000);
    let scalars = [
        json!("a"),
        json!(""),
        json!(1),
        json!(-1.5),
        json!(1e300),
        json!(u64::MAX),
        json!(true),
        json!("true"),
        json!("2026-01-02"),
        json!("2026-01-02 03:04:05"),
        json!("192.0.2.1"),
        json!("192.0.2.1:80"),
        json!("NaN"),
        json!(long),
        Value::Null,
    ];
    let containers = [
        json!([]),
        json!({}),
        json!([null]),
        json!([1, "x", true]),
        json!([[1], [["y"]]]),
        json!({"a": 1}),
        json!({"a": {"b": "c"}}),
        json!({"a": "text"}),
        json!([{"a": 1}, {"a": [{}]}]),
        json!([{"a": 1}, 2, "x"]),
        json!({"lat": 1, "lon": "x"}),
        json!({"a.b": 1, "a": {"b": 2}}),
        json!({"": 1}),
        json!({" ": {"": 2}}),
        json!({".a": 1, "a.": 2, ".": 3, "a..b": 4}),
        json!({"type": "x", "properties": {"y": 1}}),
        json!({"_id": 1, "_source": 2, "*": 3}),
        json!({"a\u{0}b\n": 1, "ß": 2, "k".repeat(2000): 3}),
        deep(json!(1), 90, |inner| json!({ "n": inner })),
        deep(json!(1), 40, |inner| json!([inner])),
    ];
    scalars.into_iter().chain(containers).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_a_record_can_become_is_refused() {
    // A field of each type, one that is not described, and all of the record.
    let names =
        ["Operation", "RecordType", "CreationTime", "OperationCount", "Parameters", "Unheard"];
    let mut documents =
        vec![json!({"o365": {"audit": {}}}), json!({"o365": {"audit": {"": 1, " ": 2}}})];
    let values = odd_values();
    for name in names {
        let holding = |value: &Value| json!({ "o365": { "audit": { name: value }, "unparsed": { name: value } } });
        documents.extend(values.iter().map(holding));
    }
    // As a known field's child, and more fields than an index can have.
    documents.extend(
        values.iter().map(|value| json!({ "o365": { "audit": { "Operation": { "x": value } } } })),
    );
    let many: serde_json::Map<String, Value> =
        (0..6000).map(|n| (format!("k{n}"), json!(n))).collect();
    documents.push(json!({ "o365": { "audit": { "Many": many } } }));
    let reversed: Vec<Value> = documents.iter().rev().cloned().collect();
    for server in each() {
        for mut documents in [documents.clone(), reversed.clone()] {
            for document in &mut documents {
                document["@timestamp"] = json!("2026-01-02T03:04:05.678Z");
            }
            let stream = stream(server, "odd").await;
            let refused = store(server, &stream, &documents).await;
            assert_eq!(refused, [""; 0], "{:?}", server.product);
            assert_eq!(server.count(&stream).await, documents.len() as u64);
        }
    }
}
