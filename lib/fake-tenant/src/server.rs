//! Puts [`FakeTenants`] on a loopback port, HTTP/1.1 with keep-alive. All its tasks end with it.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::body::Body;
use crate::settings::HeaderCase;
use crate::tenants::FakeTenants;

/// A request has a form or a webhook as its body; this is far more than either.
const REQUEST_BODY_BYTES_MAX: usize = 64 * 1024;

/// A running server; dropping it closes its port and cuts all connections.
pub struct Server {
    address: SocketAddr,
    tasks: JoinSet<()>,
}

impl Server {
    /// Serves on a free port.
    pub async fn start(tenants: Arc<FakeTenants>) -> io::Result<Server> {
        Server::start_on(tenants, 0).await
    }

    /// Serves on this port, or on a free one if it is 0. From here on the tenants say that they live there.
    pub async fn start_on(tenants: Arc<FakeTenants>, port: u16) -> io::Result<Server> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        tenants.set_base_url(&format!("http://{address}"));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, tenants));
        Ok(Server { address, tasks })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the token endpoint is, such as `http://127.0.0.1:41234`.
    pub fn login_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where the API is, which is also the resource to ask a token for.
    pub fn resource_url(&self) -> String {
        self.login_url()
    }

    /// Closes the port, cuts all connections and waits until they are gone.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

async fn accept(listener: TcpListener, tenants: Arc<FakeTenants>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A connection that fails while it is accepted is the client's loss.
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve(stream, tenants.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, tenants: Arc<FakeTenants>) {
    // Without it small pieces of slow bodies would wait for each other; if it cannot be had, they do.
    drop(stream.set_nodelay(true));
    let title_case = tenants.settings().header_case == HeaderCase::Title;
    let service = service_fn(move |request| answer(tenants.clone(), request));
    let connection = http1::Builder::new()
        .title_case_headers(title_case)
        .serve_connection(TokioIo::new(stream), service);
    // A connection ends in an error when a fault breaks it or the client leaves: both are meant to be.
    drop(connection.await);
}

async fn answer(
    tenants: Arc<FakeTenants>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, REQUEST_BODY_BYTES_MAX).collect().await else {
        let empty = Full::new(Bytes::new()).map_err(|never| match never {}).boxed_unsync();
        let mut response = Response::new(empty);
        *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        return Ok(response);
    };
    Ok(tenants.handle(Request::from_parts(head, body.to_bytes())).await)
}
