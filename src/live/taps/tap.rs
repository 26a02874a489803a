//! The tap of one component, as the topology uses it.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use pipeline_core::{Batch, ComponentId, Event, Look, Outputs, Spyhole, Transform};

use super::{
    samples::Samples,
    watch::{Side, Watcher},
};

/// One component's tap. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Tap(pub(super) Arc<Spot>);

impl Tap {
    /// Where it can be seen what a sink takes.
    pub fn input(&self) -> Spyhole {
        self.place(None)
    }

    /// Where it can be seen what leaves a source by `port`.
    pub fn output(&self, port: &str) -> Spyhole {
        self.place(Some(port.to_owned()))
    }

    /// The tap of a transform, of which samples can be kept.
    #[must_use]
    pub fn of_transform(self) -> Tap {
        self.0.inside().is_transform = true;
        self
    }

    fn place(&self, port: Option<String>) -> Spyhole {
        let spot = Arc::clone(&self.0);
        Spyhole::new(Arc::clone(&self.0.is_open), Arc::new(Place { spot, port }))
    }

    /// Takes a batch through a transform with these ports, and shows what went in and what came out.
    ///
    /// An event that is shown with what it became goes through by itself: to a transform, batches of another size are the
    /// same events in the same order.
    pub fn pass(&self, transform: &mut dyn Transform, batch: Batch, ports: &[String]) -> Outputs {
        if !self.0.is_open.load(Ordering::Relaxed) {
            let mut outputs = Outputs::new(ports.len());
            transform.transform(batch, &mut outputs);
            return outputs;
        }
        let watchers = self.0.take_samples(&batch);
        let of_side = |side| watchers.iter().filter(move |watcher| watcher.side() == side);
        of_side(Side::In).for_each(|watcher| watcher.look(None, batch.events()));
        let both: Vec<&Watcher> = of_side(Side::Both).map(Arc::as_ref).collect();
        let outputs = pass_in_pairs(&both, transform, batch, ports);
        for watcher in of_side(Side::Out) {
            for (number, port) in ports.iter().enumerate() {
                watcher.look(Some(port), outputs.left_by(number));
            }
        }
        outputs
    }
}

/// Takes a batch through, those events by themselves that one of `watchers` chooses.
fn pass_in_pairs(
    watchers: &[&Watcher],
    transform: &mut dyn Transform,
    batch: Batch,
    ports: &[String],
) -> Outputs {
    let mut outputs = Outputs::new(ports.len());
    if watchers.is_empty() {
        transform.transform(batch, &mut outputs);
        return outputs;
    }
    let mut together = Vec::with_capacity(batch.len());
    for event in batch {
        let choosing: Vec<&&Watcher> =
            watchers.iter().filter(|watcher| watcher.chooses(&event)).collect();
        if choosing.is_empty() {
            together.push(event);
            continue;
        }
        if !together.is_empty() {
            transform.transform(Batch::from(std::mem::take(&mut together)), &mut outputs);
        }
        let before = event.detached();
        let mut became = Outputs::new(ports.len());
        transform.transform(Batch::from(vec![event]), &mut became);
        for watcher in choosing {
            watcher.show_pair(&before, &became, ports);
        }
        outputs.append(became);
    }
    if !together.is_empty() {
        transform.transform(Batch::from(together), &mut outputs);
    }
    outputs
}

/// One place of a component: its input, or a port.
#[derive(Debug)]
struct Place {
    spot: Arc<Spot>,
    port: Option<String>,
}

impl Look for Place {
    fn see(&self, batch: &Batch) {
        let side = if self.port.is_some() { Side::Out } else { Side::In };
        let watchers = self.spot.inside().watchers.clone();
        for watcher in watchers {
            if watcher.side() == side || watcher.side() == Side::Both {
                watcher.look(self.port.as_deref(), batch.events());
            }
        }
    }
}

/// What all handles of one tap share.
#[derive(Debug)]
pub(super) struct Spot {
    id: ComponentId,
    /// Whether somebody watches, or a sample is asked for.
    is_open: Arc<AtomicBool>,
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    watchers: Vec<Arc<Watcher>>,
    is_transform: bool,
    /// What the samples may take, where one is asked for.
    asked: Option<usize>,
    samples: Samples,
}

impl Spot {
    pub(super) fn new(id: ComponentId) -> Arc<Spot> {
        Arc::new(Spot { id, is_open: Arc::default(), inside: Mutex::default() })
    }

    #[cfg(test)]
    pub(super) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    pub(super) fn is_watched(&self) -> bool {
        self.watchers() > 0
    }

    pub(super) fn watchers(&self) -> usize {
        self.inside().watchers.len()
    }

    pub(super) fn is_transform(&self) -> bool {
        self.inside().is_transform
    }

    pub(super) fn samples(&self) -> Vec<Event> {
        self.inside().samples.copies()
    }

    pub(super) fn ask_for_samples(&self, bytes_max: usize) {
        self.change(|inside| inside.asked = Some(bytes_max));
    }

    pub(super) fn add(&self, watcher: &Arc<Watcher>) {
        debug_assert_eq!(self.id, *watcher.component());
        self.change(|inside| inside.watchers.push(Arc::clone(watcher)));
    }

    pub(super) fn remove(&self, watcher: &Arc<Watcher>) {
        self.change(|inside| inside.watchers.retain(|other| !Arc::ptr_eq(other, watcher)));
    }

    /// Takes samples of a batch where they are asked for, and says who watches.
    fn take_samples(&self, batch: &Batch) -> Vec<Arc<Watcher>> {
        self.change(|inside| {
            if let Some(bytes_max) = inside.asked.take() {
                inside.samples.take(batch.events(), bytes_max);
            }
            inside.watchers.clone()
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut Inside) -> T) -> T {
        let mut inside = self.inside();
        let changed = change(&mut inside);
        let is_open = !inside.watchers.is_empty() || inside.asked.is_some();
        self.is_open.store(is_open, Ordering::Relaxed);
        changed
    }

    fn inside(&self) -> std::sync::MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
