//! A token of another issuer, such as Kubernetes, in a file that this issuer replaces every now and then.
//!
//! It is read before each exchange and never kept.

use std::io;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use crate::Hint;

/// Bytes of a token; real ones have 1 to 4 KB.
const TOKEN_BYTES_MAX: u64 = 64 * 1024;

/// Why there is no token in the file.
#[derive(Debug, thiserror::Error)]
pub enum FederatedTokenError {
    #[error("cannot read `{}`", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{}` does not hold a token", path.display())]
    NotToken { path: PathBuf },
}

impl FederatedTokenError {
    /// Cause and fix.
    pub fn hint(&self) -> Hint {
        match self {
            FederatedTokenError::Read { .. } => Hint {
                cause: "the file is not there, or this program's user may not read it",
                fix: "check federated_token_file, and that the token is mounted",
            },
            FederatedTokenError::NotToken { .. } => Hint {
                cause: "the file is empty, or holds something that is no JSON web token",
                fix: "check federated_token_file: the file has to hold one token and nothing else",
            },
        }
    }
}

/// The token as it is now.
pub(super) async fn read_token(path: &Path) -> Result<SecretString, FederatedTokenError> {
    let failed = |source| FederatedTokenError::Read { path: path.to_owned(), source };
    let mut text = String::new();
    let file = File::open(path).await.map_err(failed)?;
    file.take(TOKEN_BYTES_MAX).read_to_string(&mut text).await.map_err(failed)?;
    let token = text.trim();
    let is_token_char =
        |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.');
    if token.matches('.').count() != 2 || !token.chars().all(is_token_char) {
        return Err(FederatedTokenError::NotToken { path: path.to_owned() });
    }
    Ok(SecretString::from(token))
}
