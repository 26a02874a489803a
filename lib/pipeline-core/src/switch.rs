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

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use futures_util::FutureExt;

    use super::*;
    use crate::{ComponentKind, Inlet, Outcome, edge, edge_to_sink, testing};

    fn metrics(id: &str) -> ComponentMetrics {
        testing::metrics(ComponentKind::Sink, id)
    }

    fn sink_edge() -> (Outlet, Inlet, Withdrawal) {
        let withdrawal = Withdrawal::default();
        let (outlet, inlet) = edge_to_sink(NonZeroUsize::MIN, &metrics("sink"), withdrawal.clone());
        (outlet, inlet, withdrawal)
    }

    #[tokio::test]
    async fn what_waits_for_the_old_reader_goes_there_and_what_follows_to_the_new() {
        let (outlet, mut old) = edge(NonZeroUsize::MIN, &metrics("old"));
        let (other, mut new) = edge(NonZeroUsize::MIN, &metrics("new"));
        let outlet = Outlet::fan_out(&[outlet], &metrics("writer"));
        let clone = outlet.clone();
        outlet.send(testing::batch(&["{}"]).0).await.expect("the old one reads");
        let mut waiting = Box::pin(outlet.send(testing::batch(&["{}", "{}"]).0));
        assert!((&mut waiting).now_or_never().is_none());
        outlet.switch().lead_to(&other);
        clone.send(testing::batch(&["{}", "{}", "{}"]).0).await.expect("the new one reads");
        assert_eq!(new.next().await.map(|batch| batch.len()), Some(3));
        assert_eq!(old.next().await.map(|batch| batch.len()), Some(1));
        waiting.await.expect("the old one reads");
        assert_eq!(old.next().await.map(|batch| batch.len()), Some(2));
        assert!(old.next().await.is_none(), "nothing leads there any more");
    }

    #[tokio::test]
    async fn an_old_reader_that_leaves_is_no_error_of_who_was_led_elsewhere() {
        let (outlet, old) = edge(NonZeroUsize::MIN, &metrics("old"));
        let (other, _new) = edge(NonZeroUsize::MIN, &metrics("new"));
        let outlet = Outlet::fan_out(&[outlet], &metrics("writer"));
        outlet.send(testing::batch(&["{}"]).0).await.expect("the old one reads");
        let (batch, receipt) = testing::batch(&["{}"]);
        let mut waiting = Box::pin(outlet.send(batch));
        assert!((&mut waiting).now_or_never().is_none());
        outlet.switch().lead_to(&other);
        drop(old);
        waiting.await.expect("it has another reader now");
        assert_eq!(receipt.await.count(Outcome::Errored), 1);
    }

    #[tokio::test]
    async fn a_weak_edge_keeps_nothing_open() {
        let (outlet, mut inlet, _withdrawal) = sink_edge();
        let weak = outlet.downgrade();
        assert!(weak.upgrade().is_some());
        drop(outlet);
        assert!(inlet.next().await.is_none());
        assert!(weak.upgrade().is_none());
    }

    #[tokio::test]
    async fn a_withdrawn_sink_says_nothing_but_good() {
        let (sink, mut inlet, withdrawal) = sink_edge();
        let (beside, mut other) = edge(NonZeroUsize::MIN, &metrics("beside"));
        let outlet = Outlet::fan_out(&[beside, sink], &metrics("writer"));
        let (batch, receipt) = testing::batch(&["{}", "{}"]);
        outlet.send(batch).await.expect("both read");
        let (next, next_receipt) = testing::batch(&["{}"]);
        let mut waiting = Box::pin(outlet.send(next));
        assert!((&mut waiting).now_or_never().is_none());
        other.next().await.expect("a batch").settle(Outcome::Delivered);
        assert!((&mut waiting).now_or_never().is_none());
        withdrawal.tell();
        waiting.await.expect("nobody waits for it");
        other.next().await.expect("a batch").settle(Outcome::Rejected);
        assert_eq!(next_receipt.await.count(Outcome::Rejected), 1);
        inlet.next().await.expect("a batch").settle(Outcome::Errored);
        assert_eq!(receipt.await.count(Outcome::Delivered), 2);
        // Where it alone has an event, that was not delivered.
        let (alone, inlet, withdrawal) = sink_edge();
        let (batch, receipt) = testing::batch(&["{}"]);
        withdrawal.tell();
        alone.send(batch).await.expect("there is a place");
        drop((inlet, alone));
        assert_eq!(receipt.await.count(Outcome::Errored), 1);
    }
}
