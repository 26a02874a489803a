//! Files of state that one process at a time may write: what the ledger and the disk buffers share.
//!
//! It knows nothing of what is in them.

mod lock;

use rusqlite::ErrorCode;

pub use lock::{Lock, LockError, open_private};

/// Whether an error says that the file itself is broken, or holds what was never written to it.
pub fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::Error::{FromSqlConversionFailure, InvalidColumnType};
    if matches!(error, InvalidColumnType(..) | FromSqlConversionFailure(..)) {
        return true;
    }
    let code = error.sqlite_error_code();
    matches!(code, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}
