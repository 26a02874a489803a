//! A small HTTP server for what operators, probes and a status page read.
//!
//! One request a connection, few connections, and an end to each: it cannot be made to hold more than that. A response
//! that has no end of its own ([`Endless`]) goes on for as long as its reader takes what is sent.
//! It does not spawn beyond its own future: dropping that ends every connection.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::impatient::Impatient;
use crate::{Body, ServerTls};

/// Answers one request, which has its [`Peer`] among its extensions.
pub type Handler =
    Arc<dyn Fn(Request<Incoming>) -> BoxFuture<'static, Response<Body>> + Send + Sync>;

/// Is told of what never came to the handler, or was cut.
pub type RefusalObserver = Arc<dyn Fn(ConnectionRefusal) + Send + Sync>;

/// After a failed `accept`, most often for want of file descriptors, trying again at once would only burn time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Bytes of a request head.
const REQUEST_HEAD_BYTES_MAX: usize = 16 * 1024;

/// Header fields of a request: browsers send some 20.
const REQUEST_HEADERS_MAX: usize = 64;

/// What the server may spend on its callers.
#[derive(Clone, Copy, Debug)]
pub struct ServerSettings {
    /// More than these wait in the listener's queue.
    pub connections_max: usize,
    /// For the TLS handshake, and again for the head of the request.
    pub header_read_timeout: Duration,
    /// From the first byte of a connection to its last, if the response is not endless.
    pub connection_timeout: Duration,
    /// How long a caller may take nothing of what is sent to it.
    pub stall_timeout: Duration,
    /// How long open connections may go on after the shutdown.
    pub drain_timeout: Duration,
}

impl Default for ServerSettings {
    fn default() -> Self {
        ServerSettings {
            connections_max: 128,
            header_read_timeout: Duration::from_secs(5),
            connection_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(20),
            drain_timeout: Duration::from_secs(5),
        }
    }
}

/// Who answers, and how.
#[derive(Clone)]
pub struct Service {
    pub handler: Handler,
    pub refused: RefusalObserver,
    /// Nothing for a server that speaks in clear text.
    pub tls: Option<ServerTls>,
}

impl Service {
    /// One that speaks in clear text, and tells nobody of what it refuses.
    pub fn new(handler: Handler) -> Service {
        Service { handler, refused: Arc::new(|_| {}), tls: None }
    }
}

/// Where a request came from; an extension of it.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// Marks a response, as an extension of it, whose body goes on until one side has had enough.
#[derive(Clone, Copy, Debug)]
pub struct Endless;

/// Why a connection ended without an answer of the handler's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionRefusal {
    /// It is not HTTP.
    Malformed,
    /// The head of the request is larger than is read.
    HeadTooLarge,
    /// The handshake, the head or the whole took too long, or the caller took nothing of the answer.
    TooSlow,
    /// There was no TLS handshake that could be finished.
    Handshake,
}

/// Serves until `shutdown` is ready, then lets open connections finish within the drain timeout.
pub async fn serve(
    listener: TcpListener,
    service: Service,
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
                Ok((stream, peer)) => {
                    connections.spawn(converse(stream, Peer(peer), service.clone(), settings));
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

async fn converse(stream: TcpStream, peer: Peer, service: Service, settings: ServerSettings) {
    // Where a small message waits for more to send with it, a watcher waits too.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "a connection cannot be set up");
    }
    let stream = Impatient::new(stream, settings.stall_timeout);
    let Some(tls) = service.tls.clone() else {
        return answer(stream, peer, &service, settings).await;
    };
    match timeout(settings.header_read_timeout, tls.acceptor().accept(stream)).await {
        Ok(Ok(stream)) => answer(stream, peer, &service, settings).await,
        Ok(Err(error)) => {
            debug!(%error, "no TLS handshake");
            (service.refused)(ConnectionRefusal::Handshake);
        }
        Err(_) => (service.refused)(ConnectionRefusal::TooSlow),
    }
}

async fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    service: &Service,
    settings: ServerSettings,
) {
    let is_endless = Arc::new(AtomicBool::new(false));
    let handling = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        let response = (service.handler)(request);
        let is_endless = Arc::clone(&is_endless);
        async move {
            let response = response.await;
            is_endless.store(response.extensions().get::<Endless>().is_some(), Ordering::Release);
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.header_read_timeout)
        .max_buf_size(REQUEST_HEAD_BYTES_MAX)
        .max_headers(REQUEST_HEADERS_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), handling);
    tokio::pin!(connection);
    let ended = match timeout(settings.connection_timeout, connection.as_mut()).await {
        Ok(ended) => ended,
        Err(_) if is_endless.load(Ordering::Acquire) => connection.await,
        Err(_) => {
            debug!("connection took too long");
            return (service.refused)(ConnectionRefusal::TooSlow);
        }
    };
    if let Err(error) = ended {
        debug!(%error, "connection ended with an error");
        if let Some(refusal) = refusal(&error) {
            (service.refused)(refusal);
        }
    }
}

/// What an error of a connection says of the caller; nothing where that simply went away.
fn refusal(error: &hyper::Error) -> Option<ConnectionRefusal> {
    let source = std::error::Error::source(error);
    let io = source.and_then(|source| source.downcast_ref::<io::Error>());
    if error.is_parse_too_large() {
        Some(ConnectionRefusal::HeadTooLarge)
    } else if error.is_parse() {
        Some(ConnectionRefusal::Malformed)
    } else if error.is_timeout() || io.is_some_and(|io| io.kind() == io::ErrorKind::TimedOut) {
        Some(ConnectionRefusal::TooSlow)
    } else {
        None
    }
}
