//! A transport that signs in by itself and gives scripted replies to everything else.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use net::{Body, SendError, SendErrorKind, Transport, full_body};
use office365::{Credential, Operation, TenantClient, TenantId, TenantSettings};
use uuid::Uuid;

pub(crate) const TENANT: Uuid = Uuid::from_u128(0x0b7a_1f7e_58d9_4c9c_8b1a_9f2f_9d6c_2d11);
pub(crate) const PUBLISHER: Uuid = Uuid::from_u128(5);
pub(crate) const SECRET: &str = "hunter2~s3cr3t+";

/// One request as it was sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) operation: Operation,
    pub(crate) line: String,
    pub(crate) authorization: String,
}

#[derive(Default)]
pub(crate) struct Script {
    replies: Mutex<VecDeque<Response<Body>>>,
    sign_ins: Mutex<VecDeque<Response<Body>>>,
    sent: Mutex<Vec<Sent>>,
    tokens: AtomicUsize,
    sign_in_delay: Duration,
}

impl Script {
    pub(crate) fn slow_to_sign_in(sign_in_delay: Duration) -> Script {
        Script { sign_in_delay, ..Script::default() }
    }

    /// The next reply of the API; without one, requests fail to connect.
    pub(crate) fn reply(&self, status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) {
        self.replies.lock().unwrap().push_back(response(status, headers, full_body(body)));
    }

    pub(crate) fn reply_body(&self, headers: &[(&str, &str)], body: Body) {
        self.replies.lock().unwrap().push_back(response(200, headers, body));
    }

    /// The next reply of the token endpoint, which else gives `token-0`, `token-1`, ... for an hour.
    pub(crate) fn sign_in(&self, status: u16, body: impl Into<Bytes>) {
        self.sign_ins.lock().unwrap().push_back(response(status, &[], full_body(body)));
    }

    pub(crate) fn sent(&self) -> Vec<Sent> {
        std::mem::take(&mut *self.sent.lock().unwrap())
    }

    /// The method and URI of each request to the API.
    pub(crate) fn lines(&self) -> Vec<String> {
        let sent = self.sent().into_iter().filter(|sent| sent.operation != Operation::SignIn);
        sent.map(|sent| sent.line).collect()
    }

    pub(crate) fn tokens(&self) -> usize {
        self.tokens.load(Ordering::SeqCst)
    }
}

fn response(status: u16, headers: &[(&str, &str)], body: Body) -> Response<Body> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(body).unwrap()
}

impl Transport for Script {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Body>, SendError>> {
        let operation = *request.extensions().get::<Operation>().unwrap();
        let authorization = request.headers().get("authorization");
        self.sent.lock().unwrap().push(Sent {
            operation,
            line: format!("{} {}", request.method(), request.uri()),
            authorization: authorization.map_or("", |value| value.to_str().unwrap()).to_owned(),
        });
        Box::pin(async move {
            if operation == Operation::SignIn {
                tokio::time::sleep(self.sign_in_delay).await;
                let number = self.tokens.fetch_add(1, Ordering::SeqCst);
                let body = format!(r#"{{"access_token":"token-{number}","expires_in":3600}}"#);
                let scripted = self.sign_ins.lock().unwrap().pop_front();
                return Ok(scripted.unwrap_or_else(|| response(200, &[], full_body(body))));
            }
            let reply = self.replies.lock().unwrap().pop_front();
            let host = request.uri().host().unwrap().to_owned();
            reply.ok_or_else(|| SendError::new(SendErrorKind::Connect, host))
        })
    }
}

pub(crate) fn settings() -> TenantSettings {
    TenantSettings {
        publisher_id: PUBLISHER,
        ..TenantSettings::new(
            TenantId(TENANT),
            Uuid::from_u128(9),
            Credential::ClientSecret(SECRET.into()),
        )
    }
}

pub(crate) fn client(script: &Arc<Script>) -> TenantClient {
    let transport = Arc::clone(script) as Arc<dyn Transport>;
    TenantClient::new(settings(), transport, None, fastrand::Rng::with_seed(1))
}

/// A client and the script behind it.
pub(crate) fn scripted() -> (TenantClient, Arc<Script>) {
    let script = Arc::new(Script::default());
    (client(&script), script)
}

/// The messages of an error and of all its sources, and its debug form.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = format!("{error:?}");
    let mut next = Some(error);
    while let Some(error) = next {
        text = format!("{text}: {error}");
        next = error.source();
    }
    text
}
