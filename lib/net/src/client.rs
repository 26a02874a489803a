//! The HTTP client that components use on a real network.
//!
//! HTTP/1.1 only, on purpose: a reader that pauses stops its own connection. Over HTTP/2 it would hold back what shares
//! the connection, so that a slow sink would stall listings as well.
//!
//! Where a proxy is set, a request goes through it or fails: never another way.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::PROXY_AUTHORIZATION;
use http::uri::Scheme;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;

use crate::proxy::{Connector, ProxyError};
use crate::timeouts::{host_of, limit};
use crate::tls::{TlsError, TlsSettings, client_config};
use crate::{
    Body, BodyError, ProxyServer, ProxySettings, SendError, SendErrorKind, Timeouts, Transport,
};

/// Bytes of a response head, and of one read of a body.
const READ_BUFFER_BYTES_MAX: usize = 256 * 1024;

/// Response headers: services behind several front doors send 30 to 40.
const RESPONSE_HEADERS_MAX: usize = 128;

/// What a client may spend on connections and waits.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// For the TCP connection to one address.
    pub connect_timeout: Duration,
    pub timeouts: Timeouts,
    /// How long an unused connection is kept.
    pub pool_idle_timeout: Duration,
    /// Unused connections kept for one host.
    pub pool_idle_connections_max: usize,
    pub tls: TlsSettings,
    /// A proxy that speaks TLS is always verified, by the system's authorities and those of the CA file, whatever servers
    /// are forgiven; it is shown no client certificate.
    pub proxy: ProxySettings,
}

impl Default for ClientSettings {
    fn default() -> Self {
        ClientSettings {
            connect_timeout: Duration::from_secs(10),
            timeouts: Timeouts::default(),
            // Under the idle limits of common front doors and firewalls, so that a kept connection is a live one.
            pool_idle_timeout: Duration::from_mins(1),
            pool_idle_connections_max: 16,
            tls: TlsSettings::default(),
            proxy: ProxySettings::default(),
        }
    }
}

/// A pool of connections to any number of hosts. Clones share it.
#[derive(Clone, Debug)]
pub struct HttpClient {
    client: Client<HttpsConnector<Connector>, Full<Bytes>>,
    proxy: Arc<ProxySettings>,
    timeouts: Timeouts,
}

impl HttpClient {
    /// Reads the files that the TLS settings name; connects to nothing.
    pub fn new(settings: &ClientSettings) -> Result<Self, TlsError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(settings.connect_timeout));
        let proxy = Arc::new(settings.proxy.clone());
        let tls = client_config(&settings.tls)?;
        let tls_to_proxy = client_config(&TlsSettings {
            ca_file: settings.tls.ca_file.clone(),
            ..TlsSettings::default()
        })?;
        let connector = Connector {
            to_proxy: over_tls(tls_to_proxy, tcp.clone()),
            tcp,
            settings: Arc::clone(&proxy),
            timeout: settings.connect_timeout,
        };
        let connector = over_tls(tls, connector);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(settings.pool_idle_timeout)
            .pool_max_idle_per_host(settings.pool_idle_connections_max)
            .http1_max_buf_size(READ_BUFFER_BYTES_MAX)
            .http1_max_headers(RESPONSE_HEADERS_MAX)
            .build(connector);
        Ok(HttpClient { client, proxy, timeouts: settings.timeouts })
    }
}

fn over_tls<C>(config: ClientConfig, connector: C) -> HttpsConnector<C> {
    let builder = HttpsConnectorBuilder::new().with_tls_config(config);
    builder.https_or_http().enable_http1().wrap_connector(connector)
}

impl Transport for HttpClient {
    fn send(
        &self,
        mut request: Request<Bytes>,
    ) -> BoxFuture<'_, Result<Response<Body>, SendError>> {
        let host = host_of(&request);
        // In a tunnel the proxy has been told already, and the headers are the server's to see.
        let is_whole = request.uri().scheme() != Some(&Scheme::HTTPS);
        let proxy = self.proxy.server_for(request.uri()).filter(|_| is_whole);
        if let Some(value) = proxy.and_then(ProxyServer::authorization) {
            request.headers_mut().insert(PROXY_AUTHORIZATION, value.clone());
        }
        let exchange = self.client.request(request.map(Full::new));
        let sent = {
            let host = host.clone();
            async move {
                let answered = exchange.await;
                let response =
                    answered.map_err(|error| SendError::from_client(host.clone(), error))?;
                if let Some(proxy) = proxy
                    && response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED
                {
                    let error = ProxyError::Credentials { proxy: proxy.to_string() };
                    let kind = SendErrorKind::ProxyCredentials;
                    return Err(SendError::new(kind, host).with_source(error));
                }
                Ok(response.map(boxed))
            }
        };
        Box::pin(limit(sent, host, self.timeouts))
    }
}

fn boxed(body: Incoming) -> Body {
    body.map_err(|error| BodyError::Transfer { source: error.into() }).boxed_unsync()
}
