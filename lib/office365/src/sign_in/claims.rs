//! What a token says about itself, read without checking its signature.
//!
//! For hints only: "the app has no such permission" before the API says so. The API is the judge, and a token that
//! cannot be read here is used all the same.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::ContentType;

/// The claims that explain refusals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// The API root that the token is for.
    pub audience: Option<String>,
    pub tenant: Option<String>,
    /// The application permissions; Entra issues tokens without any as well.
    pub roles: Vec<String>,
    pub expires: Option<DateTime<Utc>>,
}

impl Claims {
    /// Reads the payload of a JSON web token; `None` for any other token.
    pub(crate) fn decode(token: &str) -> Option<Claims> {
        let mut parts = token.split('.');
        let (_header, payload, _signature) = (parts.next()?, parts.next()?, parts.next()?);
        let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
        let payload: Value = serde_json::from_slice(&payload).ok()?;
        let text = |name| payload.get(name).and_then(Value::as_str).map(str::to_owned);
        let roles =
            payload.get("roles").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        Some(Claims {
            audience: text("aud"),
            tenant: text("tid"),
            roles: roles.iter().filter_map(|role| role.as_str().map(str::to_owned)).collect(),
            expires: payload
                .get("exp")
                .and_then(Value::as_i64)
                .and_then(|seconds| DateTime::from_timestamp(seconds, 0)),
        })
    }

    /// Whether the token carries the permission for `content_type`.
    pub fn permits(&self, content_type: ContentType) -> bool {
        self.roles.iter().any(|role| role == content_type.role())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(payload: &str) -> Option<Claims> {
        Claims::decode(&format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload)))
    }

    #[test]
    fn reads_what_explains_refusals() {
        let claims = decode(
            r#"{"aud":"https://manage.office.com","tid":"t","roles":["ActivityFeed.Read",7],"exp":1435608199}"#,
        )
        .unwrap();
        assert_eq!(claims.audience.as_deref(), Some("https://manage.office.com"));
        assert!(claims.permits(ContentType::General) && !claims.permits(ContentType::Dlp));
        assert_eq!(claims.expires.unwrap().timestamp(), 1_435_608_199);
    }

    #[test]
    fn anything_else_has_no_claims() {
        assert_eq!(decode("{}"), Some(Claims::default()));
        for token in ["", "opaque", "a.b", "a.!.c", "e30.bm90IGpzb24.c"] {
            assert_eq!(Claims::decode(token), None, "{token}");
        }
    }
}
