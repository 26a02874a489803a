//! The wall clock as an argument. Only the program's entry point reads the real one; a test moves its own.

use chrono::{DateTime, Utc};

/// A point of wall-clock time, UTC.
pub type Timestamp = DateTime<Utc>;

/// Tells the time.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The time now.
    fn now(&self) -> Timestamp;
}
