//! No secret in any error or debug text, even when the peer sends back what it was sent.

use std::fmt::Write;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use net::{Body, SendError, SendErrorKind, Transport, full_body};
use office365::{
    ApiError, BlobRef, ContentId, ContentType, Operation, PageLink, RecordStream, TenantClient,
    Window, parse_time,
};

use crate::script::{SECRET, chain, client, scripted, settings};

const TOKEN: &str =
    "eyJhbGciOiJub25lIn0.eyJyb2xlcyI6WyJBY3Rpdml0eUZlZWQuUmVhZCJdfQ.c2VjcmV0LXNpZ25hdHVyZQ";

/// How the peer misbehaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Echo {
    SignIn,
    SignInDescription,
    Api(u16),
    Nothing,
}

/// Answers with the request it got, headers and all.
struct Mirror(Echo);

impl Transport for Mirror {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Body>, SendError>> {
        let is_sign_in = request.extensions().get() == Some(&Operation::SignIn);
        let mut echo = String::from_utf8_lossy(request.body()).into_owned();
        for (name, value) in request.headers() {
            writeln!(echo, "\n{name}: {}", value.to_str().unwrap()).unwrap();
        }
        let form = String::from_utf8_lossy(request.body()).into_owned();
        let (status, body) = match (is_sign_in, self.0) {
            (true, Echo::SignIn) => (400, echo),
            (true, Echo::SignInDescription) => {
                let description = serde_json::json!({
                    "error": format!("bad {SECRET}"),
                    "error_description": format!("AADSTS7000215: not {SECRET} {form}"),
                    "trace_id": SECRET,
                });
                (401, description.to_string())
            }
            (true, _) => (200, format!(r#"{{"access_token":"{TOKEN}","expires_in":"3600"}}"#)),
            (false, Echo::Api(status)) => (status, echo),
            (false, _) => {
                return Box::pin(async {
                    Err(SendError::new(SendErrorKind::Closed, "manage.office.com"))
                });
            }
        };
        let response = Response::builder().status(status).body(full_body(body)).unwrap();
        Box::pin(async { Ok(response) })
    }
}

fn blob(uri: &str) -> BlobRef {
    let time = parse_time("2026-01-01T00:00:00").unwrap();
    BlobRef {
        content_type: ContentType::Exchange,
        id: ContentId("a$b".to_owned()),
        uri: uri.to_owned(),
        created: time,
        expires: time,
    }
}

fn check(text: &str) {
    for secret in [SECRET, "hunter2", "s3cr3t", "eyJ", "c2VjcmV0", TOKEN] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

/// Every error that every operation gives.
async fn errors(client: &TenantClient) -> Vec<ApiError> {
    let time = |text| parse_time(text).unwrap();
    let window = Window::new(time("2026-01-01T00:00:00"), time("2026-01-01T01:00:00")).unwrap();
    let content_type = ContentType::General;
    let uri = "https://manage.office.com/api/v1.0/x?nextpage=1".to_owned();
    let link = PageLink { content_type, uri };
    let foreign = PageLink { content_type, uri: "https://evil.example/?x=1".to_owned() };
    let results = [
        client.sign_in().await.err(),
        client.list_subscriptions().await.err(),
        client.start_subscription(content_type).await.err(),
        client.stop_subscription(content_type).await.err(),
        client.list_content(content_type, window).await.err(),
        client.next_page(&link).await.err(),
        client.next_page(&foreign).await.err(),
        client.fetch(&blob("https://manage.office.com/api/v1.0/a$b")).await.err(),
    ];
    results.into_iter().flatten().collect()
}

#[tokio::test]
async fn no_error_holds_a_secret() {
    let echoes = [200, 302, 400, 401, 403, 429, 500, 503].map(Echo::Api);
    for echo in [Echo::SignIn, Echo::SignInDescription, Echo::Nothing].into_iter().chain(echoes) {
        let transport = Arc::new(Mirror(echo));
        let client = TenantClient::new(settings(), transport, None, fastrand::Rng::with_seed(1));
        let errors = errors(&client).await;
        assert!(errors.len() >= 4, "the peer misbehaves, so most operations fail");
        for error in errors {
            check(&chain(&error));
            check(&format!("{:?} {:?} {:?}", error.hint(), error.class(), error.code()));
        }
        check(&format!("{client:?} {:?}", client.settings()));
    }
}

#[tokio::test]
async fn no_fault_of_a_blob_holds_a_secret() {
    let client = {
        let transport = Arc::new(Mirror(Echo::Api(200)));
        TenantClient::new(settings(), transport, None, fastrand::Rng::with_seed(1))
    };
    let blob = blob("https://manage.office.com/api/v1.0/a$b");
    let mut records = client.fetch(&blob).await.unwrap();
    check(&chain(&records.next().await.unwrap().unwrap_err()));
    let start = format!("{TOKEN} and more");
    let mut records = RecordStream::new(full_body(start), 100);
    check(&chain(&records.next().await.unwrap().unwrap_err()));
    check(&format!("{blob:?}"));
}

#[tokio::test]
async fn no_debug_form_holds_a_secret() {
    let (_, script) = scripted();
    let client = client(&script);
    let body = format!(r#"{{"access_token":"{TOKEN}","expires_in":3600}}"#);
    script.sign_in(200, body);
    let info = client.sign_in().await.unwrap();
    assert!(info.claims.as_ref().unwrap().permits(ContentType::General));
    check(&format!("{info:?} {client:?} {:?}", settings()));
    check(&format!("{:?}", settings().credential));
}
