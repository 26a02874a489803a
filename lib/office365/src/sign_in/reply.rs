//! What the token endpoint answers.
//!
//! A reply may hold a token, so nothing of it is ever quoted, but for the fields of a refusal that are meant for people.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use http::{HeaderMap, StatusCode};
use secrecy::SecretString;
use serde_json::Value;

use crate::aadsts::aadsts;
use crate::answer::retry_after;
use crate::excerpt::excerpt;
use crate::{ErrorClass, Hint};

/// No real token lives longer, and a wild number must not overflow a clock.
const LIFETIME_MAX: Duration = Duration::from_hours(48);

/// Entra's word on why it gives no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    /// The OAuth error, as `invalid_client`.
    pub error: Option<String>,
    /// The AADSTS numbers.
    pub codes: Vec<u32>,
    pub description: String,
    /// For Microsoft's support.
    pub trace_id: Option<String>,
    /// For Microsoft's support.
    pub correlation_id: Option<String>,
    pub retry_after: Option<Duration>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.status)?;
        if let Some(error) = &self.error {
            write!(formatter, " {error}")?;
        }
        if !self.description.is_empty() {
            write!(formatter, ": {}", self.description)?;
        }
        if let Some(id) = &self.trace_id {
            write!(formatter, " (trace id {id})")?;
        }
        Ok(())
    }
}

impl Refusal {
    /// Reads a refusal. `redact` removes secrets that the peer may have echoed.
    pub(super) fn parse(
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
        redact: impl Fn(&str) -> String,
    ) -> Refusal {
        let json: Value = serde_json::from_slice(body).unwrap_or_default();
        let show = |text: &str| excerpt(redact(text).as_bytes());
        let text = |name| json.get(name).and_then(Value::as_str);
        let whole = String::from_utf8_lossy(body);
        let description =
            text("error_description").unwrap_or(if json.is_object() { "" } else { &whole });
        let numbers = json
            .get("error_codes")
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let mut codes: Vec<u32> =
            numbers.iter().filter_map(|number| u32::try_from(number.as_u64()?).ok()).collect();
        if codes.is_empty() {
            codes.extend(number_in(description));
        }
        // The trace ids and the time follow on their own lines; they have fields.
        let sentence = description.split("Trace ID").next().unwrap_or_default();
        Refusal {
            status: status.as_u16(),
            error: text("error").map(show),
            codes,
            description: show(sentence),
            trace_id: text("trace_id").map(show),
            correlation_id: text("correlation_id").map(show),
            retry_after: retry_after(headers),
        }
    }

    /// Microsoft asks to branch on the error, not on the number; the numbers of passing trouble are the exception.
    pub(super) fn class(&self) -> ErrorClass {
        let is_transient = matches!(self.status, 408 | 429 | 500..=599)
            || matches!(self.error.as_deref(), Some("temporarily_unavailable" | "server_error"))
            || self.codes.iter().any(|code| aadsts(*code).is_some_and(|row| row.is_transient));
        if is_transient {
            ErrorClass::Retry { after: self.retry_after }
        } else {
            ErrorClass::Misconfigured
        }
    }

    /// As [`Refusal::class`], of the endpoint of a managed identity: while it starts, it may not be found.
    pub(super) fn identity_class(&self) -> ErrorClass {
        match self.status {
            404 | 410 => ErrorClass::Retry { after: self.retry_after },
            _ => self.class(),
        }
    }

    /// Whether the sign-in does not know the certificate that signed.
    pub(super) fn is_unknown_certificate(&self) -> bool {
        self.codes.iter().any(|code| matches!(code, 700_027 | 50_012))
    }

    /// Whether the times of the assertion are refused.
    pub(super) fn is_outside_time(&self) -> bool {
        self.codes.iter().any(|code| matches!(code, 700_024 | 50_013 | 500_133))
    }

    pub(super) fn hint(&self) -> Option<Hint> {
        self.codes.iter().find_map(|code| aadsts(*code)).map(|row| row.hint)
    }
}

/// The number after `AADSTS`.
fn number_in(description: &str) -> Option<u32> {
    let (_, after) = description.split_once("AADSTS")?;
    let length = after.find(|char: char| !char.is_ascii_digit()).unwrap_or(after.len());
    after[..length].parse().ok()
}

