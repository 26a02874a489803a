//! What an error tells its caller to do next, so that nobody has to match on its text.

use std::time::Duration;

/// What follows an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It can pass: try again, not before `after` where the server named a time.
    Retry {
        /// The server's `Retry-After`.
        after: Option<Duration>,
    },
    /// It concerns these events alone and never passes: dead letter.
    Reject,
}
