//! The sign-in service: `POST /{tenant}/oauth2/token` (v1) and `/{tenant}/oauth2/v2.0/token`, client credentials only.
//! Tokens look like the real ones but are signed by a checksum: this is no place for secrets.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, Method, Request};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::assertion::{ASSERTION_TYPE, Judge, UsedIds};
use crate::guid::{Guid, mix};
use crate::reply::{Refused, Reply};
use crate::tenant::{Role, TenantSpec};

const FORM: &str = "application/x-www-form-urlencoded";

/// Which of the two token endpoints was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    V2,
}

/// What the service says besides the token.
pub(crate) struct Issuer<'a> {
    /// The resource that tokens are for, without a slash at the end.
    pub(crate) resource: &'a str,
    pub(crate) now: DateTime<Utc>,
    pub(crate) life: TimeDelta,
    /// Makes the ids in tokens and errors differ.
    pub(crate) serial: u64,
}

/// Why no token is given.
pub(crate) struct Refusal {
    status: u16,
    error: &'static str,
    number: u32,
    text: String,
}

impl Refusal {
    pub(crate) fn new(
        status: u16,
        error: &'static str,
        number: u32,
        text: impl Into<String>,
    ) -> Self {
        Refusal { status, error, number, text: text.into() }
    }

    fn missing(field: &str) -> Self {
        let text = format!("The request body must contain the following parameter: '{field}'.");
        Refusal::new(400, "invalid_request", 900_144, text)
    }

    fn reply(&self, issuer: &Issuer<'_>) -> Reply {
        let trace = Guid::new(mix(issuer.serial, 1), mix(issuer.serial, 2));
        let correlation = Guid::new(mix(issuer.serial, 3), mix(issuer.serial, 4));
        let (trace, correlation) = (trace.as_str(), correlation.as_str());
        let time = issuer.now.format("%Y-%m-%d %H:%M:%SZ");
        let Refusal { status, error, number, text } = self;
        let description = format!(
            "AADSTS{number}: {text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {time}"
        );
        let body = json!({
            "error": error, "error_description": description, "error_codes": [number],
            "timestamp": time.to_string(), "trace_id": trace, "correlation_id": correlation,
            "error_uri": format!("{}/error?code={number}", issuer.resource),
        });
        Reply::json(*status, &body)
    }
}

