//! What lets a topology be changed while it runs: outlets that are led elsewhere, edges that are held without being kept
//! open, and what a sink that is taken away leaves behind.
//!
//! Invariant: a batch goes to the readers of one moment, all of them or as many as are still there; a switch takes none
//! away from it. What was on its way to the readers before goes on to them.

use std::sync::{
    Arc, PoisonError, RwLock, Weak,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::{Notify, mpsc};

use crate::{
    Batch, ComponentMetrics, Outlet, Spyhole,
    edge::{Edge, Edges},
};

/// Where an outlet leads now. Clones of the outlet share it.
#[derive(Clone, Debug)]
pub(crate) struct Lead(Arc<RwLock<Edges>>);

impl Lead {
    pub(crate) fn new(edges: Edges) -> Lead {
        Lead(Arc::new(RwLock::new(edges)))
    }

    /// Where it leads at this moment.
    pub(crate) fn now(&self) -> Edges {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn turn(&self, edges: Edges) {
        // What was there before is dropped after the lock is given back.
        let mut place = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *place, edges);
        drop(place);
        drop(before);
    }
}

/// Leads an outlet and all its clones elsewhere. Does not keep it open.
#[derive(Clone, Debug)]
pub struct OutletSwitch {
    lead: Weak<RwLock<Edges>>,
    writer: Option<ComponentMetrics>,
    spyhole: Spyhole,
}

impl OutletSwitch {
    /// Lets what is sent from now on go to the readers of `to`. Nothing happens where the outlet is gone.
    pub fn lead_to(&self, to: &Outlet) {
        if let Some(lead) = self.lead.upgrade() {
            Lead(lead).turn(to.lead.now());
        }
    }

    /// A clone of the outlet; nothing where all of them are gone.
    pub fn upgrade(&self) -> Option<Outlet> {
        let lead = Lead(self.lead.upgrade()?);
        Some(Outlet { lead, writer: self.writer.clone(), spyhole: self.spyhole.clone() })
    }
}

impl Outlet {
    /// A way to lead this outlet and all its clones elsewhere.
    pub fn switch(&self) -> OutletSwitch {
        OutletSwitch {
            lead: Arc::downgrade(&self.lead.0),
            writer: self.writer.clone(),
            spyhole: self.spyhole.clone(),
        }
    }

    /// The edges of this outlet, without keeping them open.
    pub fn downgrade(&self) -> WeakOutlet {
        let weak = |edge: &Edge| WeakEdge {
            sender: edge.sender.downgrade(),
            reader: edge.reader.clone(),
            withdrawal: edge.withdrawal.clone(),
        };
        WeakOutlet(self.lead.now().iter().map(weak).collect())
    }
}

/// Edges that end although this is held.
#[derive(Clone, Debug)]
pub struct WeakOutlet(Vec<WeakEdge>);

#[derive(Clone, Debug)]
struct WeakEdge {
    sender: mpsc::WeakSender<Batch>,
    reader: ComponentMetrics,
    withdrawal: Option<Withdrawal>,
}

impl WeakOutlet {
    /// An outlet to the same readers, unless one of the edges has ended or lost its reader.
    pub fn upgrade(&self) -> Option<Outlet> {
        let mut edges = Vec::with_capacity(self.0.len());
        for WeakEdge { sender, reader, withdrawal } in &self.0 {
            let sender = sender.upgrade().filter(|sender| !sender.is_closed())?;
            edges.push(Edge { sender, reader: reader.clone(), withdrawal: withdrawal.clone() });
        }
        Some(Outlet::new(Lead::new(edges.into())))
    }
}

/// Tells that a sink is not wanted any more. Clones tell the same.
///
/// What the sink still delivers counts. What else it says of an event is not heard from then on: the sinks beside it decide.
/// An event of which nobody else speaks was not delivered, and its source sends it again. Nobody waits any more for a place
/// on the edge to it.
#[derive(Clone, Debug, Default)]
pub struct Withdrawal(Arc<Told>);

#[derive(Debug, Default)]
struct Told {
    is_told: AtomicBool,
    told: Notify,
}

impl Withdrawal {
    /// Tells it.
    pub fn tell(&self) {
        self.0.is_told.store(true, Ordering::SeqCst);
        self.0.told.notify_waiters();
    }

    /// Whether it was told.
    pub fn is_told(&self) -> bool {
        self.0.is_told.load(Ordering::SeqCst)
    }

    /// Resolves when it is told.
    pub(crate) async fn told(&self) {
        // Listening comes before looking, so that nothing is told in between.
        let told = self.0.told.notified();
        if !self.is_told() {
            told.await;
        }
    }
}
