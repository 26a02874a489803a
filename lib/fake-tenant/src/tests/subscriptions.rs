//! Subscriptions and budgets: start, stop, list, throttle.

use std::time::Duration;

use chrono::TimeDelta;
use http::{Method, Request};
use serde_json::json;

use super::client::{Client, TENANT, feed, noon, tenant};
use crate::{ContentType, NewBlob, NewContent, Operation, Settings, ThrottleStatus};

#[tokio::test]
async fn a_feed_is_started_listed_and_stopped() {
    let client = Client::with(Settings::default(), tenant()).await;
    assert_eq!(client.get("subscriptions/list").await.json(), json!([]));
    let content = "subscriptions/content?contentType=Audit.Exchange";
    assert_eq!(client.get(content).await.error(), "400 AF20022");
    let row = json!({ "contentType": "Audit.Exchange", "status": "enabled", "webhook": null });
    assert_eq!(client.post("subscriptions/start?contentType=audit.exchange").await.json(), row);
    assert_eq!(client.get("subscriptions/list").await.json(), json!([row]));
    assert_eq!(client.get(content).await.json(), json!([]));
    let stopped = client.post("subscriptions/stop?contentType=Audit.Exchange").await;
    assert_eq!((stopped.status, stopped.text().as_str()), (200, ""));
    assert_eq!(client.get(content).await.error(), "400 AF20022");
    assert_eq!(
        client.post("subscriptions/stop?contentType=Audit.Exchange").await.error(),
        "400 AF20022"
    );
}

#[tokio::test]
async fn a_second_start_has_to_wait_a_quarter_of_an_hour() {
    let client = Client::with(Settings::default(), tenant()).await;
    let start = "subscriptions/start?contentType=Audit.General";
    assert_eq!(client.post(start).await.status, 200);
    client.clock.advance(TimeDelta::seconds(4));
    let answer = client.post(start).await;
    assert_eq!(answer.error(), "429 AF429");
    assert!(answer.text().contains("14m56s"), "{}", answer.text());
    assert_eq!(
        client.post("subscriptions/start?contentType=DLP.All").await.status,
        200,
        "each feed for itself"
    );
    client.clock.advance(TimeDelta::minutes(15));
    assert_eq!(client.post(start).await.error(), "400 AF20024");
}

#[tokio::test]
async fn starting_an_enabled_feed_says_so() {
    let client = Client::empty().await;
    assert_eq!(
        client.post("subscriptions/start?contentType=Audit.General").await.error(),
        "400 AF20024"
    );
}

#[tokio::test]
async fn a_disabled_feed_can_be_started_again() {
    let client = Client::empty().await;
    client.fake.disable_subscription(TENANT, ContentType::General);
    let content = "subscriptions/content?contentType=Audit.General";
    assert_eq!(client.get(content).await.error(), "400 AF20023");
    let rows = client.get("subscriptions/list").await.json();
    assert!(rows.as_array().expect("rows").iter().any(|row| row["status"] == "disabled"));
    assert_eq!(client.post("subscriptions/start?contentType=Audit.General").await.status, 200);
    assert_eq!(client.get(content).await.status, 200);
}

#[tokio::test]
async fn parameters_are_checked() {
    let client = Client::empty().await;
    for (rest, expected) in [
        ("subscriptions/start", "400 AF20001"),
        ("subscriptions/start?contentType=Audit.Teams", "400 AF20020"),
        ("subscriptions/stop?contentType=x", "400 AF20020"),
    ] {
        assert_eq!(client.post(rest).await.error(), expected, "{rest}");
    }
    assert_eq!(client.get("subscriptions/start?contentType=Audit.General").await.status, 405);
}

