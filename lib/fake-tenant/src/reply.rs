//! An answer before it goes out: status, headers and the pieces of its body; and the error bodies of the API.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde_json::json;

use crate::body::{Body, Cut, Manner, body};
use crate::book::Receipt;
use crate::content::{Chunks, gzipped};
use crate::fault::Fault;
use crate::settings::ThrottleStatus;

/// The body of a 401 without an AF code.
pub(crate) const DENIED: &str = r#"{"Message":"Authorization has been denied for this request."}"#;

/// An answer that says no.
pub(crate) type Refused = Box<Reply>;

/// An answer before it goes out.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// The code of an error of the API.
    pub(crate) code: Option<String>,
    chunks: Chunks,
    /// Length of the body, where it is known beforehand.
    length: Option<u64>,
    receipt: Option<Receipt>,
}

impl Reply {
    pub(crate) fn new(status: u16, content_type: &'static str, content: impl Into<Bytes>) -> Self {
        let content = content.into();
        let length = Some(content.len() as u64);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let chunks = Box::new(std::iter::once(content));
        Reply { status, headers, code: None, chunks, length, receipt: None }
    }

    pub(crate) fn json(status: u16, content: &serde_json::Value) -> Self {
        Reply::new(status, "application/json; charset=utf-8", content.to_string())
    }

    /// A 200 of any length, sent while it is made.
    pub(crate) fn streamed(
        content_type: &'static str,
        chunks: Chunks,
        receipt: Option<Receipt>,
    ) -> Self {
        Reply { chunks, length: None, receipt, ..Reply::new(200, content_type, Bytes::new()) }
    }

    /// An error of the API with a code of its own.
    pub(crate) fn af(status: u16, code: &str, message: &str) -> Refused {
        let reply = Reply::json(status, &json!({ "error": { "code": code, "message": message } }));
        Reply { code: Some(code.to_owned()), ..reply }.into()
    }

    pub(crate) fn denied() -> Refused {
        Reply::new(401, "application/json; charset=utf-8", DENIED).into()
    }

    /// Too many requests: of this method, by this publisher.
    pub(crate) fn throttled(
        (status, retry_after): (ThrottleStatus, Option<Duration>),
        method: &str,
        publisher: &str,
    ) -> Refused {
        let status = match status {
            ThrottleStatus::Forbidden => 403,
            ThrottleStatus::TooManyRequests => 429,
        };
        let message = format!("Too many requests. Method={method}, PublisherId={publisher}");
        let mut reply = Reply::af(status, "AF429", &message);
        if let Some(after) = retry_after {
            reply.headers.insert(RETRY_AFTER, after.as_secs().into());
        }
        reply
    }

    #[must_use]
    pub(crate) fn with_header(mut self, name: HeaderName, value: &str) -> Self {
        // Values are made here of addresses and dates; one that is no header value would be a bug of the caller.
        self.headers
            .insert(name, HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static("")));
        self
    }

    /// The same answer with another body, as a proxy would put in.
    fn replaced(self, content_type: &'static str, content: &'static str) -> Self {
        Reply { headers: self.headers, ..Reply::new(200, content_type, content) }
    }

    /// Turns the answer into what goes out, compressed if the client takes gzip, spoilt if there is a fault.
    pub(crate) fn finish(self, gzip: bool, fault: Option<&Fault>) -> Response<Body> {
        let mut reply = match fault {
            Some(Fault::NotJson) => {
                self.replaced("text/html", "<html><body>Sign in to continue</body></html>")
            }
            Some(Fault::NonObjects) => self.replaced("application/json", r#"[1,"two",null,[3]]"#),
            _ => self,
        };
        if gzip && reply.status == StatusCode::OK {
            reply.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            reply.chunks = gzipped(reply.chunks);
            reply.length = None;
        }
        let manner = match fault {
            Some(Fault::ResetAfter(bytes)) => Manner { cut: Some(Cut::Reset(*bytes)), pace: None },
            Some(Fault::TruncateAfter(bytes)) => {
                Manner { cut: Some(Cut::Truncate(*bytes)), pace: None }
            }
            Some(Fault::Slow { chunk_bytes, delay }) => {
                Manner { cut: None, pace: Some((*chunk_bytes, *delay)) }
            }
            _ => Manner::default(),
        };
        if let Some(Fault::LyingContentLength(by)) = fault {
            reply.lie_about_length(*by);
        } else if let (Some(length), None) = (reply.length, manner.cut) {
            reply.headers.insert(CONTENT_LENGTH, length.into());
        }
        let mut response = Response::new(body(reply.chunks, manner, reply.receipt));
        *response.status_mut() = reply.status;
        *response.headers_mut() = reply.headers;
        response
    }

    /// Claims a length that is wrong. The body has to be held to know its length.
    fn lie_about_length(&mut self, by: i64) {
        let chunks: Vec<Bytes> = self.chunks.by_ref().collect();
        let length = chunks.iter().map(|chunk| chunk.len() as u64).sum::<u64>();
        self.chunks = Box::new(chunks.into_iter());
        self.receipt = None;
        self.headers.insert(CONTENT_LENGTH, length.saturating_add_signed(by).into());
    }
}
