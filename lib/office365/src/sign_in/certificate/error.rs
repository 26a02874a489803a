//! What can be wrong with a certificate's files. Each error names the file, and never what is in it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use openssl::error::ErrorStack;

use crate::Hint;

/// Why a certificate cannot be used. The user has to change something.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("cannot read `{}`", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("reading `{}` takes more than {} s", path.display(), limit.as_secs())]
    Slow { path: PathBuf, limit: Duration },
    #[error("`{}` is larger than a certificate can be", path.display())]
    TooLarge { path: PathBuf },
    #[error("`{}` is neither a PFX container nor PEM", path.display())]
    UnknownForm { path: PathBuf },
    #[error("`{}` needs a password, and none is set", path.display())]
    PasswordMissing { path: PathBuf },
    #[error("the password does not open `{}`", path.display())]
    WrongPassword { path: PathBuf },
    #[error("`{}` is damaged, or in a form that cannot be read", path.display())]
    Damaged {
        path: PathBuf,
        #[source]
        source: ErrorStack,
    },
    #[error("there is no certificate in `{}`", path.display())]
    NoCertificate { path: PathBuf },
    #[error("there is no private key in `{}`", path.display())]
    NoKey { path: PathBuf },
    #[error("the key in `{}` is not an RSA key", path.display())]
    NotRsa { path: PathBuf },
    #[error("the RSA key in `{}` has {bits} bits, fewer than 2048", path.display())]
    ShortKey { path: PathBuf, bits: u32 },
    #[error(
        "the key in `{}` does not belong to the certificate in `{}`", key_path.display(), path.display()
    )]
    OtherKey { path: PathBuf, key_path: PathBuf },
    #[error("cannot sign with the key of `{}`", path.display())]
    Sign {
        path: PathBuf,
        #[source]
        source: ErrorStack,
    },
}

impl CertificateError {
    /// Cause and fix.
    pub fn hint(&self) -> Hint {
        let (cause, fix) = match self {
            CertificateError::Read { .. } => (
                "the file is not there, or this program's user may not read it",
                "check the path, the owner and the mode of the file",
            ),
            CertificateError::Slow { .. } => (
                "its file system does not answer, or its password is worked on in very many rounds",
                "check the mount; make the container anew with `openssl pkcs12 -export`",
            ),
            CertificateError::TooLarge { .. } | CertificateError::UnknownForm { .. } => (
                "the file is something else",
                "give a PFX container, or PEM with the certificate and its private key; a .cer or .crt in DER has no key",
            ),
            CertificateError::PasswordMissing { .. } => {
                ("the private key is encrypted", "set `password`; is the variable behind it set?")
            }
            CertificateError::WrongPassword { .. } => (
                "the password is another one, or empty",
                "check `password`, and that the variable behind it is set",
            ),
            CertificateError::Damaged { .. } => (
                "the file was cut or changed, or its password is another one",
                "make it anew with `openssl pkcs12 -export`",
            ),
            CertificateError::NoCertificate { .. } => {
                ("only the key was exported", "put the certificate into the file too")
            }
            CertificateError::NoKey { .. } => (
                "only the certificate was exported",
                "export it with its private key, or name the key's file in `key_path`",
            ),
            CertificateError::NotRsa { .. } => (
                "Microsoft Entra takes signatures of RSA keys alone",
                "make an RSA key of 2048 bits or more, and a certificate for it",
            ),
            CertificateError::ShortKey { .. } => (
                "Microsoft Entra takes no RSA key below 2048 bits",
                "make a key of 2048 bits or more, and a certificate for it",
            ),
            CertificateError::OtherKey { .. } => (
                "the files are of different key pairs, or only one of two was replaced",
                "put certificate and key of one pair in place",
            ),
            CertificateError::Sign { .. } => (
                "the key was read, but OpenSSL refuses to use it",
                "make a new key and certificate",
            ),
        };
        Hint { cause, fix }
    }
}
