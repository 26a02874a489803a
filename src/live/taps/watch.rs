//! Whoever watches, and what they get.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use pipeline_core::{Clock, ComponentId, ComponentKind, Event, Outputs, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{mpsc, watch},
    time::{Duration, Instant, sleep_until},
};
use vrl::value::Value;

use super::{
    Taps,
    choice::{Choice, Chosen},
};
use crate::{
    config::fault::nearest,
    live::{Description, Live},
    program::{CompileError, Condition},
};

/// Events that wait for a watcher, at most.
const QUEUE_EVENTS_MAX: usize = 256;

/// Size of the records that wait for a watcher, at most; one event may be larger.
const QUEUE_BYTES_MAX: usize = 1024 * 1024;

/// How often a watcher is told of what it did not see.
const SKIPPED_INTERVAL: Duration = Duration::from_secs(1);

/// Events a second that can be asked for.
const RATE_MAX: f64 = 1000.0;

/// Which of a component's sides is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// What arrives.
    In,
    /// What leaves.
    Out,
    /// What arrives, and what each event of it becomes.
    Both,
}

/// What somebody wants to see.
#[derive(Clone, Debug)]
pub struct WatchRequest {
    /// The component's name.
    pub component: String,
    /// Of what leaves, only what does so by this port.
    pub port: Option<String>,
    /// By default what leaves; for a sink what arrives.
    pub side: Option<Side>,
    /// Only events for which this VRL condition holds: of what arrives where that is watched, else of what leaves.
    pub condition: Option<String>,
    /// Events a second, at most.
    pub rate: f64,
}

/// Why somebody cannot watch.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// A name that no component has, or a port that the component does not have.
    #[error("{message}")]
    Unknown {
        /// What there is not.
        message: String,
        /// What there is.
        fix: String,
    },
    /// Nothing arrives, or nothing leaves, where that was asked for.
    #[error("{message}")]
    Nothing {
        /// What there is not.
        message: String,
    },
    /// The condition is none.
    #[error("the condition does not compile")]
    Condition(#[source] CompileError),
    /// A rate that nobody can mean.
    #[error("{rate} events a second is no rate from 0 to {rate_max}")]
    Rate {
        /// What was asked for.
        rate: f64,
        /// What can be.
        rate_max: f64,
    },
    /// There are enough watchers.
    #[error("{watchers_max} watch already, which is as many as can")]
    TooMany {
        /// As many as can watch.
        watchers_max: usize,
    },
}

/// An event that passed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shown {
    /// The component that it passed.
    pub component: ComponentId,
    /// The port by which it left; nothing where it arrived.
    pub port: Option<String>,
    /// Whether it arrived or left.
    pub side: Side,
    /// When.
    pub at: Timestamp,
    /// Its content.
    pub event: Value,
    /// Its metadata.
    pub metadata: Value,
    /// What it was before the transform; only where both sides are watched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    #[serde(skip)]
    byte_size: usize,
}

/// What a watcher gets.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// An event.
    Event(Box<Shown>),
    /// So many events passed and were not looked at: the limit was reached, or the watcher was too slow.
    Skipped(u64),
    /// A reload has removed the component.
    Gone,
    /// A reload has put it in again.
    Back,
}

/// The side of a watcher that the topology sees.
#[derive(Debug)]
pub(super) struct Watcher {
    component: ComponentId,
    port: Option<String>,
    side: Side,
    clock: Arc<dyn Clock>,
    choice: Mutex<Choice>,
    queue: mpsc::Sender<Shown>,
    queued_bytes: AtomicUsize,
    skipped: AtomicU64,
}

impl Watcher {
    pub(super) fn component(&self) -> &ComponentId {
        &self.component
    }

    pub(super) fn side(&self) -> Side {
        self.side
    }

    /// Shows those of `events` that are chosen, which leave by `port` or arrive.
    pub(super) fn look(&self, port: Option<&str>, events: &[Event]) {
        if !self.is_of(port) || events.is_empty() {
            return;
        }
        let mut choice = self.choice();
        choice.refresh();
        for (number, event) in events.iter().enumerate() {
            match choice.of(event) {
                Chosen::Yes => self.show(port, event, None),
                Chosen::No => {}
                Chosen::Skipped => {
                    self.skip(events.len() - number);
                    return;
                }
            }
        }
    }

    /// Whether `event`, which arrives, is to be shown with what it becomes.
    pub(super) fn chooses(&self, event: &Event) -> bool {
        let mut choice = self.choice();
        choice.refresh();
        match choice.of(event) {
            Chosen::Yes => true,
            Chosen::No => false,
            Chosen::Skipped => {
                self.skip(1);
                false
            }
        }
    }

    /// Shows what became of one event; itself where nothing did.
    pub(super) fn show_pair(&self, before: &Event, became: &Outputs, ports: &[String]) {
        let mut is_gone = true;
        for (number, port) in ports.iter().enumerate() {
            for event in became.left_by(number) {
                is_gone = false;
                if self.is_of(Some(port)) {
                    self.show(Some(port), event, Some(before.value().clone()));
                }
            }
        }
        if is_gone && self.port.is_none() {
            self.show(None, before, None);
        }
    }

    fn is_of(&self, port: Option<&str>) -> bool {
        match (&self.port, port) {
            (Some(wanted), Some(port)) => wanted == port,
            (Some(_) | None, None) | (None, Some(_)) => true,
        }
    }

