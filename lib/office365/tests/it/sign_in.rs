//! Tokens: shared, renewed early, replaced when refused, and errors that are shared as well.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use office365::{ApiError, ErrorClass};

use crate::script::{Script, chain, client, scripted};

const DENIED: &str = r#"{"Message":"Authorization has been denied for this request."}"#;

#[tokio::test(start_paused = true)]
async fn many_callers_share_one_sign_in() {
    let script = Arc::new(Script::slow_to_sign_in(Duration::from_secs(1)));
    let client = client(&script);
    for result in join_all((0..20).map(|_| client.sign_in())).await {
        result.unwrap();
    }
    assert_eq!(script.tokens(), 1);
}

#[tokio::test(start_paused = true)]
async fn many_callers_share_one_failure() {
    let script = Arc::new(Script::slow_to_sign_in(Duration::from_secs(1)));
    let client = client(&script);
    script.sign_in(401, r#"{"error":"invalid_client","error_codes":[7000222]}"#);
    for result in join_all((0..20).map(|_| client.sign_in())).await {
        let error = result.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Misconfigured);
        assert!(error.hint().unwrap().cause.contains("expired"));
    }
    assert_eq!(script.tokens(), 1);
    client.sign_in().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn renews_five_to_ten_minutes_before_the_end() {
    let (client, script) = scripted();
    client.sign_in().await.unwrap();
    tokio::time::advance(Duration::from_mins(50) - Duration::from_secs(1)).await;
    client.sign_in().await.unwrap();
    assert_eq!(script.tokens(), 1);
    tokio::time::advance(Duration::from_mins(5) + Duration::from_secs(2)).await;
    let info = client.sign_in().await.unwrap();
    assert_eq!(script.tokens(), 2);
    assert_eq!(info.expires_in, Duration::from_hours(1));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_has_ended_already_is_not_asked_for_at_each_call() {
    let (client, script) = scripted();
    script.sign_in(200, r#"{"access_token":"short","expires_in":0}"#);
    for _ in 0..3 {
        client.sign_in().await.unwrap();
    }
    assert_eq!(script.tokens(), 1);
    tokio::time::advance(Duration::from_secs(61)).await;
    client.sign_in().await.unwrap();
    assert_eq!(script.tokens(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_old_token_serves_while_renewal_fails() {
    let (client, script) = scripted();
    client.sign_in().await.unwrap();
    for _ in 0..3 {
        script.sign_in(503, "");
    }
    tokio::time::advance(Duration::from_mins(56)).await;
    client.sign_in().await.unwrap();
    client.sign_in().await.unwrap();
    assert_eq!(script.tokens(), 2, "a renewal that failed is not tried at once again");
    tokio::time::advance(Duration::from_mins(5)).await;
    let error = client.sign_in().await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Retry { after: None });
}

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let (client, script) = scripted();
    script.reply(401, &[], DENIED);
    script.reply(200, &[], "[]");
    client.list_subscriptions().await.unwrap();
    let tokens: Vec<_> = script.sent().into_iter().map(|sent| sent.authorization).collect();
    assert_eq!(tokens, ["", "Bearer token-0", "", "Bearer token-1"]);

    script.reply(401, &[], DENIED);
    script.reply(401, &[], DENIED);
    let error = client.list_subscriptions().await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Unauthorized);
    assert_eq!(script.sent().len(), 3);
}

#[tokio::test]
async fn a_missing_permission_shows_in_the_next_token_only() {
    let (client, script) = scripted();
    script.reply(401, &[], r#"{"error":{"code":"AF10001","message":"no permission"}}"#);
    let error = client.list_subscriptions().await.unwrap_err();
    assert_eq!((error.class(), error.code()), (ErrorClass::MissingPermission, Some("AF10001")));
    assert_eq!(script.tokens(), 1);
    script.reply(200, &[], "[]");
    client.list_subscriptions().await.unwrap();
    assert_eq!(script.tokens(), 2);
}

#[tokio::test]
async fn a_sign_in_that_makes_no_sense_is_an_error_that_quotes_nothing() {
    let (client, script) = scripted();
    for body in [
        "<html>hunter2</html>",
        r#"{"access_token":"hunter2\n","expires_in":3600}"#,
        r#"{"access_token":"hunter2","expires_in":"hunter2"}"#,
    ] {
        script.sign_in(200, body);
        let error = client.list_subscriptions().await.unwrap_err();
        assert!(matches!(error, ApiError::SignIn { .. }));
        assert!(!chain(&error).contains("hunter2"), "{}", chain(&error));
    }
}
