//! `o365flow setup elasticsearch` on real servers. Those of the tests have no lifecycle policies.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::{Command, Output},
};

use chrono::DateTime;
use o365flow::sinks::elasticsearch::Config;
use pipeline_core::{Outcome, SinkConfig};
use serde_json::json;

use super::{Pipe, each, unique};
use crate::services::Elasticsearch;

/// Runs the program with a topology whose sink `es` has these settings.
fn setup(server: &Elasticsearch, sink: &str, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("o365flow.toml");
    let text = format!(
        "data_dir = '{}'\n\
         [sources.office365]\ntype = \"office365\"\n\
         [[sources.office365.tenants]]\nname = \"contoso\"\n\
         tenant_id = \"0f1e2d3c-4b5a-4697-8877-665544332211\"\n\
         client_id = \"0f1e2d3c-4b5a-4697-8877-665544332211\"\nclient_secret = \"x\"\n\
         [transforms.map]\ntype = \"remap\"\ninputs = [\"office365\"]\nfile = \"vrl/o365beat.vrl\"\n\
         [sinks.es]\ntype = \"elasticsearch\"\ninputs = [\"map\"]\nendpoints = [{:?}]\n{sink}",
        folder.path().join("data").display(),
        server.url
    );
    fs::write(&path, text).expect("it is written");
    let private = fs::Permissions::from_mode(0o600);
    fs::set_permissions(&path, private).expect("it is ours");
    Command::new(env!("CARGO_BIN_EXE_o365flow"))
        .args(["setup", "elasticsearch", "--config"])
        .arg(&path)
        .args(arguments)
        .output()
        .expect("the program starts")
}

fn said(output: &Output) -> String {
    let text = [&*output.stdout, &*output.stderr].concat();
    String::from_utf8(text).expect("it is text")
}

/// What `doctor` finds of a sink with these settings.
async fn looked_at(server: &Elasticsearch, sink: &str) -> String {
    let table = format!("endpoints = [{:?}]\n{sink}", server.url);
    let config: Config = toml::from_str(&table).expect("the table parses");
    let findings = config.probe(DateTime::UNIX_EPOCH).await;
    format!("{findings:?}")
}

#[track_caller]
fn check(output: &Output, code: i32, parts: &[&str]) {
    let said = said(output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for part in parts {
        assert!(said.contains(part), "no `{part}` in {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_stream_is_prepared_once_and_its_fields_are_typed() {
    for server in each() {
        let dataset = unique("setup").replace('-', ".");
        let sink = format!("data_stream.dataset = {dataset:?}\n");
        let index = format!("index template `o365flow-logs-{dataset}`");
        let component = format!("component template `o365flow-logs-{dataset}-fields`");
        let templates =
            |result: &str| [format!("{component}: {result}"), format!("{index}: {result}")];

        let output = setup(server, &sink, &["--dry-run"]);
        let [component, index] = templates("would be installed");
        check(&output, 0, &[&component, &index, "\"managed_by\":\"o365flow\""]);
        let found = looked_at(server, &sink).await;
        assert!(found.contains("no template makes the data stream"), "{found}");
        let template = format!("/_index_template/o365flow-logs-{dataset}");
        assert_eq!(server.call("GET", &template, "").await.0, 404, "nothing was installed");

        for result in ["installed", "unchanged"] {
            let output = setup(server, &sink, &["--sink", "es"]);
            let [component, index] = templates(result);
            check(&output, 0, &[&component, &index, "policy", "left out: this server has none"]);
        }

        let found = looked_at(server, &sink).await;
        let made = format!("the template `o365flow-logs-{dataset}` makes it");
        assert!(
            found.contains(&made) && found.contains(&format!("{:?} ", server.product)),
            "{found}"
        );

        let pipe = Pipe::to(server, &sink).await;
        let record = r#"{"id":"1","@timestamp":"2026-01-02T03:04:05Z","client":{"ip":"10.0.0.1"}}"#;
        let fates = pipe.send(&[record.to_owned()]).await.await;
        assert_eq!(fates.outcomes(), [Outcome::Delivered]);
        assert_eq!(pipe.end().await, "");
        let stream = format!("logs-{dataset}-default");
        assert_eq!(server.count(&stream).await, 1);
        let query = json!({"query": {"term": {"client.ip": "10.0.0.0/8"}}}).to_string();
        let found = server.done("POST", &format!("/{stream}/_search"), &query).await;
        assert_eq!(found["hits"]["total"]["value"], 1, "{found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_has_made_is_replaced_by_force_alone() {
    for server in each() {
        let index = unique("theirs");
        let sink = format!("mode = \"bulk\"\nbulk.index = \"{index}-%Y\"\n");
        let path = format!("/_index_template/o365flow-{index}");
        let theirs = json!({"index_patterns": [format!("{index}-*")], "priority": 7}).to_string();
        server.done("PUT", &path, &theirs).await;
        check(&setup(server, &sink, &[]), 1, &["somebody else has made it (--force"]);
        let there = server.done("GET", &path, "").await;
        assert_eq!(there["index_templates"][0]["index_template"]["priority"], 7);
        check(&setup(server, &sink, &["--force"]), 0, &["replaced"]);
        check(&setup(server, &sink, &[]), 0, &["unchanged"]);

        // Two templates of one priority for the same names: the server says which.
        let index = unique("rival");
        let sink = format!("mode = \"bulk\"\nbulk.index = \"{index}-%Y\"\n");
        let rival = json!({"index_patterns": [format!("{index}-*")], "priority": 200}).to_string();
        server.done("PUT", &format!("/_index_template/{index}"), &rival).await;
        let parts = [&*format!("existing templates [{index}]"), "same priority"];
        check(&setup(server, &sink, &[]), 1, &parts);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_set_up_is_told() {
    for server in each() {
        let sink = "data_stream.dataset = \"{{ event.id }}\"\n";
        check(&setup(server, sink, &[]), 1, &["the name begins with a field"]);
        check(&setup(server, "", &["--sink", "other"]), 2, &["there is no sink `other`", "`es`"]);
    }
    let nobody = Elasticsearch::at("http://127.0.0.1:1");
    check(&setup(&nobody, "", &[]), 1, &["no endpoint answers", "cannot connect"]);
}
