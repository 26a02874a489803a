//! What is no fault of an event: it waits until somebody has put it right, and is no dead letter.

use std::time::Duration;

use pipeline_core::Outcome;
use serde_json::json;

use super::{Pipe, bulk, check, each, records, unique};
use crate::services::{Elasticsearch, opensearch};

/// How long an obstacle is watched.
const A_WHILE: Duration = Duration::from_millis(700);

/// Sends through the sink with these settings to a server that has an obstacle, lifts it by a request, and sees that
/// all have arrived in `index`.
async fn waits(server: &Elasticsearch, index: &str, more: &str, lift: (&str, String, String)) {
    let pipe = Pipe::to(server, more).await;
    let mut receipt = pipe.send(&records(0..20)).await;
    let early = tokio::time::timeout(A_WHILE, &mut receipt).await;
    assert!(early.is_err(), "{:?}: events wait with {more}", server.product);
    let (method, path, body) = lift;
    server.done(method, &path, &body).await;
    check(&receipt.await, Outcome::Delivered, 20);
    assert_eq!(pipe.end().await, "", "{:?}: {more}", server.product);
    assert_eq!(server.count(index).await, 20);
}

#[tokio::test]
async fn a_closed_index_is_waited_for() {
    for server in each() {
        let index = unique("closed");
        server.done("PUT", &format!("/{index}"), "{}").await;
        server.done("POST", &format!("/{index}/_close"), "").await;
        let lift = ("POST", format!("/{index}/_open"), String::new());
        waits(server, &index, &bulk(&index), lift).await;
    }
}

#[tokio::test]
async fn an_index_that_may_not_be_written_is_waited_for() {
    for server in each() {
        let index = unique("readonly");
        let settings = r#"{"settings":{"index.blocks.write":true}}"#;
        server.done("PUT", &format!("/{index}"), settings).await;
        let body = r#"{"index.blocks.write":null}"#.to_owned();
        waits(server, &index, &bulk(&index), ("PUT", format!("/{index}/_settings"), body)).await;
    }
}

#[tokio::test]
async fn an_index_that_the_server_may_not_make_is_waited_for_but_not_one_that_an_event_chose() {
    for server in each() {
        let index = unique("absent");
        let rule = json!({"transient": {"action.auto_create_index": format!("-{index}*,+*")}});
        server.done("PUT", "/_cluster/settings", &rule.to_string()).await;
        let lift = ("PUT", format!("/{index}"), "{}".to_owned());
        waits(server, &index, &bulk(&index), lift).await;

        let pipe = Pipe::to(server, &bulk(&format!("{index}-{{{{ x }}}}"))).await;
        let closed = format!("{index}-closed");
        server.done("PUT", &format!("/{closed}"), "{}").await;
        server.done("POST", &format!("/{closed}/_close"), "").await;
        let sent = [r#"{"id":"1","x":"chosen"}"#, r#"{"id":"2","x":"closed"}"#].map(str::to_owned);
        check(&pipe.send(&sent).await.await, Outcome::Rejected, 2);
        let letters = pipe.end().await;
        assert!(letters.contains("404 index_not_found_exception"), "{letters}");
        assert!(letters.contains("400 index_closed_exception"), "{letters}");
    }
}

#[tokio::test]
async fn a_pipeline_that_is_missing_is_waited_for_but_not_one_that_an_event_chose() {
    for server in each() {
        let (index, pipeline) = (unique("piped"), unique("pipeline"));
        let lift =
            ("PUT", format!("/_ingest/pipeline/{pipeline}"), r#"{"processors":[]}"#.to_owned());
        let more = format!("pipeline = {pipeline:?}\n{}", bulk(&index));
        waits(server, &index, &more, lift).await;

        let more = format!("pipeline = \"{{{{ x }}}}\"\n{}", bulk(&index));
        let pipe = Pipe::to(server, &more).await;
        let sent = [
            json!({"id": "a", "x": pipeline}).to_string(),
            json!({"id": "b", "x": "nowhere"}).to_string(),
        ];
        let fates = pipe.send(&sent).await.await;
        assert_eq!(fates.outcomes(), [Outcome::Delivered, Outcome::Rejected]);
        let letters = pipe.end().await;
        assert!(letters.contains("pipeline with id [nowhere] does not exist"), "{letters}");
        assert_eq!(server.count(&index).await, 21);
    }
}

#[tokio::test]
async fn an_alias_without_an_index_to_write_to_is_waited_for() {
    for server in each() {
        let alias = unique("alias");
        for index in ["a", "b"] {
            let body = json!({"aliases": {&alias: {}}}).to_string();
            server.done("PUT", &format!("/{alias}-{index}"), &body).await;
        }
        let add = json!({"index": format!("{alias}-a"), "alias": alias, "is_write_index": true});
        let body = json!({"actions": [{"add": add}]}).to_string();
        waits(server, &alias, &bulk(&alias), ("POST", "/_aliases".to_owned(), body)).await;
    }
}

#[tokio::test]
async fn what_an_ingest_pipeline_gives_up_is_a_dead_letter() {
    // The Elasticsearch of the tests has no processors.
    let server = opensearch::plain();
    let (index, pipeline) = (unique("failing"), unique("failing"));
    let convert = r#"{"processors":[{"convert":{"field":"x","type":"integer"}}]}"#;
    server.done("PUT", &format!("/_ingest/pipeline/{pipeline}"), convert).await;
    let pipe = Pipe::to(server, &format!("pipeline = {pipeline:?}\n{}", bulk(&index))).await;
    let sent = [r#"{"id":"1","x":"7"}"#.to_owned(), r#"{"id":"2","x":"seven"}"#.to_owned()];
    let fates = pipe.send(&sent).await.await;
    assert_eq!(fates.outcomes(), [Outcome::Delivered, Outcome::Rejected]);
    assert!(pipe.end().await.contains("unable to convert [seven] to integer"));

    let fail = r#"{"processors":[{"fail":{"message":"none at all"}}]}"#;
    server.done("PUT", &format!("/_ingest/pipeline/{pipeline}"), fail).await;
    let pipe = Pipe::to(server, &format!("pipeline = {pipeline:?}\n{}", bulk(&index))).await;
    check(&pipe.send(&sent).await.await, Outcome::Rejected, 2);
    assert!(pipe.end().await.contains("500 fail_processor_exception: none at all"));
}

#[tokio::test]
async fn a_data_stream_that_is_written_to_as_an_index_loses_nothing() {
    for server in each() {
        let stream = unique("stream");
        let template =
            json!({"index_patterns": [stream], "data_stream": {}, "priority": 500}).to_string();
        server.done("PUT", &format!("/_index_template/{stream}"), &template).await;
        let index = format!("mode = \"bulk\"\nbulk = {{ index = {stream:?}, action = \"index\" }}");
        let pipe = Pipe::to(server, &index).await;
        let mut receipt = pipe.send(&records(0..5)).await;
        assert!(tokio::time::timeout(A_WHILE, &mut receipt).await.is_err(), "events wait");
        pipe.shutdown.abandon();
        check(&receipt.await, Outcome::Errored, 5);
        assert_eq!(pipe.end().await, "");
    }
}
