//! What the client and server promise, over loopback sockets that misbehave on request.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod authority;
mod client;
mod gzip;
mod peer;
mod proxy;
mod server;
mod stream;
mod timeouts;
mod tls;
