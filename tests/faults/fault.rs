//! What can be wrong with the way to a server.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    target::{Resent, Settings, Target},
    toxiproxy::{Direction, Proxy, Toxic},
    trial::Trial,
};

/// How long a fault lasts: longer than a request may take, and than the longest wait between two.
const LASTS: Duration = Duration::from_millis(3500);

/// Bytes after which a connection breaks that breaks amid a batch: less than a batch has.
const CUT_BYTES: u64 = 8000;

/// The shortest wait before something is sent again, by [`crate::target::REQUEST`].
const WAIT_MIN: Duration = Duration::from_millis(100);

/// How often the program is killed.
const KILLS: usize = 4;

/// Decides when.
const SEED: u64 = 7;

/// A fault of the network.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// Nobody listens.
    Refused,
    /// Connections are reset soon after they have begun to send.
    Reset,
    /// Connections are cut off amid a batch.
    CutOff,
    /// Nothing passes, and nothing says so.
    BlackHole,
    /// A byte passes in a second.
    Drip,
    /// The server gets everything; its answers never arrive.
    AnswersLost,
    /// The server gets everything; its answers come when nobody waits for them any more.
    AnswersLate,
}

impl Fault {
    async fn lay(self, proxy: &Proxy) {
        use Direction::{ToClient, ToServer};
        match self {
            Fault::Refused => proxy.refuse().await,
            Fault::Reset => proxy.lay(Toxic::Reset(50), ToServer).await,
            Fault::CutOff => proxy.lay(Toxic::LimitData(CUT_BYTES), ToServer).await,
            Fault::BlackHole => {
                proxy.lay(Toxic::BlackHole, ToServer).await;
                proxy.lay(Toxic::BlackHole, ToClient).await;
            }
            Fault::Drip => proxy.lay(Toxic::Drip, ToServer).await,
            Fault::AnswersLost => proxy.lay(Toxic::LimitData(0), ToClient).await,
            Fault::AnswersLate => proxy.lay(Toxic::Latency(3000), ToClient).await,
        }
    }

    /// How often all that is in flight may reach the server without an answer.
    fn resends(self) -> usize {
        match self {
            // Once when it begins, and once when it ends.
            Fault::Refused | Fault::Reset | Fault::BlackHole | Fault::Drip => 2,
            Fault::CutOff | Fault::AnswersLost | Fault::AnswersLate => {
                2 + usize::try_from(LASTS.as_millis() / WAIT_MIN.as_millis()).expect("it is small")
            }
        }
    }
}

/// Lets a fault come while events are on their way, and go.
pub(crate) async fn check(target: impl Target, fault: Fault) {
    let mut trial = Trial::begin(target).await;
    let before = trial.arrived().await;
    if matches!(fault, Fault::AnswersLost | Fault::AnswersLate) {
        // The way there is open.
        trial.proxy.heal().await;
    }
    fault.lay(&trial.proxy).await;
    trial.endure(LASTS).await;
    let after = trial.arrived().await;
    match fault {
        Fault::AnswersLost | Fault::AnswersLate => {
            assert!(after > before, "nothing was accepted while {fault:?}");
        }
        Fault::Refused | Fault::Reset | Fault::CutOff | Fault::BlackHole | Fault::Drip => {}
    }
    trial.proxy.heal().await;
    trial.finish(Resent::InFlight(fault.resends())).await;
}

/// Kills the program some times while events are on their way. It may send again what it had not noted as delivered.
pub(crate) async fn check_kills(target: impl Target) {
    let mut trial = Trial::begin(target).await;
    let mut random = fastrand::Rng::with_seed(SEED);
    let mut sent_again_max = 0;
    for _ in 0..KILLS {
        sleep(Duration::from_millis(random.u64(100..1000))).await;
        trial.kill();
        // What was under way may still arrive.
        let arrived = trial.arrived().await + Settings::default().in_flight_max();
        sent_again_max += arrived.saturating_sub(trial.settled());
        trial.start_again();
    }
    trial.proxy.heal().await;
    trial.finish(Resent::Events(sent_again_max)).await;
}
