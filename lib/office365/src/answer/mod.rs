//! An answer of the API that is not a success: its code, if one can be found, and its class.
//!
//! Bodies come as documented JSON, other JSON, JSON in single quotes, plain text, a proxy's HTML, or not at all.

use std::fmt;
use std::time::Duration;

use chrono::DateTime;
use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::af::{AfCode, af_code};
use crate::excerpt::excerpt;
use crate::listing::server_date;
use crate::{ErrorClass, Hint, Operation};

/// Microsoft's rule: after a start request wait this long before another.
pub(crate) const START_PAUSE: Duration = Duration::from_mins(15);

/// A wait longer than this is not believed.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);

/// What the API said, in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// As `AF20022`; upper case.
    pub code: Option<String>,
    /// The message, or the start of the body.
    pub message: String,
    /// The wait that the header `Retry-After` asks for.
    pub retry_after: Option<Duration>,
}

impl fmt::Display for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the API answered {}", self.status)?;
        if let Some(code) = &self.code {
            write!(formatter, " {code}")?;
        }
        if self.message.is_empty() { Ok(()) } else { write!(formatter, ": {}", self.message) }
    }
}

impl Answer {
    /// Reads status, headers and the start of a body. `redact` removes secrets that the peer may have echoed.
    pub(crate) fn parse(
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
        redact: impl Fn(&str) -> String,
    ) -> Answer {
        let text = String::from_utf8_lossy(body);
        let text = text.trim_start_matches('\u{feff}').trim();
        let json: Option<Value> = serde_json::from_str(text).ok();
        let (code, message) = match &json {
            Some(json) => (code_of(json), message_of(json)),
            None => (code_in(text), None),
        };
        Answer {
            status: status.as_u16(),
            code: code.filter(|code| is_af_code(code)),
            message: excerpt(redact(message.unwrap_or(text)).as_bytes()),
            retry_after: retry_after(headers),
        }
    }

    fn row(&self) -> Option<&'static AfCode> {
        af_code(self.code.as_deref()?)
    }

    /// Cause and fix of the code, or of the status where that says enough.
    pub fn hint(&self) -> Option<Hint> {
        if let Some(row) = self.row() {
            return Some(row.hint);
        }
        match self.status {
            300..=399 | 407 => Some(Hint {
                cause: "something between here and the API wants the request to go elsewhere, often a proxy's sign-in page",
                fix: "let this machine reach the API's host without a sign-in page",
            }),
            401 => Some(Hint {
                cause: "the API does not accept the access token: its audience or tenant is wrong",
                fix: "check cloud, resource_url and tenant_id",
            }),
            403 => Some(Hint {
                cause: "something refuses the request without a code of the API, often a firewall or proxy",
                fix: "allow this machine's address to reach the API's host",
            }),
            _ => None,
        }
    }

    /// The code decides; without a known one, the status.
    pub(crate) fn class(&self, operation: Operation) -> ErrorClass {
        let class = self.row().map_or_else(|| self.class_of_status(operation), |row| row.class);
        match class {
            ErrorClass::Retry { .. } => ErrorClass::Retry { after: self.retry_after },
            ErrorClass::Throttled { .. } => {
                let pause = (operation == Operation::StartSubscription).then_some(START_PAUSE);
                ErrorClass::Throttled { after: self.retry_after.or(pause) }
            }
            class => class,
        }
    }

    fn class_of_status(&self, operation: Operation) -> ErrorClass {
        let is_internal = self.code.as_deref().is_some_and(|code| code.starts_with("AF5"));
        match self.status {
            _ if is_internal => ErrorClass::Retry { after: None },
            429 => ErrorClass::Throttled { after: None },
            401 => ErrorClass::Unauthorized,
            408 | 425 | 500..=599 => ErrorClass::Retry { after: None },
            // A front door's page says nothing about the blob: only the API's own code makes it lost.
            404 | 410 if operation == Operation::FetchBlob => ErrorClass::Retry { after: None },
            300..=399 | 403 | 404 | 407 | 410 => ErrorClass::Misconfigured,
            _ => ErrorClass::OurBug,
        }
    }
}

/// The wait that the server asks for, in seconds or until a date, which counts from the date of the answer itself: the
/// clocks of this machine may be wrong.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let until = DateTime::from(httpdate::parse_http_date(text).ok()?);
            (until - server_date(headers)?).to_std().unwrap_or_default()
        }
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

fn is_af_code(code: &str) -> bool {
    let digits = code.strip_prefix("AF").unwrap_or_default();
    (1..=9).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn field<'a>(json: &'a Value, name: &str) -> Option<&'a Value> {
    let fields = json.as_object()?;
    fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn code_of(json: &Value) -> Option<String> {
    let code = field(json, "error")
        .and_then(|error| field(error, "code"))
        .or_else(|| field(json, "code"))?;
    Some(code.as_str()?.trim().to_ascii_uppercase())
}

fn message_of(json: &Value) -> Option<&str> {
    let error = field(json, "error");
    let message =
        error.and_then(|error| field(error, "message")).or_else(|| field(json, "message"));
    message.or(error)?.as_str()
}

/// Finds the code in what is almost JSON, or in the one plain text that is known to come without one.
fn code_in(text: &str) -> Option<String> {
    // Unified audit logging is off: the API then knows no such tenant, which is AF20011.
    if text.contains("DataServiceException") && text.contains("does not exist") {
        return Some("AF20011".to_owned());
    }
    let (_, after) = text.split_once("code")?;
    let code = after.trim_start_matches(['\'', '"', ':', ' ']);
    let length = code.find(|char: char| !char.is_ascii_alphanumeric()).unwrap_or(code.len());
    Some(code[..length].to_ascii_uppercase())
}

#[cfg(test)]
mod tests;
