//! How far each file was delivered, on disk: `checkpoints.json` in the source's folder.
//!
//! Invariant: the file is replaced whole, so that a kill leaves the old or the new one. Its lock keeps a second process
//! away, which would move the checkpoints past what this one has under way.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use pipeline_core::Timestamp;
use serde::{Deserialize, Serialize};

use super::identity::Identity;

/// How long a file is remembered that is not found any more.
const FORGOTTEN_AFTER: chrono::TimeDelta = chrono::TimeDelta::days(30);

/// How far a file was delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    #[serde(flatten)]
    pub(super) identity: Identity,
    /// Where the file was last, for people.
    pub(super) path: PathBuf,
    /// Offset in the text behind the last record.
    pub(super) offset: u64,
    /// Records before it.
    pub(super) records: u64,
    /// When the file was seen last.
    pub(super) seen: Timestamp,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    version: u32,
    files: Vec<Checkpoint>,
}

/// The version of the file's form.
const VERSION: u32 = 1;

/// Why there are no checkpoints to work with.
#[derive(Debug, thiserror::Error)]
pub(super) enum CheckpointError {
    #[error("another process reads these files, with the state in `{path}`")]
    Locked { path: String },
    #[error("cannot read or write the checkpoints `{path}`")]
    Io { path: String, source: io::Error },
    #[error("the checkpoints `{path}` are damaged; without the file, all files are read again")]
    Damaged { path: String, source: serde_json::Error },
    #[error("the checkpoints `{path}` are of a newer version ({version})")]
    Newer { path: String, version: u32 },
}

/// The checkpoints on disk.
#[derive(Debug)]
pub(super) struct Checkpoints {
    path: PathBuf,
    /// Held as long as the source lives.
    _lock: File,
}

impl Checkpoints {
    /// Opens those in `folder`, and gives what they say.
    pub(super) fn open(folder: &Path) -> Result<(Checkpoints, Vec<Checkpoint>), CheckpointError> {
        let path = folder.join("checkpoints.json");
        let shown = || path.display().to_string();
        let at = |source| CheckpointError::Io { path: shown(), source };
        let lock = private().open(folder.join("checkpoints.lock")).map_err(at)?;
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(CheckpointError::Locked { path: shown() }),
            // A file system without locks has none.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let content: Content = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .map_err(|source| CheckpointError::Damaged { path: shown(), source })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Content::default(),
            Err(source) => return Err(at(source)),
        };
        if content.version > VERSION {
            return Err(CheckpointError::Newer { path: shown(), version: content.version });
        }
        Ok((Checkpoints { path, _lock: lock }, content.files))
    }

    /// Where they are.
    pub(super) fn path(&self) -> PathBuf {
        self.path.clone()
    }
}

/// Puts `files` in the place of what is at `path`, but for those that were not seen for long.
pub(super) fn save(path: &Path, mut files: Vec<Checkpoint>, now: Timestamp) -> io::Result<()> {
    files.retain(|file| now.signed_duration_since(file.seen) < FORGOTTEN_AFTER);
    let text = serde_json::to_vec(&Content { version: VERSION, files })?;
    let new = path.with_extension("new");
    let mut file = private().open(&new)?;
    file.set_len(0)?;
    file.write_all(&text)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options
}