/// Answers a call of the token endpoint for a tenant, which may be unknown.
pub(crate) fn answer(
    request: &Request<bytes::Bytes>,
    version: Version,
    (name, tenant): (&str, Option<&TenantSpec>),
    (issuer, used): (&Issuer<'_>, &mut UsedIds),
) -> Result<Reply, Refused> {
    let token = issue(request, version, (name, tenant), (issuer, used));
    token.map(|body| Reply::json(200, &body)).map_err(|refusal| refusal.reply(issuer).into())
}

fn issue(
    request: &Request<bytes::Bytes>,
    version: Version,
    (name, tenant): (&str, Option<&TenantSpec>),
    (issuer, used): (&Issuer<'_>, &mut UsedIds),
) -> Result<Value, Refusal> {
    if request.method() != Method::POST {
        let text = "The endpoint only accepts POST requests.";
        return Err(Refusal::new(400, "invalid_request", 900_561, text));
    }
    let Some(tenant) = tenant else {
        let text = format!(
            "Tenant '{name}' not found. Check to make sure you have the correct tenant ID."
        );
        return Err(Refusal::new(400, "invalid_request", 90_002, text));
    };
    let form = Form::read(request);
    if form.required("grant_type")? != "client_credentials" {
        let text = "The app requested an unsupported grant type.";
        return Err(Refusal::new(400, "unsupported_grant_type", 70_003, text));
    }
    let client_id = form.required("client_id")?;
    if !client_id.eq_ignore_ascii_case(&tenant.client_id) {
        let text = format!(
            "Application with identifier '{client_id}' was not found in the directory '{name}'."
        );
        return Err(Refusal::new(400, "unauthorized_client", 700_016, text));
    }
    match form.field("client_assertion") {
        Some(assertion) => {
            if form.required("client_assertion_type")? != ASSERTION_TYPE {
                let text = "The client assertion type is not supported.";
                return Err(Refusal::new(400, "invalid_request", 90_023, text));
            }
            // As the client sees the service: its address, with the path as it was sent.
            let audience = format!("{}{}", login_origin(request), request.uri().path());
            let judge = Judge { audience: &audience, client_id, now: issuer.now };
            judge.check(assertion, tenant, used)?;
        }
        None => check_secret(&form, tenant)?,
    }
    check_resource(&form, version, issuer.resource)?;
    Ok(token_body(tenant, version, issuer))
}

/// Scheme and host that a request was sent to. Over a socket, the host is in its header.
fn login_origin(request: &Request<bytes::Bytes>) -> String {
    let uri = request.uri();
    let host = request.headers().get(HOST).and_then(|value| value.to_str().ok());
    match (uri.scheme_str(), uri.authority(), host) {
        (Some(scheme), Some(authority), _) => format!("{scheme}://{authority}"),
        (_, _, Some(host)) => format!("http://{host}"),
        (_, _, None) => String::new(),
    }
}

/// The application proves who it is by a secret.
fn check_secret(form: &Form, tenant: &TenantSpec) -> Result<(), Refusal> {
    match form.field("client_secret") {
        None => {
            let text = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.";
            Err(Refusal::new(401, "invalid_client", 7_000_218, text))
        }
        Some(secret) if secret == tenant.client_secret => Ok(()),
        Some(_) => {
            let text = "Invalid client secret provided. Ensure the secret being sent in the request is the client \
                        secret value, not the client secret ID.";
            Err(Refusal::new(401, "invalid_client", 7_000_215, text))
        }
    }
}

fn check_resource(form: &Form, version: Version, resource: &str) -> Result<(), Refusal> {
    let asked = match version {
        Version::V1 => form.required("resource")?,
        Version::V2 if form.field("resource").is_some() => {
            let text = "The 'resource' request parameter is not supported.";
            return Err(Refusal::new(400, "invalid_request", 901_002, text));
        }
        Version::V2 => {
            let scope = form.required("scope")?;
            scope.strip_suffix("/.default").ok_or_else(|| {
                let text = format!(
                    "The provided value for the input parameter 'scope' is not valid: {scope}."
                );
                Refusal::new(400, "invalid_scope", 70_011, text)
            })?
        }
    };
    if asked.trim_end_matches('/') == resource {
        return Ok(());
    }
    let text = format!("The resource principal named {asked} was not found in the tenant.");
    Err(Refusal::new(400, "invalid_resource", 500_011, text))
}

fn token_body(tenant: &TenantSpec, version: Version, issuer: &Issuer<'_>) -> Value {
    let token = sign(tenant, issuer);
    let life = issuer.life.num_seconds();
    match version {
        Version::V1 => json!({
            "token_type": "Bearer", "expires_in": life.to_string(), "ext_expires_in": life.to_string(),
            "expires_on": (issuer.now + issuer.life).timestamp().to_string(),
            "not_before": issuer.now.timestamp().to_string(),
            "resource": issuer.resource, "access_token": token,
        }),
        Version::V2 => json!({
            "token_type": "Bearer", "expires_in": life, "ext_expires_in": life, "access_token": token,
        }),
    }
}

/// The claims that matter in an access token.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Claims {
    aud: String,
    iss: String,
    iat: i64,
    nbf: i64,
    exp: i64,
    appid: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    roles: Vec<String>,
    pub(crate) tid: String,
    uti: String,
    ver: String,
}

impl Claims {
    pub(crate) fn has(&self, role: Role) -> bool {
        self.roles.iter().any(|held| held == role.name())
    }
}

pub(crate) fn sign(tenant: &TenantSpec, issuer: &Issuer<'_>) -> String {
    let now = issuer.now.timestamp();
    let claims = Claims {
        aud: issuer.resource.to_owned(),
        iss: format!("{}/{}/", issuer.resource, tenant.tenant_id),
        iat: now,
        nbf: now,
        exp: (issuer.now + issuer.life).timestamp(),
        appid: tenant.client_id.clone(),
        roles: tenant.roles.iter().map(|role| role.name().to_owned()).collect(),
        tid: tenant.tenant_id.clone(),
        uti: Guid::new(mix(issuer.serial, 5), mix(issuer.serial, 6)).as_str().to_owned(),
        ver: "1.0".to_owned(),
    };
    let header =
        json!({ "typ": "JWT", "alg": "RS256", "kid": "fake-tenant", "x5t": "fake-tenant" });
    let payload = serde_json::to_vec(&claims).expect("claims are plain JSON");
    let head = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(payload)
    );
    format!("{head}.{}", checksum(&head))
}

/// Stands for the signature: as long as one of RSA-2048, and wrong when a byte of the token was changed.
fn checksum(head: &str) -> String {
    let sum = head.bytes().fold(0, |sum, byte| mix(sum, u64::from(byte)));
    let bytes: Vec<u8> = (0..32).flat_map(|at| mix(sum, at).to_be_bytes()).collect();
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The claims of the bearer token, if it is one of ours for this resource and within its time.
pub(crate) fn check(headers: &HeaderMap, resource: &str, now: DateTime<Utc>) -> Option<Claims> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let (head, signature) = token.rsplit_once('.')?;
    let (_, payload) = head.split_once('.')?;
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    let claims: Claims = serde_json::from_slice(&payload).ok()?;
    let good = scheme.eq_ignore_ascii_case("bearer")
        && signature == checksum(head)
        && claims.aud == resource
        && (claims.nbf..claims.exp).contains(&now.timestamp());
    good.then_some(claims)
}

/// A form body; empty unless it is declared as one.
struct Form(Vec<(String, String)>);

impl Form {
    fn read(request: &Request<bytes::Bytes>) -> Self {
        let declared = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let is_form = declared.is_some_and(|value| value.to_ascii_lowercase().starts_with(FORM));
        let pairs = url::form_urlencoded::parse(if is_form { request.body() } else { b"" });
        Form(pairs.into_owned().collect())
    }

    fn field(&self, name: &str) -> Option<&str> {
        let field = self.0.iter().find(|(key, value)| key == name && !value.is_empty())?;
        Some(&field.1)
    }

    fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.field(name).ok_or_else(|| Refusal::missing(name))
    }
}
