//! One process: from its start to its end, whether it ends well or is killed.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Shared by all that belongs to one process. What is dead does nothing any more.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) number: usize,
    is_dead: AtomicBool,
}

impl Life {
    pub(crate) fn new(number: usize) -> Arc<Life> {
        Arc::new(Life { number, is_dead: AtomicBool::new(false) })
    }

    pub(crate) fn end(&self) {
        self.is_dead.store(true, Ordering::Relaxed);
    }

    /// Never resolves for a process that is dead.
    pub(crate) async fn proceed(&self) {
        if self.is_dead.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }
}
