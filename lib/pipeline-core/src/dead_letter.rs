//! Where an event goes that can never be delivered: kept for a person to look at, never thrown away.

use std::io;

use futures_util::future::BoxFuture;

use crate::{ComponentId, Event, Timestamp};

/// An event, or a record that never became one, with the reason why it could not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The component that gave it up.
    pub component_id: ComponentId,
    /// Why, in the words of the server or of the check that refused it.
    pub reason: String,
    /// When.
    pub time: Timestamp,
    /// Where the event came from, see [`crate::Origin::name`].
    pub origin: String,
    /// The event as JSON, or the record's bytes where it is not JSON.
    pub payload: Vec<u8>,
}

impl DeadLetter {
    /// The dead letter of an event. The event's acknowledgement stays with the caller, to be settled as
    /// [`crate::Outcome::Rejected`] once the letter is on disk.
    pub fn of(
        event: &Event,
        component_id: ComponentId,
        reason: impl Into<String>,
        time: Timestamp,
    ) -> DeadLetter {
        let mut payload = Vec::new();
        event.write_json(&mut payload);
        DeadLetter {
            component_id,
            reason: reason.into(),
            time,
            origin: event.origin().name().to_owned(),
            payload,
        }
    }
}

/// The dead letters could not be written. Whatever they were for has not been given up yet.
#[derive(Debug, thiserror::Error)]
#[error("cannot write dead letters to `{path}`")]
pub struct DeadLetterError {
    /// The file.
    pub path: String,
    /// What the system said.
    pub source: io::Error,
}

/// Keeps dead letters durably.
pub trait DeadLetters: Send + Sync + std::fmt::Debug {
    /// Resolves when all of `letters` are safe on disk. On an error none of their events may be acknowledged as
    /// rejected; the caller tries again.
    fn put(&self, letters: Vec<DeadLetter>) -> BoxFuture<'_, Result<(), DeadLetterError>>;
}
