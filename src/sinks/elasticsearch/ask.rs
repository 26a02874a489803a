//! Single questions to one endpoint, of whoever looks at it or prepares it for events.
//!
//! Nothing is tried twice: people wait.

use std::time::Duration;

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use net::{BodyError, SendError, Transport, read_body};
use serde_json::Value;
use tokio::time::timeout;

use super::endpoint::Endpoint;

/// Bytes of an answer. A cluster's list of templates, by name and pattern, is far smaller.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How long one question may take: people wait.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(20);

/// Asks one endpoint.
pub(super) struct Asker<'a> {
    pub transport: &'a dyn Transport,
    pub authorization: Option<HeaderValue>,
    pub endpoint: &'a Endpoint,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    #[error(transparent)]
    Send(#[from] SendError),
    #[error("the answer cannot be read")]
    Body(#[from] BodyError),
    #[error("no answer within {} s", QUESTION_TIMEOUT.as_secs())]
    Slow,
    #[error("the address cannot be used")]
    Address(#[from] http::Error),
}

impl Asker<'_> {
    /// The status and the answer, which is null where it is no JSON.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<(StatusCode, Value), AskError> {
        let base = self.endpoint.url().as_str().trim_end_matches('/');
        let mut request = Request::builder().method(method.clone()).uri(format!("{base}{path}"));
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let bytes = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        if !bytes.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request = request.body(bytes)?;
        let exchange = async {
            let response = self.transport.send(request).await?;
            let status = response.status();
            if method == Method::HEAD {
                return Ok((status, Value::Null));
            }
            let body = read_body(response.into_body(), ANSWER_BYTES_MAX).await?;
            Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
        };
        timeout(QUESTION_TIMEOUT, exchange).await.map_err(|_| AskError::Slow)?
    }
}
