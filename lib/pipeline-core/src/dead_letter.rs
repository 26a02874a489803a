//! Where an event goes that can never be delivered: kept for a person to look at, never thrown away.

use std::io;

use futures_util::future::BoxFuture;
use vrl::value::Value;

use crate::{ComponentId, Event, Timestamp};

/// An event, or a record that never became one, with the reason why it could not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The component that gave it up.
    pub component_id: ComponentId,
    /// Why, in one word.
    pub kind: LetterKind,
    /// Why, in the words of the server or of the check that refused it. It can quote the event, so it is written to the
    /// letter alone, never to a log.
    pub reason: String,
    /// When.
    pub time: Timestamp,
    /// Where the event came from, see [`crate::Origin::name`].
    pub origin: String,
    /// The event's metadata, where it takes that to send it on its way again: a program may read it, a sink does not.
    pub metadata: Option<Value>,
    /// The event as JSON, or the record's bytes where it is not JSON.
    pub payload: Vec<u8>,
}

/// Why an event could not go on, from a fixed set: for logs, metrics and grouping, as it quotes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LetterKind {
    /// What a source received is not an event.
    Unreadable,
    /// A transform's program failed on it.
    ProgramFailed,
    /// A field that the sink needs, for a name or an id, is missing or of no use.
    UnusableField,
    /// It can't be written in the sink's format.
    NotEncodable,
    /// It is larger than the server takes.
    TooLarge,
    /// It does not fit the types of fields that the server has for it.
    MappingConflict,
    /// The server has another version of it.
    VersionConflict,
    /// The server refuses it for another reason.
    Refused,
}

impl LetterKind {
    /// Every kind.
    pub const ALL: [LetterKind; 8] = [
        LetterKind::Unreadable,
        LetterKind::ProgramFailed,
        LetterKind::UnusableField,
        LetterKind::NotEncodable,
        LetterKind::TooLarge,
        LetterKind::MappingConflict,
        LetterKind::VersionConflict,
        LetterKind::Refused,
    ];

    /// The kind's name in files, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            LetterKind::Unreadable => "unreadable",
            LetterKind::ProgramFailed => "program_failed",
            LetterKind::UnusableField => "unusable_field",
            LetterKind::NotEncodable => "not_encodable",
            LetterKind::TooLarge => "too_large",
            LetterKind::MappingConflict => "mapping_conflict",
            LetterKind::VersionConflict => "version_conflict",
            LetterKind::Refused => "refused",
        }
    }

    /// The kind of this name.
    pub fn of_name(name: &str) -> Option<LetterKind> {
        LetterKind::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl DeadLetter {
    /// The dead letter of an event. The event's acknowledgement stays with the caller, to be settled as
    /// [`crate::Outcome::Rejected`] once the letter is on disk.
    pub fn of(
        event: &Event,
        component_id: ComponentId,
        kind: LetterKind,
        reason: impl Into<String>,
        time: Timestamp,
    ) -> DeadLetter {
        let mut payload = Vec::new();
        event.write_json(&mut payload);
        DeadLetter {
            component_id,
            kind,
            reason: reason.into(),
            time,
            origin: event.origin().name().to_owned(),
            metadata: Some(event.metadata().clone()),
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
