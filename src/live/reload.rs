//! Orders to read the configuration again, and what becomes of them.

use std::path::PathBuf;

use pipeline_core::ComponentId;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use super::ReloadEnd;
use crate::config::fault::{Fault, Span};

/// An order to reload. Whoever gave it waits for `answer`.
#[derive(Debug)]
pub struct ReloadRequest {
    /// Where the end is told.
    pub answer: oneshot::Sender<ReloadEnd>,
}

/// The orders, for whoever runs the topology.
#[derive(Debug)]
pub struct ReloadRequests(pub(super) mpsc::Receiver<ReloadRequest>);

impl ReloadRequests {
    /// The next order. Never ready again once nobody can give one. Cancel-safe.
    pub async fn next(&mut self) -> ReloadRequest {
        match self.0.recv().await {
            Some(request) => request,
            None => std::future::pending().await,
        }
    }
}

/// A reload that was done.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Reloaded {
    /// The generation that runs now.
    pub generation: u64,
    /// What was changed; nothing where the configuration says what it said before.
    pub changed: Changes,
}

/// The components that a reload has touched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Those that are new.
    pub added: Vec<ComponentId>,
    /// Those that do something else than before, or read something else.
    pub changed: Vec<ComponentId>,
    /// Those that are gone.
    pub removed: Vec<ComponentId>,
}

/// A reload that was refused: what ran before runs on.
#[derive(Clone, Debug, Serialize)]
pub struct Refused {
    /// All that is wrong, as `o365flow validate` shows it.
    pub diagnostics: String,
    /// The same, one by one.
    pub faults: Vec<FaultReport>,
}

/// One mistake.
#[derive(Clone, Debug, Serialize)]
pub struct FaultReport {
    /// The file, where it concerns one.
    pub path: Option<PathBuf>,
    /// The line, from 1.
    pub line: Option<usize>,
    /// The column, from 1.
    pub column: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub fix: Option<String>,
}

impl From<&Fault> for FaultReport {
    fn from(fault: &Fault) -> FaultReport {
        let place = fault.span.as_ref().map(Span::line_and_column);
        FaultReport {
            path: fault.span.as_ref().map(|span| span.path().to_owned()),
            line: place.map(|(line, _)| line),
            column: place.map(|(_, column)| column),
            message: fault.message.clone(),
            fix: fault.fix.clone(),
        }
    }
}
