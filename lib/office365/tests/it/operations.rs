//! Requests as they go out, pages as they come in, and links that must not be followed.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use net::Transport;
use office365::{
    ApiError, BlobRef, ContentId, ContentType, ErrorClass, PageLink, RateLimiter, Started,
    TenantClient, Window, parse_time,
};
use tokio::time::Instant;

use crate::script::{Script, scripted, settings};

const FEED: &str =
    "https://manage.office.com/api/v1.0/0b7a1f7e-58d9-4c9c-8b1a-9f2f9d6c2d11/activity/feed";
const PUBLISHER: &str = "PublisherIdentifier=00000000-0000-0000-0000-000000000005";

fn window() -> Window {
    let time = |text| parse_time(text).unwrap();
    Window::new(time("2026-01-01T00:00:00"), time("2026-01-01T01:00:00")).unwrap()
}

fn blob(uri: &str) -> BlobRef {
    BlobRef {
        content_type: ContentType::Exchange,
        id: ContentId("id".to_owned()),
        uri: uri.to_owned(),
        created: window().start(),
        expires: window().end(),
    }
}

fn link(uri: &str) -> PageLink {
    PageLink { content_type: ContentType::Exchange, uri: uri.to_owned() }
}

#[tokio::test]
async fn every_request_carries_publisher_and_token() {
    let (client, script) = scripted();
    script.reply(200, &[], "[]");
    script.reply(200, &[], r#"{"contentType":"DLP.All","status":"enabled","webhook":null}"#);
    script.reply(200, &[], "");
    script.reply(200, &[], "[]");
    script.reply(200, &[], "[]");
    client.list_subscriptions().await.unwrap();
    assert_eq!(client.start_subscription(ContentType::Dlp).await.unwrap(), Started::Now);
    client.stop_subscription(ContentType::Dlp).await.unwrap();
    client.list_content(ContentType::SharePoint, window()).await.unwrap();
    client.fetch(&blob(&format!("{FEED}/audit/a$b$c"))).await.unwrap();
    let sent = script.sent();
    assert_eq!(sent[0].authorization, "");
    assert!(sent[1..].iter().all(|sent| sent.authorization == "Bearer token-0"), "{sent:?}");
    let lines: Vec<_> = sent.into_iter().map(|sent| sent.line).collect();
    assert_eq!(
        lines,
        [
            "POST https://login.microsoftonline.com/0b7a1f7e-58d9-4c9c-8b1a-9f2f9d6c2d11/oauth2/v2.0/token"
                .to_owned(),
            format!("GET {FEED}/subscriptions/list?{PUBLISHER}"),
            format!("POST {FEED}/subscriptions/start?contentType=DLP.All&{PUBLISHER}"),
            format!("POST {FEED}/subscriptions/stop?contentType=DLP.All&{PUBLISHER}"),
            format!(
                "GET {FEED}/subscriptions/content?contentType=Audit.SharePoint&startTime=2026-01-01T00:00:00\
                 &endTime=2026-01-01T01:00:00&{PUBLISHER}"
            ),
            format!("GET {FEED}/audit/a$b$c?{PUBLISHER}"),
        ]
    );
}

#[tokio::test]
async fn starting_what_is_enabled_is_a_success() {
    let (client, script) = scripted();
    script.reply(400, &[], r#"{"error":{"code":"AF20024","message":"already enabled"}}"#);
    assert_eq!(client.start_subscription(ContentType::General).await.unwrap(), Started::Already);
    script.reply(429, &[], "wait 14m56s");
    let error = client.start_subscription(ContentType::General).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Throttled { after: Some(Duration::from_mins(15)) });
}

#[tokio::test]
async fn follows_the_next_page_as_it_was_given() {
    let (client, script) = scripted();
    let next = "https://Manage.Office.com:443/api/v1/x?contenttype=a&nextpage=1$2%24+3";
    let date = ("date", "Thu, 01 Jan 2026 02:00:00 GMT");
    script.reply(200, &[("NextPageUri", next), date], "[]");
    let page = client.list_content(ContentType::Exchange, window()).await.unwrap();
    assert_eq!(page.server_date, parse_time("2026-01-01T02:00:00"));
    script.reply(200, &[], "[]");
    script.lines();
    let page = client.next_page(&page.next.unwrap()).await.unwrap();
    assert_eq!(page.next, None);
    assert_eq!(script.lines(), [format!("GET {next}&{PUBLISHER}")]);
    let named = "https://manage.office.com/api/v1/x?publisheridentifier=7&nextpage=2";
    script.reply(200, &[], "[]");
    client.next_page(&link(named)).await.unwrap();
    assert_eq!(script.lines(), [format!("GET {named}")]);
}

#[tokio::test]
async fn a_link_to_another_host_is_never_followed() {
    let (client, script) = scripted();
    for uri in [
        "https://evil.example/api",
        "http://manage.office.com/api",
        "https://manage.office.com:444/api",
        "https://manage.office.com.evil.example/api",
        "https://manage.office.com@evil.example/api",
        "https://evil@manage.office.com/api",
        "https://manage.office.com:/api",
        "https://manage.office.com:99999/api",
        "//manage.office.com/api",
        "/api",
        "manage.office.com",
        "https://manage.office.com\\@evil.example/",
        "not a url",
        "",
    ] {
        let errors = [
            client.next_page(&link(uri)).await.unwrap_err(),
            client.fetch(&blob(uri)).await.err().unwrap(),
        ];
        for error in errors {
            assert!(matches!(error, ApiError::ForeignHost { .. }), "{uri}: {error:?}");
            assert_eq!(error.class(), ErrorClass::ForeignHost);
        }
    }
    assert!(script.sent().is_empty());
}

#[tokio::test]
async fn a_redirect_is_an_error_and_not_followed() {
    let (client, script) = scripted();
    script.reply(302, &[("location", "https://evil.example/")], "");
    let error = client.list_subscriptions().await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Misconfigured);
    assert_eq!(script.lines().len(), 1);
}

#[tokio::test]
async fn a_reply_that_is_not_a_listing_is_no_empty_page() {
    let (client, script) = scripted();
    for body in ["", "<html>sign in</html>", "{}"] {
        script.reply(200, &[], body);
        let error = client.list_content(ContentType::Exchange, window()).await.unwrap_err();
        assert!(matches!(error, ApiError::Malformed { .. }), "{error:?}");
        assert_eq!(error.class(), ErrorClass::Retry { after: None });
    }
    let error = client.list_content(ContentType::Exchange, window()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Retry { after: None });
    assert_eq!(error.to_string(), "cannot list content");
}

#[tokio::test]
async fn a_page_has_a_limit() {
    let (client, script) = scripted();
    script.reply(200, &[], vec![b' '; 33 << 20]);
    let error = client.list_content(ContentType::Exchange, window()).await.unwrap_err();
    assert!(matches!(error, ApiError::Body { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn requests_keep_the_pace_and_sign_in_does_not_count() {
    let script = Arc::new(Script::default());
    let pace = Arc::new(RateLimiter::per_minute(NonZeroU32::new(1).unwrap()));
    let transport = Arc::clone(&script) as Arc<dyn Transport>;
    let client = TenantClient::new(settings(), transport, Some(pace), fastrand::Rng::with_seed(1));
    let start = Instant::now();
    for _ in 0..3 {
        script.reply(200, &[], "[]");
        client.list_subscriptions().await.unwrap();
    }
    assert!(start.elapsed() >= Duration::from_mins(2));
}
