//! Why a request got no response.
//!
//! The message names the host only: a path, a query or a header may hold what must not be printed.

use std::error::Error;
use std::io;

use crate::proxy::ProxyError;

/// What went wrong before the response headers were complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SendErrorKind {
    /// Connecting, the TLS handshake or the response headers took too long.
    Timeout,
    /// No connection: name not found, refused, unreachable.
    Connect,
    /// The proxy cannot be reached, or gives no way to the host.
    Proxy,
    /// The proxy wants credentials, or others than it was given.
    ProxyCredentials,
    /// The TLS handshake failed, for example because the certificate is not trusted.
    Tls,
    /// The connection closed or was reset before the response was complete.
    Closed,
    /// The peer did not speak HTTP, or its headers exceed the limits.
    Protocol,
    /// The request itself is not one that can be sent.
    InvalidRequest,
}

impl SendErrorKind {
    fn text(self) -> &'static str {
        match self {
            SendErrorKind::Timeout => "timed out",
            SendErrorKind::Connect => "cannot connect",
            SendErrorKind::Proxy => "no way through the proxy",
            SendErrorKind::ProxyCredentials => "the proxy does not accept the credentials",
            SendErrorKind::Tls => "TLS handshake failed",
            SendErrorKind::Closed => "connection closed before the response",
            SendErrorKind::Protocol => "response is not acceptable HTTP",
            SendErrorKind::InvalidRequest => "request is not valid",
        }
    }

    /// What is likely behind it, in plain words.
    pub fn cause(self) -> &'static str {
        match self {
            SendErrorKind::Timeout => {
                "something on the way drops the traffic, or the host is overloaded"
            }
            SendErrorKind::Connect => {
                "the host is not known here, is down, or refuses connections, or a firewall is in between"
            }
            SendErrorKind::Proxy => {
                "the proxy is down, or does not let this machine reach the host"
            }
            SendErrorKind::ProxyCredentials => "the proxy wants a name and a password, or others",
            SendErrorKind::Tls => {
                "the host's certificate is not trusted here, often because a proxy inspects the traffic"
            }
            SendErrorKind::Closed => "the host, or something on the way, ends connections",
            SendErrorKind::Protocol => "something that does not speak HTTP answers",
            SendErrorKind::InvalidRequest => "the address cannot be used",
        }
    }

    /// What to do about it.
    pub fn fix(self) -> &'static str {
        match self {
            SendErrorKind::Timeout | SendErrorKind::Connect | SendErrorKind::Closed => {
                "check the address, DNS and firewalls between this machine and the host"
            }
            SendErrorKind::Tls => {
                "set tls.ca_file to the authority that has signed it, and check the clock of this machine"
            }
            SendErrorKind::Proxy => {
                "check the address of the proxy, and that it allows this host; or list the host in no_proxy"
            }
            SendErrorKind::ProxyCredentials => "check username and password of the proxy",
            SendErrorKind::Protocol => "check scheme, host and port of the address",
            SendErrorKind::InvalidRequest => "correct the address",
        }
    }
}

/// A request that got no response.
#[derive(Debug, thiserror::Error)]
#[error("request to `{host}`: {}", kind.text())]
pub struct SendError {
    host: String,
    kind: SendErrorKind,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl SendError {
    /// For implementations of [`crate::Transport`].
    pub fn new(kind: SendErrorKind, host: impl Into<String>) -> Self {
        SendError { host: host.into(), kind, source: None }
    }

    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    pub(crate) fn from_client(host: String, error: hyper_util::client::legacy::Error) -> Self {
        let kind = kind_of(&error).unwrap_or(if error.is_connect() {
            SendErrorKind::Connect
        } else {
            SendErrorKind::Closed
        });
        SendError::new(kind, host).with_source(error)
    }

    pub fn kind(&self) -> SendErrorKind {
        self.kind
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn is_timeout(&self) -> bool {
        self.kind == SendErrorKind::Timeout
    }

    pub fn is_connect(&self) -> bool {
        self.kind == SendErrorKind::Connect
    }
}

/// The first error of the chain that says more than "it failed".
pub(crate) fn kind_of(error: &(dyn Error + 'static)) -> Option<SendErrorKind> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(kind) = error.downcast_ref::<io::Error>().and_then(kind_of_io) {
            return Some(kind);
        }
        if let Some(error) = error.downcast_ref::<ProxyError>() {
            return Some(match error {
                ProxyError::Credentials { .. } => SendErrorKind::ProxyCredentials,
                ProxyError::Connect { .. }
                | ProxyError::Timeout { .. }
                | ProxyError::Refused { .. }
                | ProxyError::Exchange { .. } => SendErrorKind::Proxy,
            });
        }
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            if error.is_timeout() {
                return Some(SendErrorKind::Timeout);
            }
            if error.is_parse() {
                return Some(SendErrorKind::Protocol);
            }
        }
        if error.is::<rustls::Error>() {
            return Some(SendErrorKind::Tls);
        }
        next = error.source();
    }
    None
}

/// An [`io::Error`] hides what it wraps from `source()`, so it is asked directly.
fn kind_of_io(error: &io::Error) -> Option<SendErrorKind> {
    match error.kind() {
        io::ErrorKind::TimedOut => Some(SendErrorKind::Timeout),
        _ if error.get_ref().is_some_and(<dyn Error + Send + Sync>::is::<rustls::Error>) => {
            Some(SendErrorKind::Tls)
        }
        _ => error.get_ref().and_then(|inner| kind_of(inner)),
    }
}
