//! How long to wait before something is tried again.
//!
//! The wait doubles with each failure up to a limit, and a random half of it keeps senders that failed together from
//! coming back together. A server that names a time is not asked before.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Failures after which the wait no longer doubles; by then it is at any sensible limit.
const DOUBLINGS_MAX: u32 = 20;

/// The longest `Retry-After` that is believed: a server that comes back earlier must not be left alone for hours.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(10);

/// Between which limits waits lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackoffSettings {
    /// After the first failure.
    pub initial: Duration,
    /// However many failures there were.
    pub max: Duration,
}

impl Default for BackoffSettings {
    fn default() -> Self {
        BackoffSettings { initial: Duration::from_secs(1), max: Duration::from_mins(1) }
    }
}

/// Says how long to wait. Shared by all requests of a sink.
#[derive(Debug)]
pub struct Backoff {
    settings: BackoffSettings,
    random: Mutex<fastrand::Rng>,
}

impl Backoff {
    /// The same `seed` gives the same waits.
    pub fn new(settings: BackoffSettings, seed: u64) -> Backoff {
        Backoff { settings, random: Mutex::new(fastrand::Rng::with_seed(seed)) }
    }

    /// The wait after `failures` failures in a row, the first being 1. `after` is the server's `Retry-After`.
    pub fn wait(&self, failures: u32, after: Option<Duration>) -> Duration {
        let doublings = failures.saturating_sub(1).min(DOUBLINGS_MAX);
        let full = self.settings.initial.saturating_mul(1 << doublings).min(self.settings.max);
        let share = self.random.lock().unwrap_or_else(PoisonError::into_inner).f64();
        let jittered = full.mul_f64(0.5 + share / 2.0);
        jittered.max(after.unwrap_or_default().min(RETRY_AFTER_MAX))
    }

    /// The longest wait that comes without a word from the server.
    pub fn longest(&self) -> Duration {
        self.settings.max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(failures: u32, after: Option<u64>, shortest: u64, longest: u64) {
        let settings =
            BackoffSettings { initial: Duration::from_secs(1), max: Duration::from_mins(1) };
        for seed in 0..100 {
            let wait = Backoff::new(settings, seed).wait(failures, after.map(Duration::from_secs));
            assert!(
                (Duration::from_secs(shortest)..=Duration::from_secs(longest)).contains(&wait),
                "{wait:?} after {failures} failures"
            );
        }
    }

    #[test]
    fn waits_double_up_to_the_limit() {
        check(1, None, 0, 1);
        check(3, None, 2, 4);
        check(7, None, 30, 60);
        check(u32::MAX, None, 30, 60);
    }

    #[test]
    fn the_servers_word_counts_when_it_is_longer() {
        check(1, Some(30), 30, 30);
        check(7, Some(1), 30, 60);
        check(1, Some(86_400), 600, 600);
    }
}
