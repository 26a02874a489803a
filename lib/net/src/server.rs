//! A small HTTP server for what operators and probes read: metrics, health, a status page.
//!
//! One request a connection, few connections, and an end to each: it cannot be made to hold more than that.
//! It does not speak TLS and does not spawn beyond its own future: dropping that ends every connection.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{debug, warn};

/// Answers one request.
pub type Handler =
    Arc<dyn Fn(Request<Incoming>) -> BoxFuture<'static, Response<Full<Bytes>>> + Send + Sync>;

/// After a failed `accept`, most often for want of file descriptors, trying again at once would only burn time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Bytes of a request head.
const REQUEST_HEAD_BYTES_MAX: usize = 16 * 1024;

/// What the server may spend on its callers.
#[derive(Clone, Copy, Debug)]
pub struct ServerSettings {
    /// More than these wait in the listener's queue.
    pub connections_max: usize,
    pub header_read_timeout: Duration,
    /// From the first byte of a connection to its last.
    pub connection_timeout: Duration,
    /// How long open connections may go on after the shutdown.
    pub drain_timeout: Duration,
}

impl Default for ServerSettings {
    fn default() -> Self {
        ServerSettings {
            connections_max: 64,
            header_read_timeout: Duration::from_secs(5),
            connection_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(5),
        }
    }
}

/// Serves until `shutdown` is ready, then lets open connections finish within the drain timeout.
pub async fn serve(
    listener: TcpListener,
    handler: Handler,
    settings: ServerSettings,
    shutdown: impl Future<Output = ()>,
) {
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < settings.connections_max => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(answer(stream, Arc::clone(&handler), settings));
                }
                Err(error) => {
                    warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    let drained =
        timeout(settings.drain_timeout, async { while connections.join_next().await.is_some() {} });
    if drained.await.is_err() {
        debug!(connections = connections.len(), "connections cut at the end of the drain");
    }
}

async fn answer(stream: TcpStream, handler: Handler, settings: ServerSettings) {
    let service = service_fn(move |request| {
        let response = handler(request);
        async move { Ok::<_, Infallible>(response.await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.header_read_timeout)
        .max_buf_size(REQUEST_HEAD_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(settings.connection_timeout, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "connection ended with an error"),
        Err(_) => debug!("connection took too long"),
    }
}
