//! One tenant's access token: fetched once for all who wait, renewed before its end, dropped when it is refused.
//!
//! A renewal that fails while the old token still works is not an error: the old one serves on. Those who waited for a
//! sign-in that failed share its error, so that a wrong secret is tried once and not once a worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use http::{Request, StatusCode};
use net::{Transport, read_body, send_within};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use tracing::warn;

use super::credential::Form;
use super::reply::{Refusal, parse_token};
use super::{Claims, SignInError};
use crate::excerpt::redacted;
use crate::{Operation, TenantSettings};

/// Bytes of a reply; real ones have 2 to 4 KB.
const REPLY_BYTES_MAX: usize = 256 * 1024;

/// A token is renewed this long before its end, plus up to as much again, so that tenants do not do it all at once.
const RENEW_AHEAD: Duration = Duration::from_mins(5);

/// The wait after a renewal that failed while the old token still works.
const RENEW_PAUSE: Duration = Duration::from_mins(1);

/// A bearer token, as the header that carries it.
pub(crate) struct Token {
    /// Marked sensitive: its debug form does not show it.
    pub(crate) authorization: HeaderValue,
    pub(crate) claims: Option<Claims>,
    pub(crate) expires_at: Instant,
    serial: u64,
}

impl Token {
    /// `text` without this token.
    pub(crate) fn redact(&self, text: &str) -> String {
        let header = self.authorization.to_str().unwrap_or_default();
        redacted(text, &[header.trim_start_matches("Bearer ")])
    }
}

pub(crate) struct TokenSource {
    settings: Arc<TenantSettings>,
    transport: Arc<dyn Transport>,
    /// Held during a sign-in: the others wait for its outcome.
    state: Mutex<State>,
    /// Sign-ins that ended, well or not.
    attempts: AtomicU64,
}

struct State {
    token: Option<Arc<Token>>,
    renew_at: Instant,
    failure: Option<Arc<SignInError>>,
    random: fastrand::Rng,
}

impl TokenSource {
    pub(crate) fn new(
        settings: Arc<TenantSettings>,
        transport: Arc<dyn Transport>,
        random: fastrand::Rng,
    ) -> Self {
        let state = State { token: None, renew_at: Instant::now(), failure: None, random };
        TokenSource { settings, transport, state: Mutex::new(state), attempts: AtomicU64::new(0) }
    }

    /// A token that works for some minutes yet, as far as anybody can know.
    pub(crate) async fn token(&self) -> Result<Arc<Token>, Arc<SignInError>> {
        let attempts_before = self.attempts.load(Ordering::SeqCst);
        let mut state = self.state.lock().await;
        let now = Instant::now();
        if let Some(token) = &state.token
            && now < state.renew_at
        {
            return Ok(Arc::clone(token));
        }
        let attempts = self.attempts.load(Ordering::SeqCst);
        if let Some(failure) = &state.failure
            && attempts != attempts_before
        {
            return Err(Arc::clone(failure));
        }
        let signed_in = self.sign_in(now, attempts).await;
        self.attempts.fetch_add(1, Ordering::SeqCst);
        match signed_in {
            Ok(token) => {
                let lifetime = token.expires_at - now;
                let jitter = RENEW_AHEAD.mul_f64(state.random.f64());
                state.renew_at = now + lifetime - (RENEW_AHEAD + jitter).min(lifetime / 2);
                state.failure = None;
                state.token = Some(Arc::clone(&token));
                Ok(token)
            }
            Err(error) => match &state.token {
                Some(token) if now < token.expires_at => {
                    warn!(%error, "cannot renew the access token yet");
                    let token = Arc::clone(token);
                    state.renew_at = now + RENEW_PAUSE;
                    Ok(token)
                }
                _ => {
                    let failure = Arc::new(error);
                    state.token = None;
                    state.failure = Some(Arc::clone(&failure));
                    Err(failure)
                }
            },
        }
    }

    /// Forgets `token` because the API refused it; one that replaced it meanwhile stays.
    pub(crate) async fn invalidate(&self, token: &Token) {
        let mut state = self.state.lock().await;
        if state.token.as_ref().is_some_and(|current| current.serial == token.serial) {
            state.token = None;
        }
    }

    /// Asks for a token. It lives from `now`, before the request, so that it never seems to live too long.
    async fn sign_in(&self, now: Instant, serial: u64) -> Result<Arc<Token>, SignInError> {
        let settings = &*self.settings;
        let uri = settings.token_endpoint.uri(&settings.urls, settings.tenant_id);
        let Form { body, secrets } =
            settings.token_endpoint.form(&settings.urls, settings.client_id, &settings.credential);
        let mut request = Request::new(Bytes::from(body));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        request.extensions_mut().insert(Operation::SignIn);

        let response = send_within(&*self.transport, request, settings.timeouts)
            .await
            .map_err(|source| SignInError::Send { source })?;
        let (head, body) = response.into_parts();
        let status = head.status.as_u16();
        let limit = settings.timeouts.headers;
        let body = timeout(limit, read_body(body, REPLY_BYTES_MAX))
            .await
            .map_err(|_| SignInError::Slow { status, limit })?
            .map_err(|source| SignInError::Body { status, source })?;
        if head.status != StatusCode::OK {
            let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
            let redact = |text: &str| redacted(text, &secrets);
            let refusal = Refusal::parse(head.status, &head.headers, &body, redact);
            return Err(SignInError::Refused { refusal: Box::new(refusal) });
        }
        parse_token(&body)
            .and_then(|(token, lifetime)| bearer(&token, now + lifetime, serial))
            .map(Arc::new)
            .map_err(|reason| SignInError::Malformed { status, reason })
    }
}

fn bearer(token: &SecretString, expires_at: Instant, serial: u64) -> Result<Token, &'static str> {
    let token = token.expose_secret();
    let mut authorization = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| "the access_token cannot stand in a header")?;
    authorization.set_sensitive(true);
    Ok(Token { authorization, claims: Claims::decode(token), expires_at, serial })
}
