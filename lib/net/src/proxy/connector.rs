//! Makes connections: directly, to a proxy that is handed whole requests, or through a proxy's tunnel.
//!
//! A tunnel carries `https` requests: TLS to their host is made inside it, so the proxy sees the host's name and nothing
//! else.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{HOST, PROXY_AUTHORIZATION};
use http::uri::Scheme;
use http::{Request, StatusCode, Uri};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use tokio::time::timeout;
use tower_service::Service;

use super::{ProxyServer, ProxySettings};

/// Bytes of a proxy's answer to the request for a tunnel.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

type BoxError = Box<dyn Error + Send + Sync>;

/// Why a proxy gave no way to a host.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProxyError {
    #[error("cannot reach the proxy `{proxy}`")]
    Connect {
        proxy: String,
        #[source]
        source: BoxError,
    },
    #[error("the proxy `{proxy}` took more than {} s to make a connection", limit.as_secs_f32())]
    Timeout { proxy: String, limit: Duration },
    #[error("the proxy `{proxy}` wants credentials, or others than it was given (407)")]
    Credentials { proxy: String },
    #[error("the proxy `{proxy}` refused the connection: it answered {status}")]
    Refused { proxy: String, status: StatusCode },
    #[error("the proxy `{proxy}` gave no sensible answer")]
    Exchange {
        proxy: String,
        #[source]
        source: hyper::Error,
    },
}

/// Connects to the host of a URI, or to the proxy for it.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    pub(crate) tcp: HttpConnector,
    /// Speaks TLS with proxies that want it.
    pub(crate) to_proxy: HttpsConnector<HttpConnector>,
    pub(crate) settings: Arc<ProxySettings>,
    /// For the connection to a proxy and its answer.
    pub(crate) timeout: Duration,
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Stream, BoxError>>;

    fn poll_ready(&mut self, ctx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(ctx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let Some(proxy) = self.settings.server_for(&uri).cloned() else {
            let connecting = self.tcp.call(uri);
            return Box::pin(async move { Ok(Stream::new(connecting.await?, false)) });
        };
        let connecting = self.to_proxy.call(proxy.uri().clone());
        let limit = self.timeout;
        Box::pin(async move {
            let connected = timeout(limit, connect(connecting, &proxy, &uri)).await;
            let elapsed = |_| ProxyError::Timeout { proxy: proxy.to_string(), limit };
            Ok(connected.map_err(elapsed)??)
        })
    }
}

async fn connect<S>(
    connecting: impl Future<Output = Result<S, BoxError>>,
    proxy: &ProxyServer,
    uri: &Uri,
) -> Result<Stream, ProxyError>
where
    S: Read + Write + Send + Unpin + 'static,
{
    let stream = connecting
        .await
        .map_err(|source| ProxyError::Connect { proxy: proxy.to_string(), source })?;
    if uri.scheme() == Some(&Scheme::HTTPS) {
        return Ok(Stream::new(tunnel(stream, proxy, uri).await?, false));
    }
    Ok(Stream::new(stream, true))
}

/// Asks the proxy for a connection to the host of `uri`.
async fn tunnel<S>(
    stream: S,
    proxy: &ProxyServer,
    uri: &Uri,
) -> Result<hyper::upgrade::Upgraded, ProxyError>
where
    S: Read + Write + Send + Unpin + 'static,
{
    let broken = |source| ProxyError::Exchange { proxy: proxy.to_string(), source };
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(ANSWER_BYTES_MAX)
        .handshake(stream)
        .await
        .map_err(broken)?;
    let request = tunnel_request(proxy, uri);
    let exchange = async {
        let response = sender.send_request(request).await.map_err(broken)?;
        match response.status() {
            status if status.is_success() => hyper::upgrade::on(response).await.map_err(broken),
            StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                Err(ProxyError::Credentials { proxy: proxy.to_string() })
            }
            status => Err(ProxyError::Refused { proxy: proxy.to_string(), status }),
        }
    };
    tokio::pin!(exchange);
    tokio::select! {
        biased;
        tunnel = &mut exchange => tunnel,
        // It ends when it has become the tunnel, or broke: either way the exchange is over as well.
        ended = connection.with_upgrades() => match ended {
            Ok(()) => exchange.await,
            Err(source) => Err(broken(source)),
        },
    }
}

fn tunnel_request(proxy: &ProxyServer, uri: &Uri) -> Request<Empty<Bytes>> {
    let (host, port) = (uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(443));
    let place = format!("{host}:{port}");
    let mut request = Request::connect(&place).header(HOST, &place);
    if let Some(value) = proxy.authorization() {
        request = request.header(PROXY_AUTHORIZATION, value);
    }
    request.body(Empty::new()).expect("the host of a URI and a number make an authority")
}

/// A connection of any kind.
pub(crate) struct Stream {
    io: Box<dyn Io>,
    /// Its peer is a proxy that is handed whole requests.
    is_proxied: bool,
}

trait Io: Read + Write + Send + Unpin {}

impl<T: Read + Write + Send + Unpin> Io for T {}

impl Stream {
    fn new(io: impl Io + 'static, is_proxied: bool) -> Stream {
        Stream { io: Box::new(io), is_proxied }
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new().proxy(self.is_proxied)
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_read(ctx, buffer)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.io).poll_write(ctx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.io).poll_write_vectored(ctx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_flush(ctx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_shutdown(ctx)
    }
}
