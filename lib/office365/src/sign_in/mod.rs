//! Sign-in at Microsoft Entra with client credentials: from a credential to an access token that is kept fresh.
//!
//! Neither a credential nor a token is ever formatted; what Entra says about a failure is, with its trace ids.

mod assertion;
mod certificate;
mod claims;
mod credential;
mod federated;
mod managed_identity;
mod reply;
mod token;

use std::time::Duration;

use net::{BodyError, SendError};

pub use assertion::SigningAlgorithm;
pub use certificate::{Certificate, CertificateError, CertificateFiles, CertificateInfo};
pub use claims::Claims;
pub use credential::{Credential, TokenEndpoint};
pub use federated::FederatedTokenError;
pub use managed_identity::{AppService, IdentityEndpoint, IdentityEndpointError, ManagedIdentity};
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
    #[error("the endpoint of the managed identity refused: {refusal}")]
    IdentityRefused { refusal: Box<Refusal> },
    #[error("the endpoint of the managed identity gave no answer")]
    NoManagedIdentity {
        #[source]
        source: SendError,
    },
    #[error("cannot sign in with the certificate")]
    Certificate {
        #[source]
        source: CertificateError,
    },
    #[error("cannot sign in with the federated token")]
    FederatedToken {
        #[source]
        source: FederatedTokenError,
    },
}

impl SignInError {
    pub fn class(&self) -> ErrorClass {
        match self {
            SignInError::Send { .. }
            | SignInError::Body { .. }
            | SignInError::Slow { .. }
            | SignInError::Malformed { .. }
            | SignInError::NoManagedIdentity { .. } => ErrorClass::Retry { after: None },
            SignInError::Refused { refusal } => refusal.class(),
            SignInError::IdentityRefused { refusal } => refusal.identity_class(),
            SignInError::Certificate { .. } | SignInError::FederatedToken { .. } => {
                ErrorClass::Misconfigured
            }
        }
    }

    /// Cause and fix, where the number of the refusal is known.
    pub fn hint(&self) -> Option<Hint> {
        match self {
            SignInError::Refused { refusal } => refusal.hint(),
            SignInError::IdentityRefused { refusal } => Some(refusal.hint().unwrap_or(Hint {
                cause: "this machine has no such identity, or the identity may not use the API",
                fix: "assign the identity to this machine; give client_id for a user-assigned one",
            })),
            SignInError::NoManagedIdentity { .. } => Some(Hint {
                cause: "this machine is none of Azure's, or a firewall blocks its metadata service",
                fix: "run in Azure with a managed identity, or use another credential",
            }),
            SignInError::Certificate { source } => Some(source.hint()),
            SignInError::FederatedToken { source } => Some(source.hint()),
            SignInError::Malformed { .. } => Some(Hint {
                cause: "something that is not Microsoft's sign-in answered, often a proxy",
                fix: "check the proxy, cloud and login_url",
            }),
            SignInError::Send { source } => send_hint(source),
            SignInError::Body { .. } | SignInError::Slow { .. } => None,
        }
    }
}
