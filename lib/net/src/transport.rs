//! The seam between a client of some API and the network.
//!
//! A simulation puts an in-process server behind it: no socket, and a paused clock works.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};

use crate::{Body, SendError};

/// Sends one request and gives its response; the body may still be on its way.
///
/// An implementation never follows redirects and never sends a request twice once any of it may have been handled.
pub trait Transport: Send + Sync {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Body>, SendError>>;
}
