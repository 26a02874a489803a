//! The operations of the API on behalf of one tenant.
//!
//! Every request goes through [`TenantClient::call`], the only place that writes an `Authorization` header: after it
//! has made sure that the request goes to the tenant's own API host. The client retries nothing but one refused token.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, HeaderValue, USER_AGENT,
};
use http::{HeaderMap, Method, Request, Response, Uri};
use net::{Body, Transport, decoded, read_body, read_body_prefix, send_within};
use tokio::time::{Instant, timeout};

use crate::answer::Answer;
use crate::excerpt::excerpt;
use crate::listing::{parse_page, server_date};
use crate::sign_in::{Token, TokenSource};
use crate::subscription::parse_subscriptions;
use crate::{
    ApiError, BlobRef, CertificateInfo, Claims, ContentType, Credential, ErrorClass, Operation,
    Origin, Pace, Page, PageLink, RecordStream, SignInError, Started, Subscription, TenantSettings,
    Window,
};

/// Bytes of one page of a listing, decompressed. Some hundred rows of about 500 bytes are normal.
const LISTING_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes of an error's body that are read.
const ERROR_BYTES_MAX: usize = 64 * 1024;

/// A body that is read whole may take this many times the limit for its headers.
const BODY_TIME_FACTOR: u32 = 10;

const AGENT: &str = concat!("o365flow/", env!("CARGO_PKG_VERSION"));

/// A client of one tenant. Calls may run side by side.
pub struct TenantClient {
    settings: Arc<TenantSettings>,
    transport: Arc<dyn Transport>,
    pace: Option<Arc<dyn Pace>>,
    tokens: TokenSource,
    /// The date of the API's last answer, and when that came.
    server_date: Mutex<Option<(DateTime<Utc>, Instant)>>,
}

/// What is known about the access token in use.
#[derive(Clone, Debug)]
pub struct TokenInfo {
    /// `None` for a token that cannot be read, which may work all the same.
    pub claims: Option<Claims>,
    pub expires_in: Duration,
}