/// Reads a token and how long it lives from `now` on. The error says what is missing, and quotes nothing.
pub(super) fn parse_token(
    body: &[u8],
    now: DateTime<Utc>,
) -> Result<(SecretString, Duration), &'static str> {
    let json: Value = serde_json::from_slice(body).map_err(|_| "the body is not JSON")?;
    let token = json.get("access_token").and_then(Value::as_str).unwrap_or_default();
    if token.is_empty() {
        return Err("the body has no access_token");
    }
    // A number in the v2 form, a string in the v1 form.
    let seconds = |name| match json.get(name) {
        Some(Value::Number(seconds)) => seconds.as_u64(),
        Some(Value::String(seconds)) => seconds.trim().parse().ok(),
        _ => None,
    };
    // An app service tells the time of the end alone. A machine's service hands out tokens that it has kept for a while,
    // with the life that they had when they were new. An end that has passed says more of the clock than of the token.
    let left = |end: u64| end.saturating_sub(now.timestamp().unsigned_abs());
    let (life, left) = (seconds("expires_in"), seconds("expires_on").map(left));
    let lifetime = match (life, left) {
        (Some(life), Some(left @ 1..)) => life.min(left),
        (Some(life), _) => life,
        (None, left) => left.ok_or("the body has no expires_in")?,
    };
    let lifetime = Duration::from_secs(lifetime);
    Ok((SecretString::from(token), lifetime.min(LIFETIME_MAX)))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn refusal(status: u16, body: &str) -> Refusal {
        let status = StatusCode::from_u16(status).unwrap();
        Refusal::parse(status, &HeaderMap::new(), body.as_bytes(), str::to_owned)
    }

    #[test]
    fn reads_numbers_and_strings() {
        for body in [
            r#"{"token_type":"Bearer","expires_in":3599,"access_token":"abc"}"#,
            r#"{"token_type":"Bearer","expires_in":"3599","expires_on":"1","access_token":"abc"}"#,
            r#"{"expires_in":"3599","expires_on":"4600","access_token":"abc"}"#,
        ] {
            let now = DateTime::from_timestamp(1000, 0).unwrap();
            let (token, lifetime) = parse_token(body.as_bytes(), now).unwrap();
            assert_eq!((token.expose_secret(), lifetime.as_secs()), ("abc", 3599));
        }
        // An app service says when the token ends, and not in how long.
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let body = br#"{"access_token":"abc","expires_on":"1800003000"}"#;
        assert_eq!(parse_token(body, now).unwrap().1.as_secs(), 3000);
        // A machine's service hands out what it has kept for a while, with the life that it had when it was new.
        let body = br#"{"access_token":"abc","expires_in":"86399","expires_on":"1800003000"}"#;
        assert_eq!(parse_token(body, now).unwrap().1.as_secs(), 3000);
        for body in [
            "",
            "<html>",
            "{}",
            r#"{"access_token":5}"#,
            r#"{"access_token":"abc","expires_in":-1}"#,
        ] {
            assert!(parse_token(body.as_bytes(), DateTime::UNIX_EPOCH).is_err(), "{body}");
        }
        let wild = format!(r#"{{"access_token":"abc","expires_in":{}}}"#, u64::MAX);
        assert_eq!(parse_token(wild.as_bytes(), DateTime::UNIX_EPOCH).unwrap().1, LIFETIME_MAX);
    }

    #[test]
    fn says_what_entra_said() {
        let refusal = refusal(
            401,
            r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided. Trace ID: t1\r\nTimestamp: 2026","error_codes":[7000215],"trace_id":"t1","correlation_id":"c1"}"#,
        );
        let expected =
            "401 invalid_client: AADSTS7000215: Invalid client secret provided. (trace id t1)";
        assert_eq!(refusal.to_string(), expected);
        assert_eq!(refusal.class(), ErrorClass::Misconfigured);
        assert!(refusal.hint().unwrap().fix.contains("copy the Value"));
    }

    #[test]
    fn tells_passing_trouble_from_wrong_settings() {
        const RETRY: ErrorClass = ErrorClass::Retry { after: None };
        for (status, body, class) in [
            (400, r#"{"error":"temporarily_unavailable"}"#, RETRY),
            (400, r#"{"error":"invalid_request","error_description":"AADSTS90033: busy"}"#, RETRY),
            (400, r#"{"error":"invalid_request","error_codes":[90055]}"#, RETRY),
            (429, "", RETRY),
            (503, "<html>", RETRY),
            (
                400,
                r#"{"error":"unauthorized_client","error_codes":[700016]}"#,
                ErrorClass::Misconfigured,
            ),
            (400, r#"{"error":"something_new","error_codes":[1]}"#, ErrorClass::Misconfigured),
            (403, "<html>blocked", ErrorClass::Misconfigured),
            (302, "", ErrorClass::Misconfigured),
        ] {
            assert_eq!(refusal(status, body).class(), class, "{status} {body}");
        }
    }
}
