//! Who may write: passwords, API keys, client certificates.

use std::time::Duration;

use pipeline_core::Outcome;
use serde_json::json;

use super::{Pipe, bulk, check, records, unique};
use crate::services::{self, Elasticsearch};

fn basic(user: &str, password: &str) -> String {
    format!("auth = {{ strategy = \"basic\", user = {user:?}, password = {password:?} }}\n")
}

#[tokio::test]
async fn a_secure_server_takes_a_password_or_an_api_key() {
    let server = services::secure();
    let index = unique("secure");
    let (user, password) = server.credentials.clone().expect("it has a user");
    let key = server.done("POST", "/_security/api_key", r#"{"name":"o365flow"}"#).await;
    let key = key["encoded"].as_str().expect("a key").to_owned();
    let by_key = format!("auth = {{ strategy = \"api_key\", api_key = {key:?} }}\n");
    for (start, auth) in [(0, basic(&user, &password)), (100, by_key)] {
        let pipe = Pipe::to(server, &(bulk(&index) + &auth)).await;
        let fates = pipe.send(&records(start..start + 100)).await.await;
        check(&fates, Outcome::Delivered, 100);
        assert_eq!(pipe.end().await, "");
    }
    assert_eq!(server.count(&index).await, 200);
}

#[tokio::test]
async fn with_a_wrong_password_or_authority_events_wait_and_none_is_lost() {
    let server = services::secure();
    let (user, password) = server.credentials.clone().expect("it has a user");
    let stranger = Elasticsearch::at(&server.url);
    let checks = [
        (server, basic(&user, "wrong")),
        (server, String::new()),
        (&stranger, basic(&user, &password)),
    ];
    for (server, auth) in checks {
        let pipe = Pipe::to(server, &(bulk(&unique("wrong")) + &auth)).await;
        let mut receipt = pipe.send(&records(0..10)).await;
        let early = tokio::time::timeout(Duration::from_secs(2), &mut receipt).await;
        assert!(early.is_err(), "events wait");
        pipe.shutdown.abandon();
        check(&receipt.await, Outcome::Errored, 10);
        assert_eq!(pipe.end().await, "");
    }
}

#[tokio::test]
async fn a_key_needs_what_the_documents_say_and_without_it_events_wait() {
    let server = services::secure();
    let dataset = unique("least").replace('-', ".");
    let stream = format!("logs-{dataset}-default");
    let template = json!({"index_patterns": [stream], "data_stream": {}, "priority": 500});
    server.done("PUT", &format!("/_index_template/{dataset}"), &template.to_string()).await;
    let roles = |names: &str| {
        let indices = json!([{"names": [names], "privileges": ["create_doc", "auto_configure"]}]);
        json!({"o365flow": {"cluster": ["monitor"], "indices": indices}})
    };
    let body = json!({"name": "least", "role_descriptors": roles("elsewhere")}).to_string();
    let key = server.done("POST", "/_security/api_key", &body).await;
    let secret = key["encoded"].as_str().expect("a key");
    let more = format!(
        "data_stream.dataset = {dataset:?}\nauth = {{ strategy = \"api_key\", api_key = {secret:?} }}\n"
    );
    let pipe = Pipe::to(server, &more).await;
    let record = r#"{"id":"1","@timestamp":"2026-01-02T03:04:05Z"}"#.to_owned();
    let mut receipt = pipe.send(&[record]).await;
    let early = tokio::time::timeout(Duration::from_secs(1), &mut receipt).await;
    assert!(early.is_err(), "the event waits");
    let id = key["id"].as_str().expect("an id");
    let body = json!({"role_descriptors": roles(&format!("logs-{dataset}-*"))}).to_string();
    server.done("PUT", &format!("/_security/api_key/{id}"), &body).await;
    check(&receipt.await, Outcome::Delivered, 1);
    assert_eq!(pipe.end().await, "");
    assert_eq!(server.count(&stream).await, 1);
}

#[tokio::test]
async fn a_server_that_wants_a_client_certificate_gets_it() {
    let server = services::mutual();
    let index = unique("mutual");
    let (user, password) = server.credentials.clone().expect("it has a user");
    let file = |name: &str| server.file(name).display().to_string();
    let certificate = format!(
        "tls.crt_file = '{}'\ntls.key_file = '{}'\n",
        file("client.crt"),
        file("client.key")
    );
    let pipe = Pipe::to(&server, &(bulk(&index) + &certificate + &basic(&user, &password))).await;
    check(&pipe.send(&records(0..10)).await.await, Outcome::Delivered, 10);
    assert_eq!(pipe.end().await, "");

    let pipe = Pipe::to(&server, &(bulk(&index) + &basic(&user, &password))).await;
    let mut receipt = pipe.send(&records(10..20)).await;
    let early = tokio::time::timeout(Duration::from_secs(2), &mut receipt).await;
    assert!(early.is_err(), "without it events wait");
    pipe.shutdown.abandon();
    check(&receipt.await, Outcome::Errored, 10);
    server.stop();
}
