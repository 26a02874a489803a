//! Saving a program into its file.
//!
//! Invariants: the file has either its old text or its new one, whatever happens; it keeps its mode and its owner; what
//! somebody else has written meanwhile is not overwritten; what does not compile is not written.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, fchown},
    path::{Path, PathBuf},
};

use nix::unistd::{AccessFlags, access};
use ring::digest::{SHA256, digest as hash};
use serde::Serialize;

use super::{Diagnostic, NoProgram, Severity, Workshop, trial::diagnostics};

/// A program that was saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Saved {
    /// Its file.
    pub file: PathBuf,
    /// What tells its text from others.
    pub digest: String,
}

/// Why a program was not saved: its file is what it was.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// There is none.
    #[error(transparent)]
    NoProgram(#[from] NoProgram),
    /// It stands in the configuration, or is built in.
    #[error("the program of `{id}` has no file that could be written")]
    NoFile {
        /// The component.
        id: String,
    },
    /// Its file is not what the caller thinks.
    #[error("`{}` was changed meanwhile", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// What was to be saved does not compile.
    #[error("the program does not compile")]
    Wrong {
        /// What the compiler says.
        diagnostics: Vec<Diagnostic>,
    },
    /// It could not be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What tells a text from others.
pub(super) fn digest(text: &[u8]) -> String {
    let hash = hash(&SHA256, text);
    let bytes: Vec<String> = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.concat()
}

/// Whether `path` is a file that can be replaced.
pub(super) fn is_writable(path: &Path) -> bool {
    let Ok(path) = path.canonicalize() else { return false };
    let folder = path.parent().unwrap_or(&path);
    path.is_file()
        && access(&path, AccessFlags::W_OK).is_ok()
        && access(folder, AccessFlags::W_OK).is_ok()
}

impl Workshop {
    /// Saves `text` as the program of `id`, whose text has to be that of `digest_before`. Blocks.
    pub(super) fn save(
        &self,
        id: &str,
        text: &str,
        digest_before: &str,
    ) -> Result<Saved, SaveError> {
        let file = self.find(id)?.1.file().filter(|file| file.exists());
        let file = file.ok_or_else(|| SaveError::NoFile { id: id.to_owned() })?;
        let failed = |source| SaveError::Write { path: file.to_owned(), source };
        let is_same = || fs::read(file).map(|now| digest(&now) == digest_before).map_err(failed);
        let changed = || SaveError::Changed { path: file.to_owned() };
        // Before it is compiled, since that can take a while, and right before it is written.
        if !is_same()? {
            return Err(changed());
        }
        if let Err(problems) = self.prepare(id, text)? {
            return Err(SaveError::Wrong { diagnostics: diagnostics(&problems, Severity::Error) });
        }
        if !is_same()? {
            return Err(changed());
        }
        replace(file, text).map_err(failed)?;
        Ok(Saved { file: file.to_owned(), digest: digest(text.as_bytes()) })
    }
}

/// Puts `text` into the file at `path`, or at the end of the links that stand there.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = path.canonicalize()?;
    let before = fs::metadata(&path)?;
    if !before.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    access(&path, AccessFlags::W_OK)?;
    let folder = path.parent().ok_or(io::ErrorKind::NotFound)?;
    let name = path.file_name().ok_or(io::ErrorKind::NotFound)?.to_string_lossy();
    let beside = folder.join(format!(".{name}.{}.new", std::process::id()));
    let written = write(&beside, text, &before).and_then(|()| fs::rename(&beside, &path));
    if let Err(error) = written {
        // What cannot be removed either is a hidden file too many; the error says what was wrong.
        drop(fs::remove_file(&beside));
        return Err(error);
    }
    File::open(folder)?.sync_all()
}

/// Writes a new file like the one before.
fn write(path: &Path, text: &str, before: &Metadata) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (before.uid(), before.gid()) {
        fchown(&file, Some(before.uid()), Some(before.gid()))?;
    }
    file.set_permissions(before.permissions())?;
    file.sync_all()
}
