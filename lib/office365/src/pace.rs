//! Pacing of one tenant's requests, so that the API has no reason to throttle.

use futures_util::future::BoxFuture;
use net::RateLimiter;

/// Asked before each request to the API, sign-in excepted.
pub trait Pace: Send + Sync {
    /// Ready when the next request may go.
    fn acquire(&self) -> BoxFuture<'_, ()>;
}

impl Pace for RateLimiter {
    fn acquire(&self) -> BoxFuture<'_, ()> {
        Box::pin(RateLimiter::acquire(self))
    }
}