impl fmt::Debug for TenantClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TenantClient")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl TenantClient {
    /// A client that sends nothing yet. `random` spreads the renewal of tokens; give it a seed to replay a run.
    pub fn new(
        settings: TenantSettings,
        transport: Arc<dyn Transport>,
        pace: Option<Arc<dyn Pace>>,
        random: fastrand::Rng,
    ) -> Self {
        let settings = Arc::new(settings);
        let tokens = TokenSource::new(Arc::clone(&settings), Arc::clone(&transport), random);
        TenantClient { settings, transport, pace, tokens, server_date: Mutex::new(None) }
    }

    pub fn settings(&self) -> &TenantSettings {
        &self.settings
    }

    /// The time by the API's clock, going by its last answer, whatever that was; nothing before the first.
    pub fn server_now(&self) -> Option<DateTime<Utc>> {
        let (date, at) = (*self.server_date.lock().unwrap_or_else(PoisonError::into_inner))?;
        date.checked_add_signed(TimeDelta::from_std(at.elapsed()).ok()?)
    }

    /// Signs in if need be, and says what the token says.
    pub async fn sign_in(&self) -> Result<TokenInfo, ApiError> {
        let token = self.token(Operation::SignIn).await?;
        let expires_in = token.expires_at.saturating_duration_since(Instant::now());
        Ok(TokenInfo { claims: token.claims.clone(), expires_in })
    }

    /// What is signed in with, where that is a certificate; nothing is sent. Looks at its files, so that a new one is
    /// noticed, and says in the log when its end is near.
    pub async fn certificate(&self) -> Result<Option<CertificateInfo>, ApiError> {
        let Credential::Certificate(certificate) = &self.settings.credential else {
            return Ok(None);
        };
        let info = certificate.info(self.settings.clock.now()).await;
        info.map(Some).map_err(|source| ApiError::SignIn {
            operation: Operation::SignIn,
            source: Arc::new(SignInError::Certificate { source }),
        })
    }

    pub async fn list_subscriptions(&self) -> Result<Vec<Subscription>, ApiError> {
        let operation = Operation::ListSubscriptions;
        let response = self.call(operation, self.operation_uri("subscriptions/list", "")).await?;
        let (_, body) = self.read(operation, response).await?;
        parse_subscriptions(&body)
            .ok_or_else(|| malformed(operation, "body is not a JSON array", &body))
    }

    /// Starts a subscription. Microsoft wants 15 minutes between two of these: list first, start what is missing.
    pub async fn start_subscription(&self, content_type: ContentType) -> Result<Started, ApiError> {
        let query = format!("contentType={content_type}");
        let uri = self.operation_uri("subscriptions/start", &query);
        match self.call(Operation::StartSubscription, uri).await {
            Ok(_) => Ok(Started::Now),
            Err(error) if error.class() == ErrorClass::AlreadyEnabled => Ok(Started::Already),
            Err(error) => Err(error),
        }
    }

    /// Stops a subscription. What is created from then on can never be obtained.
    pub async fn stop_subscription(&self, content_type: ContentType) -> Result<(), ApiError> {
        let query = format!("contentType={content_type}");
        let uri = self.operation_uri("subscriptions/stop", &query);
        self.call(Operation::StopSubscription, uri).await.map(drop)
    }

    /// The first page of a window.
    pub async fn list_content(
        &self,
        content_type: ContentType,
        window: Window,
    ) -> Result<Page, ApiError> {
        let query = format!("contentType={content_type}&{}", window.query());
        let uri = self.operation_uri("subscriptions/content", &query);
        self.page(Operation::ListContent, content_type, uri).await
    }

    /// A further page. A caller should cap their number and refuse a link that it saw before.
    pub async fn next_page(&self, link: &PageLink) -> Result<Page, ApiError> {
        let uri = self.given_uri(Operation::NextPage, &link.uri)?;
        self.page(Operation::NextPage, link.content_type, uri).await
    }

    /// The records of a blob, as they arrive.
    pub async fn fetch(&self, blob: &BlobRef) -> Result<RecordStream, ApiError> {
        let uri = self.given_uri(Operation::FetchBlob, &blob.uri)?;
        let response = self.call(Operation::FetchBlob, uri).await?;
        Ok(RecordStream::new(response.into_body(), self.settings.record_bytes_max))
    }

    async fn page(
        &self,
        operation: Operation,
        content_type: ContentType,
        uri: Uri,
    ) -> Result<Page, ApiError> {
        let response = self.call(operation, uri).await?;
        let (headers, body) = self.read(operation, response).await?;
        parse_page(content_type, &headers, &body)
            .map_err(|reason| malformed(operation, reason, &body))
    }

    /// The URI of an operation of the tenant. `query` needs no escapes.
    fn operation_uri(&self, path: &str, query: &str) -> Uri {
        let TenantSettings { urls, tenant_id, publisher_id, .. } = &*self.settings;
        let separator = if query.is_empty() { "" } else { "&" };
        format!(
            "{}/api/v1.0/{tenant_id}/activity/feed/{path}?{query}{separator}PublisherIdentifier={publisher_id}",
            urls.resource
        )
        .parse()
        .expect("an origin, GUIDs and fixed words make a valid URI")
    }

    /// A URI that the API gave, with the publisher id appended and nothing else touched: ids hold characters that
    /// must stay as they are.
    fn given_uri(&self, operation: Operation, given: &str) -> Result<Uri, ApiError> {
        let foreign =
            |host: &str| ApiError::ForeignHost { operation, host: excerpt(host.as_bytes()) };
        let uri: Uri = given.trim().parse().map_err(|_| foreign("not a URL"))?;
        if Origin::of(&uri).as_ref() != Some(&self.settings.urls.resource) {
            return Err(foreign(uri.host().unwrap_or("not a URL")));
        }
        if uri.query().is_some_and(names_publisher) {
            return Ok(uri);
        }
        let separator = if uri.query().is_some() { '&' } else { '?' };
        format!("{uri}{separator}PublisherIdentifier={}", self.settings.publisher_id)
            .parse()
            .map_err(|_| foreign("not a URL"))
    }

    async fn token(&self, operation: Operation) -> Result<Arc<Token>, ApiError> {
        self.tokens.token().await.map_err(|source| ApiError::SignIn { operation, source })
    }

    /// Sends a request and gives a successful response, decoded. A token that is refused without a reason is replaced once.
    async fn call(&self, operation: Operation, uri: Uri) -> Result<Response<Body>, ApiError> {
        let mut was_replaced = false;
        loop {
            let token = self.token(operation).await?;
            let request = self.request(operation, &uri, &token)?;
            if let Some(pace) = &self.pace {
                pace.acquire().await;
            }
            let response = send_within(&*self.transport, request, self.settings.timeouts)
                .await
                .map_err(|source| ApiError::Send { operation, source })?;
            if let Some(date) = server_date(response.headers()) {
                let mut known = self.server_date.lock().unwrap_or_else(PoisonError::into_inner);
                *known = Some((date, Instant::now()));
            }
            let is_success = response.status().is_success();
            let response =
                decoded(response).map_err(|source| ApiError::Body { operation, source })?;
            if is_success {
                return Ok(response);
            }
            let answer = self.read_answer(response, &token).await;
            let is_refused_token = answer.status == 401 && answer.code.is_none();
            // A permission that is granted later is in new tokens only, so neither kind is kept.
            if is_refused_token || answer.class(operation) == ErrorClass::MissingPermission {
                self.tokens.invalidate(&token).await;
            }
            if !is_refused_token || was_replaced {
                return Err(ApiError::Refused { operation, answer });
            }
            was_replaced = true;
        }
    }

    /// Makes a request, unless it would take the token to another host.
    fn request(
        &self,
        operation: Operation,
        uri: &Uri,
        token: &Token,
    ) -> Result<Request<Bytes>, ApiError> {
        if Origin::of(uri).as_ref() != Some(&self.settings.urls.resource) {
            let host = uri.host().unwrap_or_default().to_owned();
            return Err(ApiError::ForeignHost { operation, host });
        }
        let mut request = Request::new(Bytes::new());
        request.uri_mut().clone_from(uri);
        request.extensions_mut().insert(operation);
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, token.authorization.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        if matches!(operation, Operation::StartSubscription | Operation::StopSubscription) {
            // Microsoft's servers answer 411 to a POST that does not say that it is empty.
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
            *request.method_mut() = Method::POST;
        }
        Ok(request)
    }

    async fn read_answer(&self, response: Response<Body>, token: &Token) -> Answer {
        let (head, body) = response.into_parts();
        let limit = self.settings.timeouts.headers;
        let body =
            timeout(limit, read_body_prefix(body, ERROR_BYTES_MAX)).await.unwrap_or_default();
        Answer::parse(head.status, &head.headers, &body, |text| token.redact(text))
    }

    async fn read(
        &self,
        operation: Operation,
        response: Response<Body>,
    ) -> Result<(HeaderMap, Bytes), ApiError> {
        let (head, body) = response.into_parts();
        let limit = self.settings.timeouts.headers.saturating_mul(BODY_TIME_FACTOR);
        let body = timeout(limit, read_body(body, LISTING_BYTES_MAX))
            .await
            .map_err(|_| ApiError::Slow { operation, limit })?
            .map_err(|source| ApiError::Body { operation, source })?;
        Ok((head.headers, body))
    }
}

fn malformed(operation: Operation, reason: &'static str, body: &[u8]) -> ApiError {
    ApiError::Malformed { operation, reason, start: excerpt(body) }
}

/// Whether a query holds the publisher id; the API gives keys back in any case.
fn names_publisher(query: &str) -> bool {
    query.split('&').any(|pair| {
        let key = pair.split('=').next().unwrap_or_default();
        key.eq_ignore_ascii_case("PublisherIdentifier")
    })
}
