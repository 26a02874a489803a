//! What is served over HTTP: `/metrics` for Prometheus, `/health` and `/ready` for whoever keeps the process alive, the
//! status page, and the API that it and other programs ask.
//!
//! Invariants: what is asked passes the guards of `guard` first. Nothing here can hold the topology up, and whatever is
//! kept for callers has a bound. Audit data leave only to those whom `access` lets in.

mod access;
mod answer;
mod events;
mod feeds;
mod guard;
mod listeners;
mod origin;
mod overview;
mod page;
mod probe;
mod refusal;
mod request;
mod route;
mod session;
mod sse;
mod stats;
mod tap;
#[cfg(test)]
mod tests;
mod workshop;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use net::ServerTls;
use pipeline_core::{Clock, Timestamp};

use self::{access::Access, events::Publisher, feeds::Feeds, sse::Streams};
pub use self::{
    access::RandomError,
    feeds::{FeedSource, FeedSources},
    listeners::{ListenError, Listeners},
};
use crate::{
    live::Live,
    telemetry::{Metrics, Problems},
};

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

/// What is shown.
#[derive(Clone)]
pub struct Watched {
    /// What was counted.
    pub metrics: Metrics,
    /// Whether the topology runs.
    pub readiness: Readiness,
    /// The topology.
    pub live: Live,
    /// What went wrong.
    pub problems: Problems,
    /// The sources whose feeds are shown.
    pub feeds: FeedSources,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// What requests are answered from.
struct Context {
    watched: Watched,
    access: Access,
    feeds: Feeds,
    streams: Streams,
    publisher: Publisher,
    started: Timestamp,
    /// Whether files of programs may be written.
    allow_edit: bool,
    is_tls: bool,
    tls: Option<ServerTls>,
}
