//! The life of one running component: how it is ordered to end, and how others learn that it has.

use std::{
    any::Any,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::FutureExt;
use pipeline_core::{RunError, Shutdown};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, info_span};

/// A component that was started. Clones are the same one.
#[derive(Clone, Debug)]
pub(super) struct Life {
    /// Its own orders to end.
    pub(super) shutdown: Shutdown,
    /// Cancelled when it has ended, however it did.
    pub(super) ended: CancellationToken,
    is_replaced: Arc<AtomicBool>,
}

impl Life {
    /// One that ends with `all`, or alone.
    pub(super) fn of(all: &Shutdown) -> Life {
        Life { shutdown: all.child(), ended: CancellationToken::new(), is_replaced: Arc::default() }
    }

    pub(super) fn is(&self, other: &Life) -> bool {
        Arc::ptr_eq(&self.is_replaced, &other.is_replaced)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.is_cancelled()
    }

    /// From now on the topology can do without it: that it fails is no failure of the run.
    pub(super) fn replace(&self) {
        self.is_replaced.store(true, Ordering::Release);
    }
}

/// How a component has ended.
pub(super) struct Ended {
    /// Nothing for one that is no component.
    pub(super) name: Option<String>,
    pub(super) result: Result<(), RunError>,
    /// Whether the topology could do without it.
    pub(super) is_replaced: bool,
}

/// Runs a component to its end. A panic of its is its error, and has its name.
pub(super) fn live(
    name: Option<String>,
    life: Life,
    running: impl Future<Output = Result<(), RunError>>,
) -> impl Future<Output = Ended> {
    // Told also where the task is aborted, even before it was begun.
    let end = life.ended.drop_guard();
    let is_replaced = life.is_replaced;
    // So that every line that is logged on the way tells whose it is.
    let span =
        name.as_ref().map_or_else(Span::none, |id| info_span!("component", component_id = id));
    async move {
        let result = AssertUnwindSafe(running).catch_unwind().instrument(span).await;
        let result = result.unwrap_or_else(|panic| {
            Err(RunError::plain(format!("it panicked: {}", panic_text(&*panic))))
        });
        let is_replaced = is_replaced.load(Ordering::Acquire);
        drop(end);
        Ended { name, result, is_replaced }
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}
