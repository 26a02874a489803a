//! The way to fake tenants without a socket.

use std::sync::Arc;

use bytes::Bytes;
use fake_tenant::FakeTenants;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body_util::BodyExt;
use net::{Body, BodyError, SendError, Transport};

pub(crate) struct InProcess(pub(crate) Arc<FakeTenants>);

impl Transport for InProcess {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Body>, SendError>> {
        Box::pin(async move {
            let response = self.0.handle(request).await;
            let transfer = |error: std::io::Error| BodyError::Transfer { source: error.into() };
            Ok(response.map(|body| body.map_err(transfer).boxed_unsync()))
        })
    }
}
