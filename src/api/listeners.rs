//! The addresses that are listened at.

use std::{convert::Infallible, future::pending, io, net::SocketAddr, sync::Arc};

use futures_util::{FutureExt, future::join_all};
use net::{
    ConnectionRefusal, Handler, ServerCertificate, ServerSettings, ServerTls, Service, TlsError,
    serve,
};
use tokio::net::TcpListener;

use super::{
    Context, Watched,
    access::{Access, RandomError},
    events::{Publisher, publish},
    feeds::Feeds,
    guard::{Served, respond},
    origin::Names,
    refusal::{self, Reason},
    sse::Streams,
};
use crate::config::{ApiConfig, Global};

/// The listeners cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address is taken, or none of this machine's.
    #[error("cannot listen at {address}, set by `[{section}]`")]
    Bind {
        /// Where it is set.
        section: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The certificate or its key cannot be used.
    #[error("cannot speak TLS as `[api]` says")]
    Tls(#[from] TlsError),
    /// There is no randomness to be had.
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// The bound listeners, not yet answering.
pub struct Listeners {
    bound: Vec<(TcpListener, Served)>,
    context: Arc<Context>,
}

impl Listeners {
    /// Binds the addresses of `global`. One address can serve both.
    pub async fn bind(global: &Global, watched: Watched) -> Result<Listeners, ListenError> {
        if global.api.is_some() {
            refusal::describe();
        }
        let api = global.api.as_ref();
        let metrics = global.metrics.as_ref().map(|metrics| metrics.address);
        let mut bound = Vec::new();
        if let Some(address) =
            metrics.filter(|address| api.is_none_or(|api| api.address != *address))
        {
            bound.push((listen("metrics", address).await?, Served { metrics: true, api: None }));
        }
        if let Some(api) = api {
            let served =
                Served { metrics: metrics == Some(api.address), api: Some(Names::new(api)) };
            bound.push((listen("api", api.address).await?, served));
        }
        let certificate = api.and_then(ApiConfig::certificate);
        let tls = certificate.map(|(certificate_file, key_file)| {
            ServerTls::open(ServerCertificate { certificate_file, key_file })
        });
        let tls = tls.transpose()?;
        let context = Context {
            access: Access::new(api.and_then(|api| api.token.as_ref()))?,
            feeds: Feeds::new(
                watched.feeds.clone(),
                watched.metrics.clone(),
                Arc::clone(&watched.clock),
            ),
            streams: Streams::default(),
            publisher: Publisher::default(),
            started: watched.clock.now(),
            allow_edit: api.is_some_and(|api| api.allow_edit),
            is_tls: tls.is_some(),
            tls,
            watched,
        };
        Ok(Listeners { bound, context: Arc::new(context) })
    }

    /// The addresses that are listened at; with port 0 in the configuration, the ports that were found.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.bound.iter().filter_map(|(listener, _)| listener.local_addr().ok()).collect()
    }

    /// Answers for as long as it is polled: the end of a drain can still be watched.
    pub async fn serve(self) -> Infallible {
        let Listeners { bound, context } = self;
        let each = bound.into_iter().map(|(listener, served)| {
            let tls = if served.api.is_some() { context.tls.clone() } else { None };
            let service = Service { tls, ..service(served, Arc::clone(&context)) };
            serve(listener, service, ServerSettings::default(), pending())
        });
        let serving = join_all(each);
        tokio::select! {
            never = publish(Arc::clone(&context)) => never,
            _ = serving => pending().await,
        }
    }
}

fn service(served: Served, context: Arc<Context>) -> Service {
    let served = Arc::new(served);
    let handler: Handler = Arc::new(move |request| {
        respond(request, Arc::clone(&served), Arc::clone(&context)).boxed()
    });
    let refused = Arc::new(|refusal: ConnectionRefusal| Reason::from(refusal).count());
    Service { handler, refused, tls: None }
}

async fn listen(section: &'static str, address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|source| ListenError::Bind {
        section,
        address,
        source,
    })
}
