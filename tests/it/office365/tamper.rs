//! Answers that are changed, or replaced, on their way from the fake tenants to the source.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use net::{Body, SendError, Transport, full_body};
use office365::Operation;
use tokio::time::Instant;

/// What becomes of an answer.
pub(super) type Tamper =
    dyn Fn(&Request<()>, Response<Body>) -> Result<Response<Body>, SendError> + Send + Sync;

/// `inner`, with `tamper` behind it if there is one.
pub(super) fn tampered(
    inner: Arc<dyn Transport>,
    tamper: Option<Arc<Tamper>>,
) -> Arc<dyn Transport> {
    match tamper {
        Some(tamper) => Arc::new(Tampered { inner, tamper }),
        None => inner,
    }
}

struct Tampered {
    inner: Arc<dyn Transport>,
    tamper: Arc<Tamper>,
}

impl Transport for Tampered {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Body>, SendError>> {
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let asked = Request::from_parts(head.clone(), ());
            let response = self.inner.send(Request::from_parts(head, body)).await?;
            (self.tamper)(&asked, response)
        })
    }
}

/// Whether the request is one of these, for this tenant, about exchange content where it is about content.
pub(super) fn is_exchange(request: &Request<()>, operation: Operation, tenant_id: &str) -> bool {
    let uri = request.uri().to_string().to_lowercase();
    request.extensions().get() == Some(&operation)
        && uri.contains(tenant_id)
        && (uri.contains("contenttype=audit.exchange") || uri.contains("$audit_exchange$"))
}

/// An answer of one's own.
pub(super) fn response(
    status: u16,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Response<Body> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(full_body(body)).unwrap()
}

/// Trouble with one operation for the exchange feed of one tenant, which can be turned off.
pub(super) struct Trouble {
    is_on: AtomicBool,
    hits: Mutex<Vec<Instant>>,
}

impl Trouble {
    /// Trouble that makes `answer` of each such answer, and the tamper that does it.
    pub(super) fn with(
        operation: Operation,
        tenant_id: &'static str,
        answer: impl Fn(Response<Body>) -> Result<Response<Body>, SendError> + Send + Sync + 'static,
    ) -> (Arc<Trouble>, Arc<Tamper>) {
        let trouble =
            Arc::new(Trouble { is_on: AtomicBool::new(true), hits: Mutex::new(Vec::new()) });
        let shared = Arc::clone(&trouble);
        let tamper: Arc<Tamper> = Arc::new(move |request, response| {
            let is_meant = is_exchange(request, operation, tenant_id);
            if !is_meant || !shared.is_on.load(Ordering::SeqCst) {
                return Ok(response);
            }
            shared.hits.lock().unwrap().push(Instant::now());
            answer(response)
        });
        (trouble, tamper)
    }

    pub(super) fn end(&self) {
        self.is_on.store(false, Ordering::SeqCst);
    }

    /// When it was met.
    pub(super) fn hits(&self) -> Vec<Instant> {
        self.hits.lock().unwrap().clone()
    }
}
