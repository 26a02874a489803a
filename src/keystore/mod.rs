//! Secrets in one encrypted file, as users of Beats know it.
//!
//! The file is JSON: how the key is made, and the sealed object of names and values. Its key comes from a password by
//! PBKDF2; AES-256-GCM seals names and values together and vouches for the rest of the file. With an empty password,
//! which is the default, what protects the file is its mode.
//!
//! Invariants: a value never leaves this module but by [`Keystore::value`]; each write has a new salt and a new nonce;
//! a file is replaced as a whole or not at all, and only its owner can read it. Nothing here asks a user anything.

mod seal;
mod store;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret, SecretString};

/// What the file is called where nobody says otherwise.
pub const FILE_NAME: &str = "o365flow.keystore";

/// The environment variable with the password.
pub const PASSWORD_VARIABLE: &str = "O365FLOW_KEYSTORE_PASSWORD";

/// The secrets of an opened file.
#[derive(Debug, Default)]
pub struct Keystore {
    secrets: BTreeMap<String, SecretString>,
}

/// Why a keystore can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KeystoreError {
    /// There is none.
    #[error("there is no keystore `{}`", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// There is one already.
    #[error("there is a keystore `{}` already", path.display())]
    Exists {
        /// Where it is.
        path: PathBuf,
    },
    /// The file can't be read.
    #[error("cannot read the keystore `{}`", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file can't be written.
    #[error("cannot write the keystore `{}`", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file is no keystore, or only a part of one.
    #[error("`{}` is damaged, or no keystore: {reason}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Written by a later version.
    #[error("the keystore `{}` was written by a newer version of o365flow", path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
    },
    /// The seal does not open.
    #[error("the password of the keystore `{}` is wrong, or the file was changed", path.display())]
    Sealed {
        /// Which file.
        path: PathBuf,
    },
    /// The cryptography failed, which for want of random numbers it could.
    #[error("cannot seal the keystore")]
    Seal,
}

impl KeystoreError {
    /// What to do about it.
    pub fn fix(&self) -> String {
        match self {
            KeystoreError::Missing { .. } => {
                "make one with `o365flow keystore create`, or correct the path".to_owned()
            }
            KeystoreError::Exists { .. } => {
                "`--force` replaces it, with all that it holds".to_owned()
            }
            KeystoreError::Read { .. } => "let the user that runs o365flow read it".to_owned(),
            KeystoreError::Write { .. } => {
                "see that the folder can be written to and has space".to_owned()
            }
            KeystoreError::Damaged { .. } => {
                "put a copy back, or make a new one with `o365flow keystore create --force`"
                    .to_owned()
            }
            KeystoreError::Newer { .. } => "use that version".to_owned(),
            KeystoreError::Sealed { .. } => {
                format!("set {PASSWORD_VARIABLE} to the password that it was made with")
            }
            KeystoreError::Seal => "try again".to_owned(),
        }
    }
}

impl Keystore {
    /// Opens the file at `path`.
    pub fn open(path: &Path, password: &SecretString) -> Result<Keystore, KeystoreError> {
        seal::open(path, &store::read(path)?, password).map(|secrets| Keystore { secrets })
    }

    /// Makes an empty file. One that is there already is replaced only with `Replace::Yes`.
    pub fn create(
        path: &Path,
        password: &SecretString,
        replace: Replace,
    ) -> Result<(), KeystoreError> {
        store::make_folder(path)?;
        let _lock = store::lock(path)?;
        if replace == Replace::No && path.symlink_metadata().is_ok() {
            return Err(KeystoreError::Exists { path: path.to_owned() });
        }
        store::write(path, &seal::seal(&BTreeMap::new(), password)?)
    }

    /// Opens the file at `path`, lets `change` change it, and writes it if that was done. Two changes at one time wait for
    /// each other.
    pub fn change<E: From<KeystoreError>>(
        path: &Path,
        password: &SecretString,
        change: impl FnOnce(&mut Keystore) -> Result<(), E>,
    ) -> Result<(), E> {
        let _lock = store::lock(path)?;
        let mut keystore = Keystore::open(path, password)?;
        change(&mut keystore)?;
        Ok(store::write(path, &seal::seal(&keystore.secrets, password)?)?)
    }

    /// The names, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.secrets.keys().map(String::as_str)
    }

    /// What is kept under `name`.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.secrets.get(name).map(ExposeSecret::expose_secret)
    }

    /// Keeps `value` under `name`, in the place of what was there.
    pub fn set(&mut self, name: &str, value: SecretString) {
        self.secrets.insert(name.to_owned(), value);
    }

    /// Removes `name`. False where there was none.
    pub fn remove(&mut self, name: &str) -> bool {
        self.secrets.remove(name).is_some()
    }
}

/// What becomes of a file that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replace {
    /// It stays.
    No,
    /// It goes.
    Yes,
}

/// Whether a secret can be called so: as it can stand in `SECRET[backend.name]`.
pub fn is_name(name: &str) -> bool {
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/');
    !name.is_empty() && name.bytes().all(is_plain)
}

#[cfg(test)]
mod tests;
