//! The keystore's file: read with a bound, replaced in one step, changed by one process at a time.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::KeystoreError;

/// A keystore holds names and passwords; what is larger is none.
const FILE_BYTES_MAX: u64 = 10_000_000;

/// Reads the file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, KeystoreError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(KeystoreError::Missing { path: path.to_owned() })
        }
        Err(source) => Err(KeystoreError::Read { path: path.to_owned(), source }),
    }
}

/// Replaces the file. Whatever interrupts this, there is either the old file or the new one.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), KeystoreError> {
    let failed = |source| KeystoreError::Write { path: path.to_owned(), source };
    // Beside the file, so that it can be renamed; the folder is locked, so that the name is nobody else's.
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let put = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        File::open(folder(path))?.sync_all()
    };
    put().map_err(failed)
}

/// Makes the folder of `path`, for its owner alone, where there is none.
pub(super) fn make_folder(path: &Path) -> Result<(), KeystoreError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder(path))
        .map_err(|source| KeystoreError::Write { path: path.to_owned(), source })
}

/// Keeps other changes out until what it returns is dropped.
pub(super) fn lock(path: &Path) -> Result<File, KeystoreError> {
    let lock = || {
        // Of the folder, because the file itself is replaced.
        let folder = File::open(folder(path))?;
        folder.lock()?;
        Ok(folder)
    };
    lock().map_err(|source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => KeystoreError::Missing { path: path.to_owned() },
        _ => KeystoreError::Write { path: path.to_owned(), source },
    })
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}
