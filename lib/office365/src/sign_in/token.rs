//! One tenant's access token: fetched once for all who wait, renewed before its end, dropped when it is refused.
//!
//! A renewal that fails while the old token still works is not an error: the old one serves on. Those who waited for a
//! sign-in that failed share its error, so that a wrong secret is tried once and not once a worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use http::header::HeaderValue;
use http::{HeaderMap, StatusCode};
use net::{Transport, read_body, send_within};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use tracing::warn;
use uuid::Builder;

use super::certificate::Pair;
use super::credential::{Credential, Exchange, Occasion};
use super::reply::{Refusal, parse_token};
use super::{Claims, SignInError};
use crate::excerpt::redacted;
use crate::listing::server_date;
use crate::{Operation, TenantSettings};

/// Bytes of a reply; real ones have 2 to 4 KB.
const REPLY_BYTES_MAX: usize = 256 * 1024;

/// A token is renewed this long before its end, plus up to as much again, so that tenants do not do it all at once.
const RENEW_AHEAD: Duration = Duration::from_mins(5);

/// The least wait for a renewal, and the one after a renewal that failed while the old token still works.
const RENEW_PAUSE: Duration = Duration::from_mins(1);

/// Entra bears five minutes of difference between the clocks.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::minutes(1);

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
    /// How far the local clock is ahead of the sign-in's, if that is much.
    clock_ahead: TimeDelta,
}

impl TokenSource {
    pub(crate) fn new(
        settings: Arc<TenantSettings>,
        transport: Arc<dyn Transport>,
        random: fastrand::Rng,
    ) -> Self {
        let state = State {
            token: None,
            renew_at: Instant::now(),
            failure: None,
            random,
            clock_ahead: TimeDelta::zero(),
        };
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
        let signed_in = self.sign_in(&mut state, attempts).await;
        self.attempts.fetch_add(1, Ordering::SeqCst);
        match signed_in {
            Ok(token) => {
                let lifetime = token.expires_at.saturating_duration_since(now);
                let jitter = RENEW_AHEAD.mul_f64(state.random.f64());
                let renew_in = lifetime.saturating_sub(RENEW_AHEAD + jitter).max(lifetime / 2);
                // A token that is said to have ended must not be asked for at each call.
                state.renew_at = now + renew_in.max(RENEW_PAUSE);
                state.failure = None;
                state.token = Some(Arc::clone(&token));
                Ok(token)
            }
            Err(error) => match &state.token {
                Some(token) if now < token.expires_at => {
                    let error = &error as &(dyn std::error::Error + 'static);
                    warn!(error, "cannot renew the access token yet");
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

    /// Asks for a token. Tried a second time at once where something else than the credential was to blame: a clock that
    /// the refusal itself shows to be wrong, or a certificate that was replaced here before it was registered there.
    async fn sign_in(&self, state: &mut State, serial: u64) -> Result<Arc<Token>, SignInError> {
        let ahead = state.clock_ahead;
        let refusal = match self.attempt(state, Pair::Current, serial).await {
            Err(SignInError::Refused { refusal }) => refusal,
            outcome => return outcome,
        };
        if refusal.is_unknown_certificate() && self.has_previous_pair().await {
            warn!("the new certificate is not registered yet; signing in with the one before");
            return match self.attempt(state, Pair::Previous, serial).await {
                // It is the new one that has to be registered.
                Err(SignInError::Refused { .. }) => Err(SignInError::Refused { refusal }),
                outcome => outcome,
            };
        }
        if refusal.is_outside_time() && state.clock_ahead != ahead {
            return self.attempt(state, Pair::Current, serial).await;
        }
        Err(SignInError::Refused { refusal })
    }

    async fn has_previous_pair(&self) -> bool {
        match &self.settings.credential {
            Credential::Certificate(certificate) => {
                certificate.previous(self.settings.clock.now()).await.is_some()
            }
            Credential::ClientSecret(_)
            | Credential::FederatedToken(_)
            | Credential::ManagedIdentity(_) => false,
        }
    }

    /// Asks for a token once. It lives from before the request, so that it never seems to live too long.
    async fn attempt(
        &self,
        state: &mut State,
        pair: Pair,
        serial: u64,
    ) -> Result<Arc<Token>, SignInError> {
        let settings = &*self.settings;
        let now = Instant::now();
        let occasion = Occasion {
            now: settings.clock.now() - state.clock_ahead,
            id: Builder::from_random_bytes(state.random.u128(..).to_be_bytes()).into_uuid(),
            pair,
        };
        let Exchange { mut request, secrets, pair } =
            settings.credential.exchange(settings, occasion).await?;
        request.extensions_mut().insert(Operation::SignIn);
        let is_identity = matches!(settings.credential, Credential::ManagedIdentity(_));

        let response = send_within(&*self.transport, request, settings.timeouts).await;
        let response = response.map_err(|source| {
            if is_identity {
                SignInError::NoManagedIdentity { source }
            } else {
                SignInError::Send { source }
            }
        })?;
        let (head, body) = response.into_parts();
        state.note_date(&head.headers, settings.clock.now());
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
            let refusal = Box::new(refusal);
            return Err(if is_identity {
                SignInError::IdentityRefused { refusal }
            } else {
                SignInError::Refused { refusal }
            });
        }
        let token = parse_token(&body, settings.clock.now() - state.clock_ahead)
            .and_then(|(token, lifetime)| bearer(&token, now + lifetime, serial))
            .map_err(|reason| SignInError::Malformed { status, reason })?;
        if let (Credential::Certificate(certificate), Some(pair)) = (&settings.credential, pair) {
            certificate.note_accepted(pair).await;
        }
        Ok(Arc::new(token))
    }
}

impl State {
    /// Learns from an answer how wrong the local clock is. Little does no harm, and the answer took its time.
    fn note_date(&mut self, headers: &HeaderMap, now: DateTime<Utc>) {
        if let Some(date) = server_date(headers) {
            let ahead = now - date;
            self.clock_ahead =
                if ahead.abs() > CLOCK_TOLERANCE { ahead } else { TimeDelta::zero() };
        }
    }
}

fn bearer(token: &SecretString, expires_at: Instant, serial: u64) -> Result<Token, &'static str> {
    let token = token.expose_secret();
    let mut authorization = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| "the access_token cannot stand in a header")?;
    authorization.set_sensitive(true);
    Ok(Token { authorization, claims: Claims::decode(token), expires_at, serial })
}
