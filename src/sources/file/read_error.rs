//! Why a file cannot be read on, and whether that may pass while the file stays as it is.

use std::io;

use office365::SplitFault;

/// Why a file cannot be read on. What was given of it stays as it is.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error("cannot read `{path}`")]
    Io { path: String, source: io::Error },
    #[error("`{path}` is no CSV with a column `AuditData`, nor JSON")]
    NoHeader { path: String },
    #[error("`{path}` is no array of records")]
    Array { path: String, source: SplitFault },
}

impl ReadError {
    /// Whether the file may be read later as it is.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, ReadError::Io { source, .. } if source.raw_os_error().is_some())
    }
}
