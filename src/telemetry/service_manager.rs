//! What a service manager such as systemd is told: that the program runs, reloads or ends, and that it is alive.
//!
//! The protocol is `sd_notify`: datagrams to the socket in `NOTIFY_SOCKET`. Where there is none, nothing is told to
//! anybody. Invariant: a sign of life is sent only after every part of the runtime that carries events has answered, and
//! by the task that runs the topology; so a program that hangs is found dead and started again. A server that does not
//! answer is no reason to be found dead: waiting for it is what the program is for.

use std::{convert::Infallible, env, future::pending, time::Duration};

use sd_notify::NotifyState;
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};
use tracing::warn;

/// Signs of life in the time after which the manager ends the program: one that comes late is made up for by the next.
const BEATS_PER_TIMEOUT: u32 = 3;

/// What the end takes beyond the drain: files are closed, and calls that block are left.
const END_MARGIN: Duration = Duration::from_secs(15);

/// The service manager that has started the program, if one has. The default is none.
#[derive(Clone, Debug, Default)]
pub struct ServiceManager {
    is_there: bool,
    /// The time after which it ends a program that gives no sign of life.
    watchdog_timeout: Option<Duration>,
}

impl ServiceManager {
    /// The one that the environment names.
    pub fn from_environment() -> ServiceManager {
        let is_there = env::var_os("NOTIFY_SOCKET").is_some();
        let watchdog_timeout = sd_notify::watchdog_enabled().filter(|_| is_there);
        ServiceManager { is_there, watchdog_timeout }
    }

    /// Says that the program runs, for the first time or after [`ServiceManager::reloading`]; `status` is for people.
    pub fn ready(&self, status: &str) {
        self.tell(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    /// Says that the configuration is read again. The service is shown as reloading until [`ServiceManager::ready`].
    pub fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.tell(&[NotifyState::Reloading, now, NotifyState::Status("reloading")]),
            Err(error) => warn!(%error, "the machine has no monotonic clock"),
        }
    }

    /// Says that the program ends, which may take as long as `drain_timeout` and a little more, whatever the unit says.
    pub fn stopping(&self, status: &str, drain_timeout: Duration) {
        let micros = (drain_timeout + END_MARGIN).as_micros();
        self.tell(&[
            NotifyState::Stopping,
            NotifyState::Status(status),
            NotifyState::ExtendTimeoutUsec(u32::try_from(micros).unwrap_or(u32::MAX)),
        ]);
    }

    /// Gives signs of life for as long as it is polled. To be polled by the task that runs the topology.
    pub async fn keep_alive(&self) -> Infallible {
        match self.watchdog_timeout.map(|timeout| timeout / BEATS_PER_TIMEOUT) {
            Some(period) if !period.is_zero() => {
                beat(period, || self.tell(&[NotifyState::Watchdog])).await
            }
            Some(_) | None => pending().await,
        }
    }

    fn tell(&self, states: &[NotifyState<'_>]) {
        if !self.is_there {
            return;
        }
        if let Err(error) = sd_notify::notify(states) {
            warn!(%error, "the service manager cannot be told how the program is");
        }
    }
}

/// Calls `sign` once in each `period` in which the runtime answers.
async fn beat(period: Duration, sign: impl Fn()) -> Infallible {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        runtime_answers().await;
        sign();
    }
}

/// Ends once a worker has taken up a task, as transforms do, and a thread for calls that block has, as files do.
async fn runtime_answers() {
    let mut answers = JoinSet::new();
    answers.spawn(async {});
    answers.spawn_blocking(|| {});
    while answers.join_next().await.is_some() {}
}

#[cfg(test)]
mod tests {
    use std::sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    };

    use super::*;

    const PERIOD: Duration = Duration::from_millis(1);

    /// Polls `beat` on the main thread, beside the workers, as `run` does.
    fn beating(workers: usize, then: impl AsyncFnOnce(&AtomicUsize)) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(workers)
            .enable_time()
            .build()
            .expect("a runtime");
        let signs = AtomicUsize::new(0);
        let sign = || {
            signs.fetch_add(1, Ordering::Relaxed);
        };
        runtime.block_on(async {
            tokio::select! {
                never = beat(PERIOD, sign) => match never {},
                () = then(&signs) => {}
            }
        });
    }

    /// Waits on the main thread, which needs no worker to wake it, until there are `more` signs or `steps` are over.
    async fn new_signs(more: usize, steps: u32, signs: &AtomicUsize) -> usize {
        let before = signs.load(Ordering::Relaxed);
        let new = || signs.load(Ordering::Relaxed) - before;
        for _ in 0..steps {
            if new() >= more {
                break;
            }
            std::thread::sleep(PERIOD);
            tokio::task::yield_now().await;
        }
        new()
    }

    #[test]
    fn signs_of_life_stop_while_no_worker_answers_and_go_on_when_one_does() {
        beating(2, async |signs| {
            assert!(new_signs(3, 10_000, signs).await >= 3);
            let (mut blocked, mut blockers) = (JoinSet::new(), Vec::new());
            for _ in 0..2 {
                let (release, released) = mpsc::channel::<()>();
                let (started, has_started) = tokio::sync::oneshot::channel();
                blocked.spawn(async move {
                    started.send(()).expect("the test waits");
                    // A call that blocks on a worker: the mistake that the watchdog is there for.
                    released.recv().ok();
                });
                has_started.await.expect("a worker is free");
                blockers.push(release);
            }
            assert!(new_signs(2, 50, signs).await <= 1, "there was one under way at most");
            blockers.pop();
            assert!(new_signs(3, 10_000, signs).await >= 3, "one worker is enough");
            blockers.clear();
            while blocked.join_next().await.is_some() {}
        });
    }
}
