//! Client assertions, judged as strictly as Entra does: which certificate, which signature, for whom, by whom, when, once.
//!
//! The signature is checked with other code than that which a client signs with, so that a mistake of one side shows.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm};
use serde::Deserialize;
use webpki::EndEntityCert;
use webpki::ring::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256_LEGACY_KEY};

use crate::tenant::TenantSpec;
use crate::token::Refusal;

pub(crate) const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How far a client's clock may differ, in seconds.
const SKEW: i64 = 300;

/// How long an assertion may live at most, in seconds.
const LIFE_MAX: i64 = 24 * 3600;

/// The ids of assertions that were used, with their ends. An id is good for one sign-in.
#[derive(Debug, Default)]
pub(crate) struct UsedIds(BTreeMap<String, i64>);

/// What an assertion is judged by.
pub(crate) struct Judge<'a> {
    /// The URL that the form was sent to.
    pub(crate) audience: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) now: DateTime<Utc>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    x5t: Option<String>,
    #[serde(rename = "x5t#S256")]
    x5t_s256: Option<String>,
}

#[derive(Deserialize)]
struct Claims {
    aud: String,
    iss: String,
    sub: String,
    jti: String,
    nbf: i64,
    exp: i64,
}

fn refused(number: u32, text: &str) -> Refusal {
    Refusal::new(401, "invalid_client", number, text)
}

fn malformed() -> Refusal {
    Refusal::new(400, "invalid_request", 50_027, "JWT token is invalid or malformed.")
}

impl Judge<'_> {
    /// Accepts an assertion once, or says why not.
    pub(crate) fn check(
        &self,
        assertion: &str,
        tenant: &TenantSpec,
        used: &mut UsedIds,
    ) -> Result<(), Refusal> {
        if tenant.federated_tokens.iter().any(|token| token == assertion) {
            return Ok(());
        }
        let (signed, signature) = assertion.rsplit_once('.').ok_or_else(malformed)?;
        let (header, payload) = signed.split_once('.').ok_or_else(malformed)?;
        let header: Header = decode(header)?;
        if header.x5t.is_none() && header.x5t_s256.is_none() && tenant.certificates.is_empty() {
            return Err(refused(
                70_021,
                "No matching federated identity record found for presented assertion.",
            ));
        }
        let claims: Claims = decode(payload)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed())?;
        header.verify(tenant, signed.as_bytes(), &signature)?;
        self.check_claims(&claims)?;
        used.take(&claims, self.now.timestamp())
    }

    fn check_claims(&self, claims: &Claims) -> Result<(), Refusal> {
        if claims.aud != self.audience {
            let text = "Client assertion audience claim does not match Realm issuer.";
            return Err(refused(700_023, text));
        }
        if !claims.iss.eq_ignore_ascii_case(self.client_id) {
            let text =
                "Client assertion application identifier doesn't match 'client_id' parameter.";
            return Err(refused(700_021, text));
        }
        if claims.sub != claims.iss {
            let text = "Subject mismatches Issuer claim in the client assertion.";
            return Err(refused(50_048, text));
        }
        let now = self.now.timestamp();
        let is_in_time = claims.nbf - SKEW <= now && now <= claims.exp + SKEW;
        if !is_in_time || claims.exp - claims.nbf > LIFE_MAX || claims.exp <= claims.nbf {
            let text = format!(
                "Client assertion is not within its valid time range. Current time: {now}, assertion valid from {} \
                 to {}.",
                claims.nbf, claims.exp
            );
            return Err(refused(700_024, &text));
        }
        Ok(())
    }
}

impl Header {
    fn verify(&self, tenant: &TenantSpec, signed: &[u8], signature: &[u8]) -> Result<(), Refusal> {
        let algorithm: &dyn SignatureVerificationAlgorithm = match self.alg.as_str() {
            "PS256" => RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
            "RS256" => RSA_PKCS1_2048_8192_SHA256,
            other => {
                let text =
                    format!("Invalid JWT token. '{other}' is not a supported signature algorithm.");
                return Err(refused(5_002_738, &text));
            }
        };
        let kind = match (&self.x5t_s256, &self.x5t) {
            (Some(thumbprint), _) => (&SHA256, thumbprint),
            (None, Some(thumbprint)) => (&SHA1_FOR_LEGACY_USE_ONLY, thumbprint),
            (None, None) => {
                let text = "Invalid JWT token. No certificate thumbprint or keyId was specified in token header.";
                return Err(refused(5_002_723, text));
            }
        };
        let is_named = |der: &&Vec<u8>| URL_SAFE_NO_PAD.encode(digest(kind.0, der)) == *kind.1;
        let Some(der) = tenant.certificates.iter().find(is_named) else {
            let text = format!(
                "The certificate with identifier used to sign the client assertion is not registered on application. \
                 [Reason - The key was not found., Thumbprint of key used by client: '{}']",
                kind.1
            );
            return Err(refused(700_027, &text));
        };
        let der = CertificateDer::from(der.as_slice());
        let verified = EndEntityCert::try_from(&der)
            .and_then(|certificate| certificate.verify_signature(algorithm, signed, signature));
        verified.map_err(|_| {
            let text = "Client assertion contains an invalid signature. [Reason - The key was found, but use of the \
                        key to verify the signature failed.]";
            refused(700_027, text)
        })
    }
}

impl UsedIds {
    fn take(&mut self, claims: &Claims, now: i64) -> Result<(), Refusal> {
        self.0.retain(|_, end| *end + SKEW >= now);
        if self.0.insert(claims.jti.clone(), claims.exp).is_some() {
            return Err(refused(50_013, "Assertion is not valid: it was used before."));
        }
        Ok(())
    }
}

fn decode<T: for<'de> Deserialize<'de>>(part: &str) -> Result<T, Refusal> {
    let part = URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed())?;
    serde_json::from_slice(&part).map_err(|_| malformed())
}
