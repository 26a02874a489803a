//! So many requests in a time, and no more: whoever asks waits for their turn.

use std::{
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

/// The part of a period's requests that may go at once.
const BURST_DIVISOR: u32 = 10;

/// A token bucket: never more than the given number of requests in any period, evenly spread after a short burst.
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
    /// At most `requests_max` requests in any `period`.
    pub fn new(requests_max: NonZeroU32, period: Duration) -> Self {
        let rate = requests_max.get();
        let burst = (rate / BURST_DIVISOR).max(1);
        // The burst and what refills within a period together make the limit.
        let interval = period / (rate - burst + 1);
        RateLimiter { interval, burst, full_at: Mutex::new(None) }
    }

    /// At most so many requests in any minute.
    pub fn per_minute(requests_max: NonZeroU32) -> Self {
        RateLimiter::new(requests_max, Duration::from_mins(1))
    }

    /// Lets nothing go for `duration`, and then no burst.
    pub fn pause(&self, duration: Duration) {
        let empty_until = Instant::now() + duration + self.interval * (self.burst - 1);
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        *full_at = (*full_at).max(Some(empty_until));
    }

    /// Ready when the next request may go.
    pub async fn acquire(&self) {
        let turn = self.take();
        if turn > Instant::now() {
            sleep_until(turn).await;
        }
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

    fn limit(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).expect("it is not zero")
    }

    #[tokio::test(start_paused = true)]
    async fn no_period_holds_more_than_the_limit() {
        for period in [Duration::from_secs(10), Duration::from_mins(1)] {
            for rate in [1, 2, 7, 60, 2000] {
                let limiter = RateLimiter::new(limit(rate), period);
                let rate = usize::try_from(rate).expect("it is small");
                let turns = turns(&limiter, rate * 3 + 1).await;
                for (index, turn) in turns.iter().enumerate().skip(rate) {
                    // The timer's grain is 1 ms.
                    let least = period.saturating_sub(Duration::from_millis(2));
                    assert!(*turn >= turns[index - rate] + least, "{rate}: {index}");
                }
                assert!(turns[rate * 3] <= period * 4, "{rate} is too slow");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_everything_and_ends_without_a_burst() {
        let limiter = RateLimiter::per_minute(limit(60));
        limiter.pause(Duration::from_secs(30));
        let turns = turns(&limiter, 2).await;
        assert!(turns[0] >= Duration::from_secs(30));
        assert!(turns[1] >= turns[0] + Duration::from_secs(1));
    }
}
