//! What is served over HTTP: `/metrics` for Prometheus, `/health` and `/ready` for whoever keeps the process alive, and
//! what the topology shows of itself.

use std::{
    convert::Infallible,
    future::pending,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use futures_util::future::{BoxFuture, join_all};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use net::{Handler, ServerSettings, serve};
use tokio::net::TcpListener;

use crate::{config::Global, live::Live, telemetry::Metrics};

/// The content type of Prometheus' text format, version 0.0.4.
const METRICS_CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Whether the topology runs.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Says whether it runs from now on.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Release);
    }

    fn is_ready(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A listener's address cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen at {address}, set by `[{section}]`")]
pub struct ListenError {
    section: &'static str,
    address: SocketAddr,
    source: io::Error,
}

/// What is answered at one address.
#[derive(Clone, Copy)]
struct Served {
    metrics: bool,
    api: bool,
}

/// The bound listeners, not yet answering.
pub struct Listeners {
    bound: Vec<(TcpListener, Served)>,
    metrics: Metrics,
    readiness: Readiness,
    live: Live,
}

impl Listeners {
    /// Binds the addresses of `global`. One address can serve both.
    pub async fn bind(
        global: &Global,
        metrics: Metrics,
        readiness: Readiness,
        live: Live,
    ) -> Result<Listeners, ListenError> {
        let mut bound = Vec::new();
        match (global.metrics, global.api) {
            (Some(metrics), Some(api)) if metrics == api => {
                bound.push((
                    listen("metrics", metrics.address).await?,
                    Served { metrics: true, api: true },
                ));
            }
            (metrics, api) => {
                if let Some(listener) = metrics {
                    bound.push((
                        listen("metrics", listener.address).await?,
                        Served { metrics: true, api: false },
                    ));
                }
                if let Some(listener) = api {
                    bound.push((
                        listen("api", listener.address).await?,
                        Served { metrics: false, api: true },
                    ));
                }
            }
        }
        Ok(Listeners { bound, metrics, readiness, live })
    }

    /// The addresses that are listened at; with port 0 in the configuration, the ports that were found.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.bound.iter().filter_map(|(listener, _)| listener.local_addr().ok()).collect()
    }

    /// Answers for as long as it is polled: the end of a drain can still be watched.
    pub async fn serve(self) -> Infallible {
        let Listeners { bound, metrics, readiness, live } = self;
        let each = bound.into_iter().map(|(listener, served)| {
            let (metrics, readiness) = (metrics.clone(), readiness.clone());
            let live = live.clone();
            let handler: Handler =
                Arc::new(move |request| answer(&request, served, &metrics, &readiness, &live));
            serve(listener, handler, ServerSettings::default(), pending())
        });
        join_all(each).await;
        pending().await
    }
}

async fn listen(section: &'static str, address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|source| ListenError { section, address, source })
}

fn answer(
    request: &Request<Incoming>,
    served: Served,
    metrics: &Metrics,
    readiness: &Readiness,
    live: &Live,
) -> BoxFuture<'static, Response<Full<Bytes>>> {
    let response = match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/metrics") if served.metrics => {
            text(StatusCode::OK, METRICS_CONTENT_TYPE, metrics.render())
        }
        (&Method::GET | &Method::HEAD, "/health") if served.api => plain(StatusCode::OK, "ok\n"),
        (&Method::GET | &Method::HEAD, "/ready") if served.api && readiness.is_ready() => {
            plain(StatusCode::OK, "ready\n")
        }
        (&Method::GET | &Method::HEAD, "/ready") if served.api => {
            plain(StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
        }
        (&Method::GET | &Method::HEAD, "/api/topology") if served.api => {
            match serde_json::to_string(&*live.description()) {
                Ok(body) => text(StatusCode::OK, "application/json", body),
                Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "cannot be shown\n"),
            }
        }
        (&Method::GET | &Method::HEAD, _) => plain(StatusCode::NOT_FOUND, "not found\n"),
        _ => plain(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered here\n"),
    };
    Box::pin(std::future::ready(response))
}

fn plain(status: StatusCode, body: &str) -> Response<Full<Bytes>> {
    text(status, "text/plain; charset=utf-8", body.to_owned())
}

fn text(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response
}
