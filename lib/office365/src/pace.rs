//! Pacing of one tenant's requests, so that the API has no reason to throttle.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep_until};

/// Asked before each request to the API, sign-in excepted.
pub trait Pace: Send + Sync {
    /// Ready when the next request may go.
    fn acquire(&self) -> BoxFuture<'_, ()>;
}

/// The part of a minute's requests that may go at once.
const BURST_DIVISOR: u32 = 10;

/// A token bucket: never more than the given number of requests in any 60 s, evenly spread after a short burst.
///
/// Requests go in the order they asked. One that stops waiting leaves its turn unused.
#[derive(Debug)]
pub struct RateLimiter {
    interval: Duration,
    burst: u32,
    /// When a bucket that got no further request would be full again; never long in the past.
    full_at: Mutex<Option<Instant>>,
}

impl RateLimiter {
    pub fn new(requests_per_minute_max: NonZeroU32) -> Self {
        let rate = requests_per_minute_max.get();
        let burst = (rate / BURST_DIVISOR).max(1);
        // The burst and what refills within a minute together make the limit.
        let interval = Duration::from_mins(1) / (rate - burst + 1);
        RateLimiter { interval, burst, full_at: Mutex::new(None) }
    }

    /// Lets nothing go for `duration`, and then no burst: for all workers of a tenant that is being throttled.
    pub fn pause(&self, duration: Duration) {
        let empty_until = Instant::now() + duration + self.interval * (self.burst - 1);
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        *full_at = (*full_at).max(Some(empty_until));
    }

    /// Takes the next turn and says when it is.
    fn take(&self) -> Instant {
        let now = Instant::now();
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = full_at.map_or(now, |full_at| full_at.max(now));
        *full_at = Some(taken + self.interval);
        let ahead = self.interval * (self.burst - 1);
        taken.checked_sub(ahead).map_or(now, |turn| turn.max(now))
    }
}

impl Pace for RateLimiter {
    fn acquire(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let turn = self.take();
            if turn > Instant::now() {
                sleep_until(turn).await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn turns(limiter: &RateLimiter, count: usize) -> Vec<Duration> {
        let start = Instant::now();
        let mut turns = Vec::new();
        for _ in 0..count {
            limiter.acquire().await;
            turns.push(start.elapsed());
        }
        turns
    }

    #[tokio::test(start_paused = true)]
    async fn no_minute_holds_more_than_the_limit() {
        for rate in [1, 2, 7, 60, 2000] {
            let limiter = RateLimiter::new(NonZeroU32::new(rate).unwrap());
            let rate = usize::try_from(rate).unwrap();
            let turns = turns(&limiter, rate * 3 + 1).await;
            for (index, turn) in turns.iter().enumerate().skip(rate) {
                // The timer's grain is 1 ms.
                let minute = Duration::from_mins(1) - Duration::from_millis(2);
                assert!(*turn >= turns[index - rate] + minute, "{rate}: {index}");
            }
            assert!(turns[rate * 3] <= Duration::from_mins(4), "{rate} is too slow");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_everything_and_ends_without_a_burst() {
        let limiter = RateLimiter::new(NonZeroU32::new(60).unwrap());
        limiter.pause(Duration::from_secs(30));
        let turns = turns(&limiter, 2).await;
        assert!(turns[0] >= Duration::from_secs(30));
        assert!(turns[1] >= turns[0] + Duration::from_secs(1));
    }
}