    fn choice(&self) -> std::sync::MutexGuard<'_, Choice> {
        self.choice.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, port: Option<&str>, event: &Event, before: Option<Value>) {
        let waiting = self.queued_bytes.load(Ordering::Relaxed);
        let byte_size = event.byte_size();
        let Ok(place) = self.queue.try_reserve() else { return self.skip(1) };
        if waiting > 0 && waiting + byte_size > QUEUE_BYTES_MAX {
            return self.skip(1);
        }
        self.queued_bytes.fetch_add(byte_size, Ordering::Relaxed);
        place.send(Shown {
            component: Arc::clone(&self.component),
            port: port.map(str::to_owned),
            side: if port.is_some() { Side::Out } else { Side::In },
            at: self.clock.now(),
            event: event.value().clone(),
            metadata: event.metadata().clone(),
            before,
            byte_size,
        });
    }

    fn skip(&self, events: usize) {
        self.skipped.fetch_add(events as u64, Ordering::Relaxed);
    }
}

/// The right to see what passes a component. It ends when it is dropped.
#[derive(Debug)]
pub struct Watch {
    watcher: Arc<Watcher>,
    seen: mpsc::Receiver<Shown>,
    taps: Taps,
    descriptions: watch::Receiver<Arc<Description>>,
    is_there: bool,
    skipped_next: Instant,
}

impl Live {
    /// Watches a component, by the time that `clock` tells.
    pub fn watch(
        &self,
        request: &WatchRequest,
        clock: Arc<dyn Clock>,
    ) -> Result<Watch, WatchError> {
        if !(request.rate > 0.0 && request.rate <= RATE_MAX) {
            return Err(WatchError::Rate { rate: request.rate, rate_max: RATE_MAX });
        }
        let mut descriptions = self.descriptions();
        let description = descriptions.borrow_and_update().clone();
        let (component, side) = place(&description, request)?;
        let condition = request.condition.as_deref().filter(|text| !text.trim().is_empty());
        let condition = condition.map(|text| self.condition(text, &component, side)).transpose()?;
        let (queue, seen) = mpsc::channel(QUEUE_EVENTS_MAX);
        let watcher = Arc::new(Watcher {
            component,
            port: request.port.clone(),
            side,
            clock,
            choice: Mutex::new(Choice::new(request.rate, condition.as_ref())),
            queue,
            queued_bytes: AtomicUsize::new(0),
            skipped: AtomicU64::new(0),
        });
        let taps = self.taps().clone();
        taps.add(&watcher)?;
        let skipped_next = Instant::now() + SKIPPED_INTERVAL;
        Ok(Watch { watcher, seen, taps, descriptions, is_there: true, skipped_next })
    }

    fn condition(
        &self,
        text: &str,
        component: &ComponentId,
        side: Side,
    ) -> Result<Condition, WatchError> {
        self.workshop().condition(text, component, side).map_err(WatchError::Condition)
    }
}

/// The component that is meant, and the side of it.
fn place(
    description: &Description,
    request: &WatchRequest,
) -> Result<(ComponentId, Side), WatchError> {
    let name = request.component.as_str();
    let component = description.components.iter().find(|component| *component.id == *name);
    let component = component.ok_or_else(|| {
        let ids = || description.components.iter().map(|component| &*component.id);
        let fix = match nearest(name, ids()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("the components are: {}", ids().collect::<Vec<_>>().join(", ")),
        };
        WatchError::Unknown { message: format!("there is no component `{name}`"), fix }
    })?;
    let default = if component.kind == ComponentKind::Sink { Side::In } else { Side::Out };
    let side = request.side.unwrap_or(default);
    let nothing = |what: &str| Err(WatchError::Nothing { message: what.to_owned() });
    match (component.kind, side) {
        (ComponentKind::Sink, Side::Out) => {
            return nothing(&format!("`{name}` is a sink; nothing leaves it"));
        }
        (ComponentKind::Source, Side::In) => {
            return nothing(&format!("`{name}` is a source; nothing arrives at it"));
        }
        (ComponentKind::Source | ComponentKind::Transform | ComponentKind::Sink, _) => {}
    }
    if let Some(port) = &request.port
        && !component.outputs.iter().any(|output| output.port == *port)
    {
        let named = |port: &str| {
            if port.is_empty() { format!("`{name}`") } else { format!("`{name}.{port}`") }
        };
        let all = component.outputs.iter().map(|output| named(&output.port));
        return Err(WatchError::Unknown {
            message: format!("there is no output {}", named(port)),
            fix: if component.outputs.is_empty() {
                "name the sink alone".to_owned()
            } else {
                format!("its outputs are: {}", all.collect::<Vec<_>>().join(", "))
            },
        });
    }
    Ok((Arc::clone(&component.id), side))
}

impl Watch {
    /// The next that there is to see. Cancel-safe. Nothing once the topology is no more.
    pub async fn next(&mut self) -> Option<Seen> {
        loop {
            tokio::select! {
                biased;
                () = sleep_until(self.skipped_next) => {
                    self.skipped_next = Instant::now() + SKIPPED_INTERVAL;
                    let skipped = self.watcher.skipped.swap(0, Ordering::Relaxed);
                    if skipped > 0 {
                        return Some(Seen::Skipped(skipped));
                    }
                }
                shown = self.seen.recv() => {
                    let shown = shown?;
                    self.watcher.queued_bytes.fetch_sub(shown.byte_size, Ordering::Relaxed);
                    return Some(Seen::Event(Box::new(shown)));
                }
                changed = self.descriptions.changed() => {
                    changed.ok()?;
                    let description = self.descriptions.borrow_and_update().clone();
                    let id = &self.watcher.component;
                    let is_there =
                        description.components.iter().any(|component| component.id == *id);
                    if is_there != std::mem::replace(&mut self.is_there, is_there) {
                        return Some(if is_there { Seen::Back } else { Seen::Gone });
                    }
                }
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.taps.remove(&self.watcher);
    }
}
