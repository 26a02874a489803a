//! A request, taken apart: its query, its cookies, its body. Everything here is written by whoever can connect.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::refusal::{Reason, Refusal};

/// Bytes of a request's body. A program with all of its parts has a tenth of that.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A request that has passed the guards.
pub(super) struct Call {
    /// What stands in the path where its route has `{id}`.
    pub(super) id: String,
    pub(super) query: Query,
    pub(super) body: Bytes,
    /// Where it came from.
    pub(super) caller: std::net::IpAddr,
    /// Its cookies, for the routes that concern the session.
    pub(super) session: Option<String>,
}

impl Call {
    /// The body as JSON.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        // What is wrong in it may quote it.
        serde_json::from_slice(&self.body).map_err(|error| {
            let place = format!("line {}, column {}", error.line(), error.column());
            Refusal::invalid(format!("the body is not the JSON that is expected here ({place})"))
        })
    }
}

/// What stands behind the question mark.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(text: &str) -> Query {
        Query(url::form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    /// The one value of `name`.
    pub(super) fn one(&self, name: &str) -> Result<Option<&str>, Refusal> {
        let mut values = self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value);
        match (values.next(), values.next()) {
            (Some(_), Some(_)) => Err(Refusal::invalid(format!("`{name}` is given twice"))),
            (value, _) => Ok(value.map(String::as_str)),
        }
    }

    /// The one value of `name` as a number.
    pub(super) fn number(&self, name: &str) -> Result<Option<usize>, Refusal> {
        let number = |text: &str| {
            let mistake = || Refusal::invalid(format!("`{name}` is not a whole number"));
            text.parse().map_err(|_| mistake())
        };
        self.one(name)?.map(number).transpose()
    }
}

/// The value of the cookie `name`.
pub(super) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    let mut values = pairs.filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim());
    values.next().map(str::to_owned)
}

/// Reads the body of a request that may have one.
pub(super) async fn read_body(body: Incoming) -> Result<Bytes, Refusal> {
    let too_large = || {
        let error = format!("the body is larger than {BODY_BYTES_MAX} bytes");
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, Reason::TooLarge, error)
    };
    if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
        return Err(too_large());
    }
    let read = timeout(BODY_TIMEOUT, Limited::new(body, BODY_BYTES_MAX).collect()).await;
    let Ok(read) = read else {
        let error = format!("the body did not arrive within {} s", BODY_TIMEOUT.as_secs());
        return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, Reason::TooSlow, error));
    };
    read.map(http_body_util::Collected::to_bytes).map_err(|error| {
        if error.is::<LengthLimitError>() {
            too_large()
        } else {
            let error = "the body did not arrive";
            Refusal::new(StatusCode::BAD_REQUEST, Reason::Malformed, error)
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_query_gives_what_was_put_into_it(pairs in prop::collection::vec((".{0,8}", ".{0,20}"), 0..6)) {
            let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
            let query = Query::parse(&text);
            for (name, value) in &pairs {
                let is_alone = pairs.iter().filter(|(other, _)| other == name).count() == 1;
                match query.one(name) {
                    Ok(found) => {
                        prop_assert!(is_alone);
                        prop_assert_eq!(found, Some(value.as_str()));
                    }
                    Err(_) => prop_assert!(!is_alone),
                }
            }
        }

        #[test]
        fn any_text_is_some_query(text in ".*", name in ".{0,4}") {
            let query = Query::parse(&text);
            drop(query.one(&name));
            drop(query.number(&name));
        }

        #[test]
        fn a_cookie_is_found_among_others(
            others in prop::collection::vec("[a-z]{1,6}=[a-z0-9\"=]{0,9}", 0..5),
            value in "[0-9a-f]{0,64}",
            place in 0_usize..6,
        ) {
            let mut pairs = others;
            pairs.insert(place.min(pairs.len()), format!("o365flow_session={value}"));
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, pairs.join("; ").parse().unwrap());
            prop_assert_eq!(cookie(&headers, "o365flow_session"), Some(value));
            prop_assert_eq!(cookie(&headers, "session"), None);
        }

        #[test]
        fn any_header_is_some_cookies(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(value) = http::HeaderValue::from_bytes(&bytes) {
                let mut headers = HeaderMap::new();
                headers.insert(header::COOKIE, value);
                drop(cookie(&headers, "a"));
            }
        }
    }
}
