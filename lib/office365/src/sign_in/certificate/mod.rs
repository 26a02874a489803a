//! A certificate in files that may be replaced while the program runs.
//!
//! The files are looked at before each use and read again when their content has changed, so a rotation needs no
//! restart. Invariants: a pair that works is given up only for another that can be read; what cannot is told once, and
//! the old one serves on. What Entra took last stays at hand for the case that it does not know a new one yet. A file
//! system that does not answer keeps one thread busy, whoever asks, and nobody waiting for long.

mod error;
mod expiry;
mod key_pair;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use openssl::sha::sha256;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub use self::error::CertificateError;
use self::expiry::{Notice, Notices};
pub(super) use self::key_pair::KeyPair;
use self::key_pair::{Content, key_pair};
use super::assertion::SigningAlgorithm;

/// Bytes of one file. A chain of certificates with its key has some 10 KB.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// For reading the files and making a key of the password, which is a matter of milliseconds.
const READ_LIMIT: Duration = Duration::from_secs(10);

/// Pairs that Entra took and that are kept. Its servers learn of a new one at different times, and until then want the
/// one before it.
const ACCEPTED_MAX: usize = 2;

/// Where a certificate and its key are, and how to sign with them.
#[derive(Clone, Debug)]
pub struct CertificateFiles {
    /// PFX or PEM.
    pub path: PathBuf,
    /// PEM, where the key is in a file of its own.
    pub key_path: Option<PathBuf>,
    pub password: Option<SecretString>,
    pub algorithm: SigningAlgorithm,
}

/// Which of the pairs that are known signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pair {
    Current,
    /// The one that Entra took before; the current one where there is none, or it has expired.
    Previous,
}

/// What is told about a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateInfo {
    pub path: PathBuf,
    /// In hexadecimal, as the app registration shows it.
    pub sha1_thumbprint: String,
    /// In hexadecimal.
    pub sha256_thumbprint: String,
    pub not_after: DateTime<Utc>,
}

/// A certificate that follows its files. What shares one is told of its end once.
#[derive(Debug)]
pub struct Certificate {
    files: CertificateFiles,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    current: Option<Loaded>,
    /// What Entra has taken, the latest first.
    accepted: Vec<Arc<KeyPair>>,
    /// A look at the files that has not come to its end.
    reading: Option<JoinHandle<Reading>>,
    /// Why the files cannot take the place of the current pair; it was told.
    complaint: Option<String>,
}

/// What a look at the files gives: nothing where they are as they were.
type Reading = Result<Option<Loaded>, CertificateError>;

#[derive(Debug)]
struct Loaded {
    pair: Arc<KeyPair>,
    digest: [u8; 32],
    notices: Notices,
}

impl Certificate {
    /// Reads nothing yet.
    pub fn new(files: CertificateFiles) -> Self {
        Certificate { files, state: Mutex::default() }
    }

    pub fn files(&self) -> &CertificateFiles {
        &self.files
    }

    /// Looks at the files, says in the log what there is to say, and tells what will be signed with.
    pub async fn info(&self, now: DateTime<Utc>) -> Result<CertificateInfo, CertificateError> {
        let pair = self.current(now).await?;
        Ok(CertificateInfo {
            path: self.files.path.clone(),
            sha1_thumbprint: hex(&pair.sha1),
            sha256_thumbprint: hex(&pair.sha256),
            not_after: pair.not_after,
        })
    }

    /// The pair to sign with, as the files are now, or as they last were when they could be read.
    pub(super) async fn current(
        &self,
        now: DateTime<Utc>,
    ) -> Result<Arc<KeyPair>, CertificateError> {
        let mut state = self.state.lock().await;
        match state.look(&self.files).await {
            Ok(None) => state.complaint = None,
            Ok(Some(loaded)) => state.replace(loaded, &self.files.path),
            Err(error) if state.current.is_some() => state.complain(&error),
            Err(error) => return Err(error),
        }
        let loaded = state.current.as_mut().expect("without a pair the error was returned");
        loaded.tell_expiry(&self.files.path, now);
        Ok(Arc::clone(&loaded.pair))
    }

    /// The pair that Entra took last and that is not the current one, if it is still valid.
    pub(super) async fn previous(&self, now: DateTime<Utc>) -> Option<Arc<KeyPair>> {
        let state = self.state.lock().await;
        let current = state.current.as_ref().map(|loaded| &loaded.pair.sha256);
        let mut others = state.accepted.iter().filter(|pair| Some(&pair.sha256) != current);
        others.find(|pair| now < pair.not_after).map(Arc::clone)
    }

