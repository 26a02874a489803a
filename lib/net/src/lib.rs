//! The HTTP client and server bits that every component shares, and connections for other protocols.
//!
//! Invariants: every wait has a limit, every body is bounded by its reader or streamed, and the one TLS configuration
//! is made in `tls`. Nothing here logs or formats a header, a query or a body, so no credential can leave by an error.
//!
//! It does not retry, follow redirects or know what it carries: that is the caller's trade.

mod body;
mod client;
mod error;
mod gzip;
mod impatient;
mod proxy;
mod rate_limiter;
mod server;
mod server_tls;
mod stream;
mod timeouts;
mod tls;
mod transport;

pub use body::{Body, BodyError, full_body, read_body, read_body_prefix, stream_body};
pub use client::{ClientSettings, HttpClient};
pub use error::{SendError, SendErrorKind};
pub use gzip::decoded;
pub use proxy::{
    DirectHosts, DirectHostsError, ProxyServer, ProxyServerError, ProxySettings, ProxyVariableError,
};
pub use rate_limiter::RateLimiter;
pub use server::{
    ConnectionRefusal, Endless, Handler, Peer, RefusalObserver, ServerSettings, Service, serve,
};
pub use server_tls::{ServerCertificate, ServerTls};
pub use stream::{Address, ConnectError, Io, Stream, StreamConnector};
pub use timeouts::{Timeouts, send_within};
pub use tls::{ClientCertificate, TlsError, TlsSettings, client_config, trusted_authorities};
pub use transport::Transport;
