//! Tokens: who gets one, and what it opens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use http::Request;
use serde_json::Value;

use super::client::{CLIENT_ID, Client, FORM, OTHER_TENANT, SECRET, TENANT, feed, noon};
use crate::{Operation, Role};

const RESOURCE: &str = "https://manage.office.com";

#[tokio::test]
async fn v2_gives_a_token_with_the_claims_of_the_application() {
    let client = Client::empty().await;
    for tenant in [TENANT, "contoso.example", "CONTOSO.example"] {
        let body = client.token_v2(tenant, SECRET).await.json();
        assert_eq!(body["expires_in"], 3600);
        assert!(body.get("expires_on").is_none());
        let token = body["access_token"].as_str().expect("a token");
        let claims =
            URL_SAFE_NO_PAD.decode(token.split('.').nth(1).expect("a payload")).expect("base64");
        let claims: Value = serde_json::from_slice(&claims).expect("claims");
        assert_eq!(
            (&claims["aud"], &claims["tid"], &claims["appid"]),
            (&RESOURCE.into(), &TENANT.into(), &CLIENT_ID.into())
        );
        assert_eq!(
            claims["roles"],
            serde_json::json!(["ActivityFeed.Read", "ActivityFeed.ReadDlp"])
        );
        assert_eq!(claims["exp"].as_i64(), Some(noon().timestamp() + 3600));
    }
}

#[tokio::test]
async fn v1_gives_numbers_as_strings() {
    let client = Client::empty().await;
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", CLIENT_ID),
        ("client_secret", SECRET),
        ("resource", RESOURCE),
    ];
    let body =
        client.post_form("/contoso.example/oauth2/token?api-version=1.0", &fields).await.json();
    assert_eq!(body["expires_in"], "3600");
    assert_eq!(body["expires_on"], (noon().timestamp() + 3600).to_string());
    assert_eq!(body["resource"], RESOURCE);
}

#[tokio::test]
async fn refuses_what_entra_refuses() {
    let client = Client::empty().await;
    let good = [
        ("grant_type", "client_credentials"),
        ("client_id", CLIENT_ID),
        ("client_secret", SECRET),
        ("scope", "https://manage.office.com/.default"),
    ];
    let cases = [
        ("no such tenant", "nobody.example", None, "400 invalid_request 90002"),
        ("no grant type", TENANT, Some(("grant_type", "")), "400 invalid_request 900144"),
        (
            "other grant",
            TENANT,
            Some(("grant_type", "password")),
            "400 unsupported_grant_type 70003",
        ),
        ("no client id", TENANT, Some(("client_id", "")), "400 invalid_request 900144"),
        (
            "other client id",
            TENANT,
            Some(("client_id", OTHER_TENANT)),
            "400 unauthorized_client 700016",
        ),
        ("no secret", TENANT, Some(("client_secret", "")), "401 invalid_client 7000218"),
        ("wrong secret", TENANT, Some(("client_secret", "guess")), "401 invalid_client 7000215"),
        ("no scope", TENANT, Some(("scope", "")), "400 invalid_request 900144"),
        ("bad scope", TENANT, Some(("scope", "User.Read")), "400 invalid_scope 70011"),
        (
            "other resource",
            TENANT,
            Some(("scope", "https://graph.example/.default")),
            "400 invalid_resource 500011",
        ),
        ("resource at v2", TENANT, Some(("resource", RESOURCE)), "400 invalid_request 901002"),
        (
            "unknown certificate",
            TENANT,
            Some(("client_assertion", "x.y.z")),
            "400 invalid_request 50027",
        ),
    ];
    for (what, tenant, change, expected) in cases {
        let mut fields: Vec<(&str, &str)> = good.to_vec();
        if let Some((name, value)) = change {
            fields.retain(|(key, _)| *key != name);
            fields.push((name, value));
        }
        let answer = client.post_form(&format!("/{tenant}/oauth2/v2.0/token"), &fields).await;
        let body = answer.json();
        let got = format!(
            "{} {} {}",
            answer.status,
            body["error"].as_str().unwrap_or(""),
            body["error_codes"][0]
        );
        assert_eq!(got, expected, "{what}");
        let description = body["error_description"].as_str().expect("a description");
        for part in ["AADSTS", "Trace ID: ", "Correlation ID: ", "Timestamp: 2026-07-01 12:00:00Z"]
        {
            assert!(description.contains(part), "{what}: {description}");
        }
        assert!(body["error_uri"].is_string() && body["trace_id"].is_string(), "{what}");
    }
    assert_eq!(client.fake.stats().tokens_issued, 1, "only that of the test itself");
    assert_eq!(client.fake.stats().answered(Operation::Token, 401), 3);
}

