//! One fault after the other on the way to a server, in an order that a seed decides.

use std::time::Duration;

use tokio::time::Instant;

use crate::toxiproxy::{
    Direction::{ToClient, ToServer},
    Proxy, Toxic,
};

/// How long a fault lasts.
const LASTS: Duration = Duration::from_millis(800);

/// How long nothing is wrong between two.
const PAUSE: Duration = Duration::from_secs(5);

/// The shortest wait before something is sent again, by [`crate::target::REQUEST`].
const WAIT_MIN: Duration = Duration::from_millis(100);

/// Decides what goes wrong next.
const SEED: u64 = 11;

/// Lays faults and lifts them.
pub(crate) struct Troublemaker {
    random: fastrand::Rng,
    is_healthy: bool,
    next: Instant,
    faults: usize,
    resends: usize,
}

impl Troublemaker {
    pub(crate) fn new() -> Troublemaker {
        Troublemaker {
            random: fastrand::Rng::with_seed(SEED),
            is_healthy: true,
            next: Instant::now() + PAUSE,
            faults: 0,
            resends: 0,
        }
    }

    /// Does what is due.
    pub(crate) async fn act(&mut self, proxy: &Proxy) {
        if Instant::now() < self.next {
            return;
        }
        if self.is_healthy {
            // What reaches the server without an answer does so once when a connection breaks, or with every attempt.
            let attempts = usize::try_from(LASTS.as_millis() / WAIT_MIN.as_millis());
            let attempts = attempts.expect("it is small");
            self.resends += 2;
            match self.random.u8(0..5) {
                0 => proxy.refuse().await,
                1 => proxy.lay(Toxic::Reset(20), ToServer).await,
                2 => proxy.lay(Toxic::BlackHole, ToServer).await,
                3 => {
                    self.resends += attempts;
                    proxy.lay(Toxic::LimitData(self.random.u64(1000..100_000)), ToServer).await;
                }
                _ => {
                    self.resends += attempts;
                    proxy.lay(Toxic::LimitData(0), ToClient).await;
                }
            }
            self.faults += 1;
            self.next = Instant::now() + LASTS;
        } else {
            proxy.heal().await;
            self.next = Instant::now() + PAUSE;
        }
        self.is_healthy = !self.is_healthy;
    }

    /// How many faults there were.
    pub(crate) fn faults(&self) -> usize {
        self.faults
    }

    /// How often, at most, all that was in flight reached the server without an answer.
    pub(crate) fn resends(&self) -> usize {
        self.resends
    }
}
