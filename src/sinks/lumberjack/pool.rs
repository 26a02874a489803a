//! The receivers: which of them gets the next window, over which connection, and how large it is.
//!
//! Invariant: a host that fails is left alone for a while, longer each time, and then tried with one window; so a dead
//! host costs the others nothing. Only where no host works is one tried before its time: the wait is then the driver's.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use lumberjack::Client;
use net::{Address, ConnectError, Stream, StreamConnector};
use pipeline_core::ComponentId;
use tokio::{sync::Notify, time::Instant};
use tracing::{debug, info, warn};

use crate::delivery::{Backoff, BackoffSettings};

/// Events of the first window: few, so that a receiver that is new or has failed shows what it can take.
const FIRST_WINDOW_EVENTS: usize = 16;

/// Age of an unused connection at which it is not used any more: Logstash ends them after 60 s.
const IDLE_MAX: Duration = Duration::from_secs(45);

/// Unused for so long, a connection may have been ended without our knowing yet.
const FRESH_MAX: Duration = Duration::from_secs(1);

/// How to use receivers.
#[derive(Clone, Copy, Debug)]
pub(super) struct PoolSettings {
    /// Whether all hosts are used, or the first one that works.
    pub is_balanced: bool,
    /// Events of a window at most.
    pub window_size: NonZeroUsize,
    /// Windows under way on a connection at most.
    pub windows_max: NonZeroUsize,
    /// Age at which a connection is replaced.
    pub ttl: Option<Duration>,
    pub connect_timeout: Duration,
    pub ack_timeout: Duration,
    pub backoff: BackoffSettings,
    pub seed: u64,
}

/// All receivers of a sink.
#[derive(Debug)]
pub(super) struct Pool {
    hosts: Vec<Host>,
    states: Mutex<States>,
    /// Told when a host has a place for another window, or works again.
    freed: Notify,
    connector: StreamConnector,
    settings: PoolSettings,
    backoff: Backoff,
    component_id: ComponentId,
}

#[derive(Debug)]
struct Host {
    address: Address,
    /// Locked while a connection is made, so that one is made and not one a window.
    connection: tokio::sync::Mutex<Option<Connection>>,
}

#[derive(Debug)]
struct Connection {
    client: Arc<Client<Stream>>,
    made: Instant,
}

#[derive(Debug)]
struct States {
    hosts: Vec<HostState>,
    /// The host that was chosen last.
    last: usize,
}

#[derive(Clone, Debug)]
struct HostState {
    /// Windows that have their place.
    under_way: usize,
    /// Events of the next window at most.
    window: usize,
    /// Failures in a row.
    failures: u32,
    /// When it may be tried again, after a failure.
    retry_at: Option<Instant>,
    /// Counts failures. Who fails with a connection of before says nothing new.
    generation: u64,
}

/// Where the next window goes.
enum Choice {
    Host(usize),
    /// The hosts that work have no place.
    Wait,
    /// No host works.
    None,
}

/// A place for one window at a host.
#[derive(Debug)]
pub(super) struct Lease<'a> {
    pool: &'a Pool,
    host: usize,
    generation: u64,
}

/// A connection for a window.
pub(super) struct Way {
    pub client: Arc<Client<Stream>>,
    /// Nothing was sent over it for a while, so that it may be gone without a fault of the host.
    pub was_idle: bool,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum WayError {
    #[error(transparent)]
    Connect(ConnectError),
    #[error("`{0}` has failed while others waited for it")]
    Failed(Address),
}

impl Pool {
    /// Connects to nothing yet.
    pub(super) fn new(
        hosts: Vec<Address>,
        connector: StreamConnector,
        settings: PoolSettings,
        component_id: ComponentId,
    ) -> Pool {
        let state = HostState {
            under_way: 0,
            window: FIRST_WINDOW_EVENTS.min(settings.window_size.get()),
            failures: 0,
            retry_at: None,
            generation: 0,
        };
        let last = hosts.len().saturating_sub(1);
        let states = States { hosts: vec![state; hosts.len()], last };
        let host = |address| Host { address, connection: tokio::sync::Mutex::default() };
        Pool {
            hosts: hosts.into_iter().map(host).collect(),
            states: Mutex::new(states),
            freed: Notify::new(),
            connector,
            settings,
            backoff: Backoff::new(settings.backoff, settings.seed),
            component_id,
        }
    }

    /// A place for a window, as soon as there is one. Nothing when no host works, unless `is_due`: then the one that is
    /// the next to be tried.
    pub(super) async fn lease(&self, is_due: bool) -> Option<Lease<'_>> {
        loop {
            let freed = self.freed.notified();
            match self.take(is_due) {
                Choice::Host(host) => {
                    let generation = self.states().hosts[host].generation;
                    return Some(Lease { pool: self, host, generation });
                }
                Choice::None => return None,
                Choice::Wait => freed.await,
            }
        }
    }