#[tokio::test]
async fn a_form_counts_only_when_declared() {
    let client = Client::empty().await;
    let body = "grant_type=client_credentials";
    let request = |kind: &str| {
        Request::post(format!("/{TENANT}/oauth2/v2.0/token"))
            .header("content-type", kind)
            .body(body.into())
    };
    for (kind, missing) in [("application/json", "grant_type"), (FORM, "client_id")] {
        let answer = client.send(request(kind).expect("a request")).await;
        assert!(answer.text().contains(&format!("'{missing}'")), "{}", answer.text());
    }
}

#[tokio::test]
async fn the_api_takes_good_tokens_only() {
    let mut client = Client::empty().await;
    let list = feed("subscriptions/list?PublisherIdentifier=c0c0c0c0-1111-4222-8333-444455556666");
    let good = client.token.clone();
    for authorization in
        [String::new(), "Bearer x.y.z".into(), format!("Basic {good}"), format!("Bearer {good}x")]
    {
        let request = Request::get(&list).header("authorization", authorization).body("".into());
        let answer = client.send(request.expect("a request")).await;
        assert_eq!(answer.status, 401);
        assert_eq!(
            answer.text(),
            r#"{"Message":"Authorization has been denied for this request."}"#
        );
    }
    assert_eq!(client.get("subscriptions/list").await.status, 200);
    client.clock.advance(TimeDelta::seconds(3600));
    assert_eq!(client.get("subscriptions/list").await.status, 401, "expired");
    client.sign_in().await;
    assert_eq!(client.get("subscriptions/list").await.status, 200);
    // A token for another resource is none for this API.
    client.fake.set_base_url("http://127.0.0.1:9");
    assert_eq!(client.get("subscriptions/list").await.status, 401);
}

#[tokio::test]
async fn the_tenant_in_the_path_must_be_that_of_the_token() {
    let client = Client::empty().await;
    for (tenant, expected) in [
        ("contoso.example", "400 AF20013"),
        ("00000000-1111-4222-8333-444455556666", "400 AF20011"),
        (OTHER_TENANT, "403 AF20010"),
    ] {
        let url = format!("/api/v1.0/{tenant}/activity/feed/subscriptions/list");
        assert_eq!(client.call(http::Method::GET, &url, "").await.error(), expected);
    }
}

#[tokio::test]
async fn a_role_opens_its_content_types() {
    let mut client = Client::empty().await;
    for (roles, general, dlp) in [
        (vec![Role::Read], "ok", "401 AF10001"),
        (vec![Role::ReadDlp], "401 AF10001", "ok"),
        (vec![], "401 AF10001", "401 AF10001"),
    ] {
        client.fake.change_tenant(TENANT, |tenant| tenant.roles = roles.into_iter().collect());
        client.sign_in().await;
        for (name, expected) in [("Audit.General", general), ("DLP.All", dlp)] {
            let answer = client.get(&format!("subscriptions/content?contentType={name}")).await;
            let got = if answer.status == 200 { "ok".to_owned() } else { answer.error() };
            assert_eq!(got, expected, "{name}");
        }
    }
}
