//! How an app proves who it is, and the form that says so.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Uri};
use secrecy::{ExposeSecret, SecretString};
use url::form_urlencoded;
use uuid::Uuid;

use super::SignInError;
use super::assertion::AssertionClaims;
use super::certificate::{Certificate, CertificateError, KeyPair, Pair};
use super::federated::read_token;
use super::managed_identity::ManagedIdentity;
use crate::{ApiUrls, TenantId, TenantSettings};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The proof of an app's identity.
#[derive(Clone, Debug)]
pub enum Credential {
    ClientSecret(SecretString),
    /// Clones share what was read, so that one certificate for many tenants is read and told of once.
    Certificate(Arc<Certificate>),
    /// The file with a token of another issuer, which the app trusts.
    FederatedToken(PathBuf),
    /// The identity of the machine that the program runs on; the app's own client id plays no part.
    ManagedIdentity(ManagedIdentity),
}

/// Which form of the token endpoint is used; the same tokens come from both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenEndpoint {
    V1,
    #[default]
    V2,
}

/// A request for a token, and the forms in which a peer could echo its secrets.
pub(super) struct Exchange {
    pub(super) request: Request<Bytes>,
    pub(super) secrets: Vec<String>,
    /// What signed, where a certificate did.
    pub(super) pair: Option<Arc<KeyPair>>,
}

/// What differs from one request to the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Occasion {
    pub(super) now: DateTime<Utc>,
    /// No other request has it.
    pub(super) id: Uuid,
    pub(super) pair: Pair,
}

/// What proves the app's identity, by the field of the form that it stands in.
enum Proof {
    Secret(SecretString),
    Assertion(SecretString),
}

impl Credential {
    /// Makes a request for a token. Made anew for each sign-in, so that an assertion is fresh and a file as it is now.
    pub(super) async fn exchange(
        &self,
        settings: &TenantSettings,
        occasion: Occasion,
    ) -> Result<Exchange, SignInError> {
        let uri = settings.token_endpoint.uri(&settings.urls, settings.tenant_id);
        let proof = match self {
            Credential::ClientSecret(secret) => Proof::Secret(secret.clone()),
            Credential::Certificate(certificate) => {
                let claims = AssertionClaims {
                    audience: &uri.to_string(),
                    client_id: settings.client_id,
                    id: occasion.id,
                    now: occasion.now,
                };
                let signed = sign(certificate, claims, occasion.pair).await;
                let (assertion, pair) =
                    signed.map_err(|source| SignInError::Certificate { source })?;
                let proof = Proof::Assertion(assertion);
                let exchange = settings.token_endpoint.exchange(uri, settings, &proof);
                return Ok(Exchange { pair: Some(pair), ..exchange });
            }
            Credential::FederatedToken(path) => {
                let token = read_token(path).await;
                Proof::Assertion(token.map_err(|source| SignInError::FederatedToken { source })?)
            }
            Credential::ManagedIdentity(identity) => {
                let request = identity.request(&settings.urls.resource);
                return Ok(Exchange { request, secrets: identity.secrets(), pair: None });
            }
        };
        Ok(settings.token_endpoint.exchange(uri, settings, &proof))
    }
}

async fn sign(
    certificate: &Certificate,
    claims: AssertionClaims<'_>,
    pair: Pair,
) -> Result<(SecretString, Arc<KeyPair>), CertificateError> {
    let previous = match pair {
        Pair::Current => None,
        Pair::Previous => certificate.previous(claims.now).await,
    };
    let pair = match previous {
        Some(pair) => pair,
        None => certificate.current(claims.now).await?,
    };
    let files = certificate.files();
    let signed = files.algorithm.sign(&pair, claims);
    let failed = |source| CertificateError::Sign { path: files.path.clone(), source };
    Ok((signed.map_err(failed)?, pair))
}

impl TokenEndpoint {
    fn uri(self, urls: &ApiUrls, tenant: TenantId) -> Uri {
        let path = match self {
            TokenEndpoint::V1 => "oauth2/token",
            TokenEndpoint::V2 => "oauth2/v2.0/token",
        };
        let uri = format!("{}/{tenant}/{path}", urls.login);
        uri.parse().expect("an origin, a GUID and a fixed path make a valid URI")
    }

    /// The form that has `proof` as its last field.
    fn exchange(self, uri: Uri, settings: &TenantSettings, proof: &Proof) -> Exchange {
        let resource = &settings.urls.resource;
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        form.append_pair("client_id", &settings.client_id.to_string());
        match self {
            TokenEndpoint::V1 => form.append_pair("resource", &resource.to_string()),
            TokenEndpoint::V2 => form.append_pair("scope", &format!("{resource}/.default")),
        };
        let proof = match proof {
            Proof::Secret(secret) => {
                form.append_pair("client_secret", secret.expose_secret());
                secret.expose_secret()
            }
            Proof::Assertion(assertion) => {
                form.append_pair("client_assertion_type", ASSERTION_TYPE);
                form.append_pair("client_assertion", assertion.expose_secret());
                assertion.expose_secret()
            }
        };
        let encoded = form_urlencoded::byte_serialize(proof.as_bytes()).collect();
        let mut request = Request::new(Bytes::from(form.finish()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        Exchange { request, secrets: vec![proof.to_owned(), encoded], pair: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cloud;

    #[tokio::test]
    async fn both_endpoints_get_their_own_form() {
        let tenant = TenantId(Uuid::from_u128(7));
        let credential = Credential::ClientSecret("a~b+c&d=e %é".into());
        let mut settings = TenantSettings::new(tenant, Uuid::from_u128(9), credential);
        settings.urls = Cloud::Gcc.urls();
        let occasion = Occasion { now: DateTime::UNIX_EPOCH, id: Uuid::nil(), pair: Pair::Current };
        let proof = "client_secret=a%7Eb%2Bc%26d%3De+%25%C3%A9";
        let client = "client_id=00000000-0000-0000-0000-000000000009";
        for (endpoint, path, target) in [
            (TokenEndpoint::V1, "oauth2/token", "resource=https%3A%2F%2Fmanage-gcc.office.com"),
            (
                TokenEndpoint::V2,
                "oauth2/v2.0/token",
                "scope=https%3A%2F%2Fmanage-gcc.office.com%2F.default",
            ),
        ] {
            settings.token_endpoint = endpoint;
            let exchange = settings.credential.exchange(&settings, occasion).await.unwrap();
            assert_eq!(
                exchange.request.uri().to_string(),
                format!("https://login.microsoftonline.com/{tenant}/{path}")
            );
            assert_eq!(
                exchange.request.into_body(),
                format!("grant_type=client_credentials&{client}&{target}&{proof}")
            );
        }
    }
}