    fn take(&self, is_due: bool) -> Choice {
        let now = Instant::now();
        let mut states = self.states();
        let choice = states.choose(now, &self.settings, is_due);
        if let Choice::Host(host) = choice {
            states.last = host;
            let state = &mut states.hosts[host];
            state.under_way += 1;
            if state.retry_at.is_some() {
                // One window tries it; the others go on without it.
                state.retry_at = Some(now + self.settings.connect_timeout);
            }
        }
        choice
    }

    fn states(&self) -> MutexGuard<'_, States> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl States {
    fn choose(&self, now: Instant, settings: &PoolSettings, is_due: bool) -> Choice {
        let works = |host: &usize| self.hosts[*host].retry_at.is_none_or(|at| at <= now);
        let has_place = |host: &usize| self.hosts[*host].under_way < settings.windows_max.get();
        // The one behind that which was chosen last comes first, so that equals take turns.
        let start = if settings.is_balanced { self.last + 1 } else { 0 };
        let count = self.hosts.len();
        let mut working = (0..count).map(|step| (start + step) % count).filter(works).peekable();
        let chosen = if working.peek().is_none() {
            if !is_due {
                return Choice::None;
            }
            (0..count).min_by_key(|host| self.hosts[*host].retry_at).filter(has_place)
        } else if settings.is_balanced {
            working.filter(has_place).min_by_key(|host| self.hosts[*host].under_way)
        } else {
            working.next().filter(has_place)
        };
        chosen.map_or(Choice::Wait, Choice::Host)
    }
}

impl Lease<'_> {
    /// The host's address.
    pub(super) fn address(&self) -> &Address {
        &self.pool.hosts[self.host].address
    }

    /// Events of the window at most.
    pub(super) fn window(&self) -> usize {
        self.pool.states().hosts[self.host].window
    }

    /// The host's connection, made now if need be.
    pub(super) async fn way(&self) -> Result<Way, WayError> {
        let settings = &self.pool.settings;
        let mut connection = self.pool.hosts[self.host].connection.lock().await;
        if self.pool.states().hosts[self.host].generation != self.generation {
            return Err(WayError::Failed(self.address().clone()));
        }
        if let Some(Connection { client, made }) = &*connection {
            let idle = client.idle_since().map_or(Duration::ZERO, |since| since.elapsed());
            let is_old = settings.ttl.is_some_and(|ttl| made.elapsed() >= ttl);
            if idle < IDLE_MAX && !is_old && client.is_open() {
                return Ok(Way { client: Arc::clone(client), was_idle: idle >= FRESH_MAX });
            }
        }
        *connection = None;
        let stream =
            self.pool.connector.connect(self.address()).await.map_err(WayError::Connect)?;
        let client = Arc::new(Client::new(stream, settings.ack_timeout));
        *connection = Some(Connection { client: Arc::clone(&client), made: Instant::now() });
        debug!(component_id = %self.pool.component_id, host = %self.address(), "connected");
        Ok(Way { client, was_idle: false })
    }

    /// Notes that a window of so many events was acknowledged.
    pub(super) fn succeeded(&self, events: usize) {
        let size = self.pool.settings.window_size.get();
        let mut states = self.pool.states();
        let state = &mut states.hosts[self.host];
        if state.generation != self.generation {
            return;
        }
        if events >= state.window {
            state.window = state.window.saturating_mul(2).min(size);
        }
        if state.failures > 0 {
            (state.failures, state.retry_at) = (0, None);
            drop(states);
            self.pool.freed.notify_waiters();
            if self.pool.hosts.len() > 1 {
                let component_id = &self.pool.component_id;
                info!(%component_id, host = %self.address(), "a host works again");
            }
        }
    }

    /// Notes that the host failed, with this window or before it.
    pub(super) fn failed(&self, error: &str) {
        let mut states = self.pool.states();
        let state = &mut states.hosts[self.host];
        if state.generation != self.generation {
            return;
        }
        state.generation += 1;
        state.failures = state.failures.saturating_add(1);
        state.window = (state.window / 2).max(1);
        let wait = self.pool.backoff.wait(state.failures, None);
        state.retry_at = Some(Instant::now() + wait);
        let (is_news, is_one_of_many) = (state.failures == 1, self.pool.hosts.len() > 1);
        drop(states);
        // Whoever waits for a place there can go elsewhere.
        self.pool.freed.notify_waiters();
        if is_news && is_one_of_many {
            let component_id = &self.pool.component_id;
            warn!(%component_id, host = %self.address(), error, "a host fails; the others are used");
        }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        self.pool.states().hosts[self.host].under_way -= 1;
        // All of them: who is woken may find nothing for itself where another one would.
        self.pool.freed.notify_waiters();
    }
}