#[tokio::test]
async fn a_webhook_is_read() {
    let client = Client::with(Settings::default(), tenant()).await;
    let url = feed("subscriptions/start?contentType=Audit.General");
    for (body, expected) in [
        ("{", "400 AF20002"),
        (r#"{"webhook":{}}"#, "400 AF20001"),
        (r#"{"webhook":{"address":"http://hook.example"}}"#, "400 AF20021"),
        (
            r#"{"webhook":{"address":"https://hook.example","expiration":"2020-01-01T00:00:00"}}"#,
            "400 AF20003",
        ),
    ] {
        assert_eq!(client.call(Method::POST, &url, body).await.error(), expected, "{body}");
    }
    let answer = client
        .call(Method::POST, &url, r#"{"webhook":{"address":"https://hook.example","authId":"a"}}"#)
        .await;
    assert_eq!(answer.json()["webhook"]["address"], "https://hook.example");
    assert_eq!(client.get("subscriptions/list").await.json()[0]["webhook"]["status"], "enabled");
}

#[tokio::test]
async fn content_reaches_back_a_day_but_not_into_a_pause() {
    let client = Client::with(Settings::default(), tenant()).await;
    for hours in [30, 20, 1] {
        let blob = NewBlob::new(noon() - TimeDelta::hours(hours), NewContent::Raw("[]".into()));
        client.fake.add_blob(TENANT, ContentType::General, blob).expect("a tenant");
    }
    client.post("subscriptions/start?contentType=Audit.General").await;
    let yesterday = "subscriptions/content?contentType=Audit.General&startTime=2026-06-30T12:00&endTime=2026-07-01T12:00";
    assert_eq!(client.list_all(yesterday).await.len(), 2);
    client.post("subscriptions/stop?contentType=Audit.General").await;
    let blob = NewBlob::new(noon() + TimeDelta::minutes(30), NewContent::Raw("[]".into()));
    client.fake.add_blob(TENANT, ContentType::General, blob).expect("a tenant");
    client.clock.advance(TimeDelta::minutes(40));
    client.post("subscriptions/start?contentType=Audit.General").await;
    assert_eq!(client.list_all("subscriptions/content?contentType=Audit.General").await.len(), 2);
}

#[tokio::test]
async fn a_publisher_has_a_budget() {
    let settings = Settings { requests_per_minute: 3, ..Settings::default() };
    let client = Client::with(settings, tenant()).await;
    let list = || client.get("subscriptions/list");
    for _ in 0..3 {
        assert_eq!(list().await.status, 200);
    }
    assert_eq!(list().await.error(), "403 AF429");
    client.clock.advance(TimeDelta::seconds(20));
    assert_eq!(list().await.status, 200, "the budget comes back with time");
    client.fake.change_settings(|settings| {
        settings.throttle_status = ThrottleStatus::TooManyRequests;
        settings.retry_after = Some(Duration::from_secs(7));
    });
    let answer = list().await;
    assert_eq!(answer.error(), "429 AF429");
    assert_eq!(answer.headers["retry-after"], "7");
}

#[tokio::test]
async fn without_a_publisher_all_share_a_small_budget() {
    let settings = Settings { anonymous_requests_per_minute: 2, ..Settings::default() };
    let client = Client::with(settings, tenant()).await;
    let anonymous = async |query: &str| {
        let request = Request::get(feed(&format!("subscriptions/list{query}")));
        let request =
            request.header("authorization", format!("Bearer {}", client.token)).body("".into());
        client.send(request.expect("a request")).await
    };
    assert_eq!(anonymous("").await.status, 200);
    assert_eq!(anonymous("?PublisherIdentifier=").await.status, 200);
    let answer = anonymous("").await;
    assert_eq!(answer.error(), "403 AF429");
    assert!(answer.text().contains("00000000-0000-0000-0000-000000000000"));
    assert_eq!(anonymous("?PublisherIdentifier=contoso").await.error(), "400 AF20002");
    assert_eq!(client.get("subscriptions/list").await.status, 200);
    assert_eq!(client.fake.stats().anonymous_requests, 3);
    assert_eq!(client.fake.stats().requests_of(Operation::ListSubscriptions), 5);
}
