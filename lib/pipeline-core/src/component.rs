//! What all components share: their id, the problems that a check finds, the errors of building and running.

use std::{error::Error, path::PathBuf, sync::Arc};

/// The key under which a component stands in the configuration, such as `elastic` of `[sinks.elastic]`.
pub type ComponentId = Arc<str>;

/// One mistake found in a component's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key inside the component's own table at which it was found, as `["tls", "ca_file"]`; empty for the
    /// component as a whole.
    pub key: Vec<String>,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// What to do about it, where that can be said.
    pub fix: Option<String>,
    /// Text that explains more over several lines, such as a compiler's own diagnostic.
    pub detail: Option<String>,
    /// Where in a program, for whoever marks the places.
    pub findings: Vec<ProgramFinding>,
}

/// What a compiler says of one place in a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramFinding {
    /// The file of the part, as it was named; nothing for a text in the configuration.
    pub file: Option<PathBuf>,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// Whether the program can run all the same.
    pub is_warning: bool,
    /// What is wrong, in one line.
    pub message: String,
    /// The same over several lines, as the compiler draws it.
    pub drawn: String,
}

impl Problem {
    /// A problem at `key`, whose levels are separated by dots.
    pub fn at(key: &str, message: impl Into<String>) -> Problem {
        let key = key.split('.').filter(|level| !level.is_empty()).map(str::to_owned).collect();
        let message = message.into();
        Problem { key, message, fix: None, detail: None, findings: Vec::new() }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Problem {
        self.fix = Some(fix.into());
        self
    }

    /// Adds a longer explanation.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Problem {
        self.detail = Some(detail.into());
        self
    }
}

/// A component could not be built: a file that can't be opened, a port in use.
#[derive(Debug, thiserror::Error)]
#[error("{attempt}")]
pub struct BuildError {
    attempt: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl BuildError {
    /// `attempt` says what could not be done, as "cannot open the ledger `path`".
    pub fn new(
        attempt: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> BuildError {
        BuildError { attempt: attempt.into(), source: Some(source.into()) }
    }

    /// An error that has no other error behind it.
    pub fn plain(attempt: impl Into<String>) -> BuildError {
        BuildError { attempt: attempt.into(), source: None }
    }
}

/// A running component had to give up. Trouble that can pass is waited out and is never one of these.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct RunError {
    reason: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl RunError {
    /// `reason` says what could not go on.
    pub fn new(
        reason: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> RunError {
        RunError { reason: reason.into(), source: Some(source.into()) }
    }

    /// An error that has no other error behind it.
    pub fn plain(reason: impl Into<String>) -> RunError {
        RunError { reason: reason.into(), source: None }
    }
}
