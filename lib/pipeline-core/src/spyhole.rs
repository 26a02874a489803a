//! Places where batches can be looked at as they pass.
//!
//! Invariant: where nobody looks, a place costs one relaxed load for a batch. A look takes nothing, changes nothing, and
//! must not wait.

use std::{
    fmt::Debug,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::Batch;

/// Looks at batches.
pub trait Look: Debug + Send + Sync {
    /// Sees a batch that passes, on the thread that takes it along: it must be quick.
    fn see(&self, batch: &Batch);
}

/// One place. By default nobody can ever look there. Clones are the same place.
#[derive(Clone, Debug, Default)]
pub struct Spyhole(Option<Watched>);

#[derive(Clone, Debug)]
struct Watched {
    is_open: Arc<AtomicBool>,
    look: Arc<dyn Look>,
}

impl Spyhole {
    /// A place where `look` sees what passes while `is_open` holds.
    pub fn new(is_open: Arc<AtomicBool>, look: Arc<dyn Look>) -> Spyhole {
        Spyhole(Some(Watched { is_open, look }))
    }

    /// Shows a batch to whoever looks.
    #[inline]
    pub fn show(&self, batch: &Batch) {
        if let Some(watched) = &self.0
            && watched.is_open.load(Ordering::Relaxed)
        {
            watched.look.see(batch);
        }
    }
}
