//! Faults that a source could have, put in on purpose: each must be found, or the proof proves nothing.

use std::sync::Arc;

use o365flow::sources::office365::ledger::Ledger;

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sabotage {
    Nothing,
    /// Some records are acknowledged and not written.
    SinkLies,
}

/// The ledger, broken or not.
pub(crate) fn ledger(_sabotage: Sabotage, inner: Arc<dyn Ledger>) -> Arc<dyn Ledger> {
    inner
}
