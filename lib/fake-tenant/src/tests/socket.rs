//! The same service over a real socket.

use std::sync::Arc;

use bytes::Bytes;
use chrono::TimeDelta;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;

use super::client::{Client, SECRET, TENANT, noon};
use crate::{
    BadRecord, ContentType, Fault, FaultTarget, HeaderCase, NewBlob, NewContent, Operation, Server,
    Settings,
};

async fn get(url: &str, token: &str) -> Result<(u16, Bytes), String> {
    let client = HttpClient::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let request = http::Request::get(url).header("authorization", format!("Bearer {token}"));
    let response = client.request(request.body(Full::default()).expect("a request")).await;
    let (head, body) = response.map_err(|error| error.to_string())?.into_parts();
    let body = body.collect().await.map_err(|error| error.to_string())?;
    Ok((head.status.as_u16(), body.to_bytes()))
}

#[tokio::test]
async fn content_is_listed_and_fetched_over_http() {
    let settings = Settings { page_size: 5, header_case: HeaderCase::Title, ..Settings::default() };
    let mut client = Client::with_history(settings).await;
    let server = Server::start(client.fake.clone()).await.expect("a server");
    assert_eq!(client.token_v2(TENANT, SECRET).await.status, 200);
    client.sign_in().await;
    let rows = client.list_all("subscriptions/content?contentType=Audit.SharePoint").await;
    for row in rows.iter().take(20) {
        let url = row["contentUri"].as_str().expect("a link");
        assert!(url.starts_with(&server.resource_url()), "{url}");
        let (status, over_socket) =
            get(&format!("{url}?PublisherIdentifier={TENANT}"), &client.token)
                .await
                .expect("an answer");
        let direct = client.call(http::Method::GET, url, "").await;
        assert_eq!((status, over_socket), (200, direct.body.expect("a body")));
    }
    let (_, ids) =
        get(&format!("{}/_fake/expected", server.resource_url()), "").await.expect("ids");
    let ids: Vec<String> = ids
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).expect("an id"))
        .collect();
    assert!(
        client.fake.verify(&crate::Filter::default(), ids.iter().map(String::as_str)).is_exact()
    );
    let (_, stats) =
        get(&format!("{}/_fake/stats", server.resource_url()), "").await.expect("stats");
    let stats: serde_json::Value = serde_json::from_slice(&stats).expect("stats");
    assert!(stats["blobs_served"].as_u64() >= Some(40), "{stats}");
    let url = server.resource_url();
    server.stop().await;
    assert!(get(&url, "").await.is_err(), "the port is closed");
}

#[tokio::test]
async fn broken_bodies_break_the_connection() {
    let mut client = Client::empty().await;
    let server = Server::start(Arc::clone(&client.fake)).await.expect("a server");
    client.sign_in().await;
    let blob = NewBlob::new(noon() - TimeDelta::hours(1), NewContent::Generated(1000));
    let id = client.fake.add_blob(TENANT, ContentType::General, blob).expect("a tenant");
    let url = format!(
        "{}/api/v1.0/{TENANT}/activity/feed/audit/{id}?PublisherIdentifier={TENANT}",
        server.resource_url()
    );
    let body = async |fault: Fault| {
        client.fake.script(FaultTarget::operation(Operation::FetchBlob), fault, 1);
        get(&url, &client.token).await
    };
    assert!(body(Fault::ResetAfter(100_000)).await.is_err());
    assert!(body(Fault::LyingContentLength(10)).await.is_err());
    assert_eq!(client.fake.stats().blobs_served, 0);
    let (_, sound) = get(&url, &client.token).await.expect("an answer");
    let (_, short) = body(Fault::LyingContentLength(-10)).await.expect("an answer");
    assert_eq!(short, sound.slice(..sound.len() - 10));
    let (_, cut) = body(Fault::TruncateAfter(100_000)).await.expect("an answer");
    assert_eq!(cut, sound.slice(..100_000));
    let (_, bad) = body(Fault::BadRecord(BadRecord::Huge(5_000_000))).await.expect("an answer");
    assert_eq!(bad.len(), sound.len() + 5_000_001);
}
