//! A certificate and its private key, out of the bytes of their files: a PFX container of any age, or PEM of any kind.
//!
//! What the bytes are is told by the bytes, not by a file's name. Nothing is asked on a terminal.

use std::fmt;
use std::path::Path;
use std::sync::OnceLock;

use chrono::{DateTime, TimeDelta, Utc};
use memchr::memmem;
use openssl::asn1::Asn1Time;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkcs12::Pkcs12;
use openssl::pkey::{Id, PKey, Private};
use openssl::provider::Provider;
use openssl::x509::X509;
use secrecy::{ExposeSecret, SecretString};

use super::CertificateError;

const KEY_BITS_MIN: u32 = 2048;

/// Libraries and reasons of OpenSSL's errors, which the crate has no names for.
const ERR_LIB_PKCS12: i32 = 35;
const PKCS12_R_MAC_VERIFY_FAILURE: i32 = 113;

/// What signs, and what names it to Entra.
pub(in super::super) struct KeyPair {
    pub(in super::super) key: PKey<Private>,
    pub(in super::super) sha1: Vec<u8>,
    pub(in super::super) sha256: Vec<u8>,
    pub(in super::super) not_after: DateTime<Utc>,
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("KeyPair")
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// A file's name and content.
#[derive(Clone, Copy)]
pub(super) struct Content<'a> {
    pub(super) path: &'a Path,
    pub(super) bytes: &'a [u8],
}

impl Content<'_> {
    fn is_pem(self) -> bool {
        memmem::find(self.bytes, b"-----BEGIN ").is_some()
    }

    fn holds_pem_key(self) -> bool {
        memmem::find(self.bytes, b"PRIVATE KEY-----").is_some()
    }

    fn damaged(self, source: ErrorStack) -> CertificateError {
        CertificateError::Damaged { path: self.path.to_owned(), source }
    }
}

/// Reads the pair. The key is in `key_file` where there is one, else in the same file as the certificate.
pub(super) fn key_pair(
    file: Content<'_>,
    key_file: Option<Content<'_>>,
    password: Option<&SecretString>,
) -> Result<KeyPair, CertificateError> {
    load_legacy_ciphers();
    let (certificates, own_key) = if file.is_pem() {
        let certificates = X509::stack_from_pem(file.bytes).map_err(|error| file.damaged(error))?;
        let own_key = match key_file {
            None if file.holds_pem_key() => Some(pem_key(file, password)?),
            None | Some(_) => None,
        };
        (certificates, own_key)
    } else {
        open_pfx(file, password)?
    };
    let key_place = key_file.unwrap_or(file);
    let key = match (key_file, own_key) {
        (Some(key_file), _) if key_file.holds_pem_key() => pem_key(key_file, password)?,
        (None, Some(key)) => key,
        (Some(_), _) | (None, None) => {
            return Err(CertificateError::NoKey { path: key_place.path.to_owned() });
        }
    };
    check_key(&key, key_place.path)?;
    if certificates.is_empty() {
        return Err(CertificateError::NoCertificate { path: file.path.to_owned() });
    }
    // A chain may stand there too, in any order.
    let is_own =
        |certificate: &X509| certificate.public_key().is_ok_and(|public| public.public_eq(&key));
    let Some(certificate) = certificates.into_iter().find(is_own) else {
        let (path, key_path) = (file.path.to_owned(), key_place.path.to_owned());
        return Err(CertificateError::OtherKey { path, key_path });
    };
    described(&certificate, key).map_err(|error| file.damaged(error))
}

/// Makes RC2 and single DES available, which the containers of older Windows and Java are encrypted with. A build
/// without them still opens all others.
fn load_legacy_ciphers() {
    static LEGACY: OnceLock<Option<Provider>> = OnceLock::new();
    LEGACY.get_or_init(|| Provider::try_load(None, "legacy", true).ok());
}

fn open_pfx(
    file: Content<'_>,
    password: Option<&SecretString>,
) -> Result<(Vec<X509>, Option<PKey<Private>>), CertificateError> {
    let path = || file.path.to_owned();
    let container =
        Pkcs12::from_der(file.bytes).map_err(|_| CertificateError::UnknownForm { path: path() })?;
    // No password and an empty one are the same here: OpenSSL tries both encodings of it.
    let text = password.map_or("", |password| password.expose_secret());
    if text.contains('\0') {
        return Err(CertificateError::WrongPassword { path: path() });
    }
    let parsed = container.parse2(text).map_err(|source| {
        let is_mac = source.errors().iter().any(|error| {
            error.library_code() == ERR_LIB_PKCS12
                && error.reason_code() == PKCS12_R_MAC_VERIFY_FAILURE
        });
        match (is_mac, text.is_empty()) {
            (true, true) => CertificateError::PasswordMissing { path: path() },
            (true, false) => CertificateError::WrongPassword { path: path() },
            (false, _) => file.damaged(source),
        }
    })?;
    let mut certificates: Vec<X509> = parsed.cert.into_iter().collect();
    certificates.extend(parsed.ca.into_iter().flatten());
    Ok((certificates, parsed.pkey))
}

/// The first private key of a PEM file.
fn pem_key(
    file: Content<'_>,
    password: Option<&SecretString>,
) -> Result<PKey<Private>, CertificateError> {
    let mut is_encrypted = false;
    let key = PKey::private_key_from_pem_callback(file.bytes, |buffer| {
        is_encrypted = true;
        let password = password.map_or("", |password| password.expose_secret()).as_bytes();
        let target = buffer.get_mut(..password.len()).ok_or_else(ErrorStack::get)?;
        target.copy_from_slice(password);
        Ok(password.len())
    });
    let is_set = password.is_some_and(|password| !password.expose_secret().is_empty());
    key.map_err(|source| match (is_encrypted, is_set) {
        (true, false) => CertificateError::PasswordMissing { path: file.path.to_owned() },
        (true, true) => CertificateError::WrongPassword { path: file.path.to_owned() },
        (false, _) => file.damaged(source),
    })
}

fn check_key(key: &PKey<Private>, path: &Path) -> Result<(), CertificateError> {
    if key.id() != Id::RSA {
        return Err(CertificateError::NotRsa { path: path.to_owned() });
    }
    let bits = key.bits();
    if bits < KEY_BITS_MIN {
        return Err(CertificateError::ShortKey { path: path.to_owned(), bits });
    }
    Ok(())
}

fn described(certificate: &X509, key: PKey<Private>) -> Result<KeyPair, ErrorStack> {
    let life = Asn1Time::from_unix(0)?.diff(certificate.not_after())?;
    let since_epoch = TimeDelta::days(life.days.into()) + TimeDelta::seconds(life.secs.into());
    Ok(KeyPair {
        key,
        sha1: certificate.digest(MessageDigest::sha1())?.to_vec(),
        sha256: certificate.digest(MessageDigest::sha256())?.to_vec(),
        not_after: DateTime::UNIX_EPOCH + since_epoch,
    })
}
