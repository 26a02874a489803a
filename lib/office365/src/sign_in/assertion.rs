//! A client assertion: a token that the app signs itself, to prove who it is.
//!
//! One is made for each sign-in, with an id and times of its own, for exactly the URL that it is sent to.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::rsa::Padding;
use openssl::sign::{RsaPssSaltlen, Signer};
use secrecy::SecretString;
use serde_json::{Value, json};
use uuid::Uuid;

use super::certificate::KeyPair;

/// How long an assertion is valid, which is what Microsoft recommends at most.
const LIFE: TimeDelta = TimeDelta::minutes(10);

/// How an assertion is signed, and by which thumbprint it names the certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SigningAlgorithm {
    /// RSA-PSS with SHA-256, `x5t#S256`: what Microsoft recommends.
    #[default]
    Ps256,
    /// RSA with PKCS #1 padding and SHA-256, `x5t`: what older clouds know.
    Rs256,
}

/// What an assertion says.
#[derive(Clone, Copy, Debug)]
pub(super) struct AssertionClaims<'a> {
    /// The URL that it is sent to.
    pub(super) audience: &'a str,
    pub(super) client_id: Uuid,
    pub(super) id: Uuid,
    pub(super) now: DateTime<Utc>,
}

impl SigningAlgorithm {
    pub(super) fn sign(
        self,
        pair: &KeyPair,
        claims: AssertionClaims<'_>,
    ) -> Result<SecretString, ErrorStack> {
        let AssertionClaims { audience, client_id, id, now } = claims;
        let header = match self {
            SigningAlgorithm::Ps256 => {
                json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": URL_SAFE_NO_PAD.encode(&pair.sha256) })
            }
            SigningAlgorithm::Rs256 => {
                json!({ "alg": "RS256", "typ": "JWT", "x5t": URL_SAFE_NO_PAD.encode(&pair.sha1) })
            }
        };
        let payload = json!({
            "aud": audience,
            "iss": client_id,
            "sub": client_id,
            "jti": id,
            "iat": now.timestamp(),
            "nbf": now.timestamp(),
            "exp": (now + LIFE).timestamp(),
        });
        let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", part(&header), part(&payload));
        let mut signer = Signer::new(MessageDigest::sha256(), &pair.key)?;
        if self == SigningAlgorithm::Ps256 {
            signer.set_rsa_padding(Padding::PKCS1_PSS)?;
            signer.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)?;
        }
        let signature = signer.sign_oneshot_to_vec(signed.as_bytes())?;
        Ok(SecretString::from(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))))
    }
}
