//! A client that calls the handler without a socket and takes answers apart.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderMap, Method, Request};
use http_body_util::BodyExt;
use serde_json::Value;

use crate::{FakeTenants, History, ManualClock, Settings, TenantSpec};

pub(super) const TENANT: &str = "c0c0c0c0-1111-4222-8333-444455556666";
pub(super) const OTHER_TENANT: &str = "fabfab00-1111-4222-8333-444455556666";
pub(super) const CLIENT_ID: &str = "11111111-2222-4333-8444-555566667777";
pub(super) const SECRET: &str = "s3~cret+&=";
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// Noon of a day in summer: what every test calls now.
pub(super) fn noon() -> DateTime<Utc> {
    "2026-07-01T12:00:00Z".parse().expect("a time")
}

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: io::Result<Bytes>,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        let body = self.body.as_ref().expect("a whole body");
        serde_json::from_slice(body).unwrap_or_else(|error| panic!("{error}: {body:?}"))
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(self.body.as_ref().expect("a whole body")).into_owned()
    }

    /// The status and the code of the error, such as `400 AF20022`.
    pub(super) fn error(&self) -> String {
        let code = self.json()["error"]["code"].as_str().unwrap_or("no code").to_owned();
        format!("{} {code}", self.status)
    }
}

/// Two tenants on a manual clock, and a token for the first.
pub(super) struct Client {
    pub(super) clock: Arc<ManualClock>,
    pub(super) fake: Arc<FakeTenants>,
    pub(super) token: String,
}

impl Client {
    pub(super) async fn with(settings: Settings, tenant: TenantSpec) -> Client {
        let clock = Arc::new(ManualClock::new(noon()));
        let other = TenantSpec::new(OTHER_TENANT, "fabrikam.example", CLIENT_ID, SECRET);
        let fake = Arc::new(FakeTenants::new(clock.clone(), settings, vec![tenant, other]));
        let mut client = Client { clock, fake, token: String::new() };
        client.sign_in().await;
        client
    }

    /// Every feed subscribed to, no content but what a test adds.
    pub(super) async fn empty() -> Client {
        Client::with(Settings::default(), tenant().subscribed_to_all()).await
    }

    /// A day of content in every feed.
    pub(super) async fn with_history(settings: Settings) -> Client {
        let history = History {
            records_per_blob: 1..=9,
            duplicate_rate: 0.1,
            late_rate: 0.2,
            ..History::new(7, noon() - TimeDelta::hours(24), noon() + TimeDelta::days(30))
        };
        Client::with(settings, tenant().subscribed_to_all().with_history(history)).await
    }

    pub(super) async fn sign_in(&mut self) {
        let answer = self.token_v2(TENANT, SECRET).await;
        answer.json()["access_token"].as_str().expect("a token").clone_into(&mut self.token);
    }

    pub(super) async fn token_v2(&self, tenant: &str, secret: &str) -> Answer {
        let scope = format!("{}/.default", self.fake.base_url());
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", CLIENT_ID),
            ("client_secret", secret),
            ("scope", &scope),
        ];
        self.post_form(&format!("/{tenant}/oauth2/v2.0/token"), &fields).await
    }

    pub(super) async fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = Request::post(path).header("content-type", FORM);
        self.send(request.body(body.into()).expect("a request")).await
    }

    pub(super) async fn send(&self, request: Request<Bytes>) -> Answer {
        let (head, body) = self.fake.handle(request).await.into_parts();
        let body = body.collect().await.map(http_body_util::Collected::to_bytes);
        Answer { status: head.status.as_u16(), headers: head.headers, body }
    }

    /// Calls the API with the token, as a publisher.
    pub(super) async fn call(&self, method: Method, url: &str, body: &'static str) -> Answer {
        let mark = if url.contains('?') { '&' } else { '?' };
        let url = format!("{url}{mark}PublisherIdentifier={TENANT}");
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header("authorization", format!("Bearer {}", self.token));
        self.send(request.body(Bytes::from(body)).expect("a request")).await
    }

    pub(super) async fn get(&self, rest: &str) -> Answer {
        self.call(Method::GET, &feed(rest), "").await
    }

    pub(super) async fn post(&self, rest: &str) -> Answer {
        self.call(Method::POST, &feed(rest), "").await
    }

    /// All rows of a listing, over all its pages.
    pub(super) async fn list_all(&self, rest: &str) -> Vec<Value> {
        let mut rows = Vec::new();
        let mut url = feed(rest);
        loop {
            let answer = self.call(Method::GET, &url, "").await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            rows.extend(answer.json().as_array().expect("rows").iter().cloned());
            match answer.headers.get("NextPageUri") {
                Some(next) => url = next.to_str().expect("a link").to_owned(),
                None => return rows,
            }
        }
    }

    /// Fetches every blob listed and gives the ids of all records.
    pub(super) async fn fetch_ids(&self, rows: &[Value]) -> Vec<String> {
        let mut ids = Vec::new();
        for row in rows {
            let answer =
                self.call(Method::GET, row["contentUri"].as_str().expect("a link"), "").await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            ids.extend(ids_of(&answer.json()));
        }
        ids
    }
}

pub(super) fn tenant() -> TenantSpec {
    TenantSpec::new(TENANT, "contoso.example", CLIENT_ID, SECRET)
}

pub(super) fn feed(rest: &str) -> String {
    format!("/api/v1.0/{TENANT}/activity/feed/{rest}")
}

pub(super) fn ids_of(records: &Value) -> Vec<String> {
    let ids = records.as_array().expect("records").iter().map(|record| record["Id"].as_str());
    ids.map(|id| id.expect("an id").to_owned()).collect()
}
