//! What can be seen of a running topology, and asked of it, by those outside: the HTTP API, the page, `top`, `tap`.
//!
//! The topology describes itself here, lets watchers see events by its taps, and takes orders to reload. Nothing here
//! knows HTTP, and nothing here can hold the topology up: who watches too slowly sees less.

mod description;
mod reload;
pub mod taps;
pub mod workshop;

use std::sync::Arc;

use tokio::sync::{Mutex, mpsc, oneshot, watch};

pub use self::{
    description::{ComponentDescription, Description, OutputDescription},
    reload::{Changes, FaultReport, Refused, ReloadRequest, ReloadRequests, Reloaded},
    taps::Taps,
    workshop::{Workplace, Workshop},
};

/// Orders to reload that may wait: more callers than this wait themselves.
const RELOADS_WAITING_MAX: usize = 16;

/// The running topology, as those outside see it. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Live {
    description: Arc<watch::Sender<Arc<Description>>>,
    last_reload: Arc<watch::Sender<Option<ReloadEnd>>>,
    reloads: mpsc::Sender<ReloadRequest>,
    taps: Taps,
    workshop: Arc<watch::Sender<Arc<Workshop>>>,
    /// Whose turn it is to try a program.
    trials: Arc<Mutex<()>>,
}

/// How a reload ended.
pub type ReloadEnd = Result<Reloaded, Arc<Refused>>;

impl Live {
    /// One of a topology that is not described yet, and where whoever runs it takes its orders.
    pub fn new() -> (Live, ReloadRequests) {
        let (reloads, requests) = mpsc::channel(RELOADS_WAITING_MAX);
        let live = Live {
            description: Arc::new(watch::Sender::new(Arc::default())),
            last_reload: Arc::new(watch::Sender::new(None)),
            reloads,
            taps: Taps::default(),
            workshop: Arc::new(watch::Sender::new(Arc::default())),
            trials: Arc::default(),
        };
        (live, ReloadRequests(requests))
    }

    /// What runs now.
    pub fn description(&self) -> Arc<Description> {
        self.description.borrow().clone()
    }

    /// What runs now, and what comes after it.
    pub fn descriptions(&self) -> watch::Receiver<Arc<Description>> {
        self.description.subscribe()
    }

    /// Says what runs from now on.
    pub fn describe(&self, description: Description) {
        self.description.send_replace(Arc::new(description));
    }

    /// Says with what the programs that run from now on are tried.
    pub fn equip(&self, workshop: Workshop) {
        self.workshop.send_replace(Arc::new(workshop));
    }

    /// Where the programs that run can be read and tried.
    pub fn workshop(&self) -> Arc<Workshop> {
        self.workshop.borrow().clone()
    }

    /// Where events can be watched.
    pub fn taps(&self) -> &Taps {
        &self.taps
    }

    /// How reloads end, whoever ordered them; nothing before the first.
    pub fn reload_ends(&self) -> watch::Receiver<Option<ReloadEnd>> {
        self.last_reload.subscribe()
    }

    /// Says how a reload has ended.
    pub fn reload_ended(&self, end: ReloadEnd) {
        self.last_reload.send_replace(Some(end));
    }

    /// Orders to read the configuration again and waits for what becomes of it. Nothing where the topology is ending.
    pub async fn reload(&self) -> Option<ReloadEnd> {
        let (answer, end) = oneshot::channel();
        self.reloads.send(ReloadRequest { answer }).await.ok()?;
        end.await.ok()
    }
}
