//! Which requests go through a proxy, and through which.
//!
//! Invariants: what is to go through a proxy never goes another way, whatever the proxy does; credentials are in no
//! message and no debug text. Loopback and link-local addresses, where a cloud's own metadata service lives, are reached
//! directly, whatever the settings say.
//!
//! It knows proxies that speak HTTP, in the clear or over TLS. SOCKS and automatic configuration are refused.

mod connector;
mod direct;
mod environment;
mod server;

use http::Uri;
use http::uri::Scheme;

pub(crate) use self::connector::{Connector, ProxyError};
pub use self::direct::{DirectHosts, DirectHostsError};
pub use self::environment::ProxyVariableError;
pub use self::server::{ProxyServer, ProxyServerError};

/// The proxies of a client. The default is none.
#[derive(Clone, Debug, Default)]
pub struct ProxySettings {
    /// For requests to `http` URLs, which the proxy sees whole.
    pub for_http: Option<ProxyServer>,
    /// For requests to `https` URLs, which go through a tunnel.
    pub for_https: Option<ProxyServer>,
    /// What is reached directly.
    pub direct: DirectHosts,
}

impl ProxySettings {
    /// One proxy for everything but `direct`.
    pub fn through(server: ProxyServer, direct: DirectHosts) -> Self {
        ProxySettings { for_http: Some(server.clone()), for_https: Some(server), direct }
    }

    /// The proxy that a request to `uri` goes through; none when it goes directly.
    pub fn server_for(&self, uri: &Uri) -> Option<&ProxyServer> {
        let is_https = uri.scheme() == Some(&Scheme::HTTPS);
        let server = if is_https { &self.for_https } else { &self.for_http };
        let server = server.as_ref()?;
        let default_port = if is_https { 443 } else { 80 };
        let port = uri.port_u16().unwrap_or(default_port);
        let is_direct = uri.host().is_none_or(|host| self.direct.has(host, port));
        (!is_direct).then_some(server)
    }
}