    /// Entra has taken an assertion of this pair.
    pub(super) async fn note_accepted(&self, pair: Arc<KeyPair>) {
        let mut state = self.state.lock().await;
        state.accepted.retain(|known| known.sha256 != pair.sha256);
        state.accepted.insert(0, pair);
        state.accepted.truncate(ACCEPTED_MAX);
    }
}

impl State {
    /// Looks at the files, unless another look has been at it for too long.
    async fn look(&mut self, files: &CertificateFiles) -> Reading {
        let slow = || CertificateError::Slow { path: files.path.clone(), limit: READ_LIMIT };
        if self.reading.as_ref().is_some_and(|reading| !reading.is_finished()) {
            return Err(slow());
        }
        let known = self.current.as_ref().map(|loaded| loaded.digest);
        let reading = self.reading.get_or_insert_with(|| {
            let files = files.clone();
            tokio::task::spawn_blocking(move || files.load(known))
        });
        let read = timeout(READ_LIMIT, reading).await.map_err(|_| slow())?;
        self.reading = None;
        read.unwrap_or_else(|error| {
            let source = io::Error::other(error);
            Err(CertificateError::Read { path: files.path.clone(), source })
        })
    }

    fn replace(&mut self, loaded: Loaded, path: &Path) {
        let pair = &loaded.pair;
        tracing::info!(
            path = %path.display(),
            sha1_thumbprint = hex(&pair.sha1),
            sha256_thumbprint = hex(&pair.sha256),
            not_after = %pair.not_after,
            "signing in with this certificate"
        );
        self.current = Some(loaded);
        self.complaint = None;
    }

    fn complain(&mut self, error: &CertificateError) {
        let complaint = error.to_string();
        if self.complaint.as_ref() != Some(&complaint) {
            let fix = error.hint().fix;
            tracing::warn!(
                error = error as &(dyn std::error::Error + 'static),
                fix,
                "the new certificate cannot be used; going on with the old one"
            );
            self.complaint = Some(complaint);
        }
    }
}

impl Loaded {
    fn tell_expiry(&mut self, path: &Path, now: DateTime<Utc>) {
        let not_after = self.pair.not_after;
        let (path, thumbprint) = (path.display(), hex(&self.pair.sha1));
        match self.notices.next(not_after, now) {
            Some(Notice::Within(days)) => tracing::warn!(
                %path, sha1_thumbprint = thumbprint, %not_after, within_days = days.0,
                "the certificate expires soon: register a new one, then replace the file"
            ),
            Some(Notice::Expired) => tracing::error!(
                %path, sha1_thumbprint = thumbprint, %not_after,
                "the certificate has expired: register a new one, then replace the file"
            ),
            None => {}
        }
    }
}

impl CertificateFiles {
    /// Reads the files, unless their content is the one with digest `known`. Blocks.
    fn load(&self, known: Option<[u8; 32]>) -> Reading {
        let bytes = read(&self.path)?;
        let key_bytes = self.key_path.as_deref().map(read).transpose()?;
        let mut parts = sha256(bytes.expose_secret()).to_vec();
        parts.extend(key_bytes.iter().flat_map(|bytes| sha256(bytes.expose_secret())));
        let digest = sha256(&parts);
        if known == Some(digest) {
            return Ok(None);
        }
        let file = Content { path: &self.path, bytes: bytes.expose_secret() };
        let key_file = self.key_path.as_deref().zip(key_bytes.as_ref());
        let key_file = key_file.map(|(path, bytes)| Content { path, bytes: bytes.expose_secret() });
        let pair = Arc::new(key_pair(file, key_file, self.password.as_ref())?);
        Ok(Some(Loaded { pair, digest, notices: Notices::default() }))
    }
}

/// The content of a file, wiped after use.
fn read(path: &Path) -> Result<SecretSlice<u8>, CertificateError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|source| CertificateError::Read { path: path.to_owned(), source })?;
    let bytes = SecretSlice::from(bytes);
    if bytes.expose_secret().len() as u64 > FILE_BYTES_MAX {
        return Err(CertificateError::TooLarge { path: path.to_owned() });
    }
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.extend(
            [byte >> 4, byte & 0xf]
                .map(|digit| char::from(b"0123456789ABCDEF"[usize::from(digit)])),
        );
    }
    text
}
