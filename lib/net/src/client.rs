//! The HTTP client that components use on a real network.
//!
//! HTTP/1.1 only, on purpose: a reader that pauses stops its own connection. Over HTTP/2 it would hold back what shares
//! the connection, so that a slow sink would stall listings as well.
//!
//! It does not use a proxy. One would come in as another connector in [`HttpClient::new`]; nothing else would change.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::timeouts::{host_of, limit};
use crate::tls::{TlsError, TlsSettings, client_config};
use crate::{Body, BodyError, SendError, Timeouts, Transport};

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
        }
    }
}

/// A pool of connections to any number of hosts. Clones share it.
#[derive(Clone, Debug)]
pub struct HttpClient {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    timeouts: Timeouts,
}

impl HttpClient {
    /// Reads the files that the TLS settings name; connects to nothing.
    pub fn new(settings: &ClientSettings) -> Result<Self, TlsError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(settings.connect_timeout));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(client_config(&settings.tls)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(settings.pool_idle_timeout)
            .pool_max_idle_per_host(settings.pool_idle_connections_max)
            .http1_max_buf_size(READ_BUFFER_BYTES_MAX)
            .http1_max_headers(RESPONSE_HEADERS_MAX)
            .build(connector);
        Ok(HttpClient { client, timeouts: settings.timeouts })
    }
}

impl Transport for HttpClient {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Body>, SendError>> {
        let host = host_of(&request);
        let exchange = self.client.request(request.map(Full::new));
        let sent = {
            let host = host.clone();
            async move {
                let response =
                    exchange.await.map_err(|error| SendError::from_client(host, error))?;
                Ok(response.map(boxed))
            }
        };
        Box::pin(limit(sent, host, self.timeouts))
    }
}

fn boxed(body: Incoming) -> Body {
    body.map_err(|error| BodyError::Transfer { source: error.into() }).boxed_unsync()
}
