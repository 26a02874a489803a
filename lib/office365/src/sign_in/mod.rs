//! Sign-in at Microsoft Entra with client credentials: from a credential to an access token that is kept fresh.
//!
//! Neither a credential nor a token is ever formatted; what Entra says about a failure is, with its trace ids.

mod claims;
mod credential;
mod reply;
mod token;

use std::time::Duration;

use net::{BodyError, SendError};

pub use claims::Claims;
pub use credential::{Credential, TokenEndpoint};
pub use reply::Refusal;
pub(crate) use token::{Token, TokenSource};

use crate::error::send_hint;
use crate::{ErrorClass, Hint};

/// Why there is no access token.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    #[error("sign-in got no answer")]
    Send {
        #[source]
        source: SendError,
    },
    #[error("sign-in answered {status}, but the body cannot be read")]
    Body {
        status: u16,
        #[source]
        source: BodyError,
    },
    #[error("sign-in answered {status}, but not in full within {} s", limit.as_secs())]
    Slow { status: u16, limit: Duration },
    #[error("sign-in answered {status}, but {reason}")]
    Malformed { status: u16, reason: &'static str },
    #[error("sign-in was refused: {refusal}")]
    Refused { refusal: Box<Refusal> },
}

impl SignInError {
    pub fn class(&self) -> ErrorClass {
        match self {
            SignInError::Send { .. }
            | SignInError::Body { .. }
            | SignInError::Slow { .. }
            | SignInError::Malformed { .. } => ErrorClass::Retry { after: None },
            SignInError::Refused { refusal } => refusal.class(),
        }
    }

    /// Cause and fix, where the number of the refusal is known.
    pub fn hint(&self) -> Option<Hint> {
        match self {
            SignInError::Refused { refusal } => refusal.hint(),
            SignInError::Malformed { .. } => Some(Hint {
                cause: "something that is not Microsoft's sign-in answered, often a proxy",
                fix: "check the proxy, cloud and login_url",
            }),
            SignInError::Send { source } => send_hint(source),
            SignInError::Body { .. } | SignInError::Slow { .. } => None,
        }
    }
}
