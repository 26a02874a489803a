//! The order to end, as every component sees it.

use tokio_util::sync::CancellationToken;

/// Tells a component to take in nothing new. Cloned freely; an order given once stands.
///
/// A source that is told so stops asking, waits for the acknowledgements of what it has sent, and returns. Its
/// outlet closes with it, which in turn ends what reads from it. Whoever waits to try something again gives up
/// when the order comes, leaving its events unacknowledged, so that they are sent again after the next start.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    drain: CancellationToken,
    abandon: CancellationToken,
}

impl Shutdown {
    /// An order that has not been given.
    pub fn new() -> Shutdown {
        Shutdown::default()
    }

    /// An order that is given with this one, and can be given alone: for one component of many.
    #[must_use]
    pub fn child(&self) -> Shutdown {
        Shutdown { drain: self.drain.child_token(), abandon: self.abandon.child_token() }
    }

    /// Gives the order to take in nothing new, and to finish what is under way.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// Gives the order to leave what is under way: the time for draining is over. Implies [`Shutdown::drain`].
    pub fn abandon(&self) {
        self.drain.cancel();
        self.abandon.cancel();
    }

    /// Whether the order to drain was given.
    pub fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// Whether the order to leave what is under way was given.
    pub fn is_abandoned(&self) -> bool {
        self.abandon.is_cancelled()
    }

    /// A token that the order to drain cancels, and that can be cancelled by itself: for a part that may end earlier.
    pub fn drain_token(&self) -> CancellationToken {
        self.drain.child_token()
    }

    /// Resolves when the order to drain is given.
    pub async fn draining(&self) {
        self.drain.cancelled().await;
    }

    /// Resolves when the order to leave what is under way is given.
    pub async fn abandoned(&self) {
        self.abandon.cancelled().await;
    }
}
