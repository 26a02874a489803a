//! The lock that keeps a second process from writing a file of state. Reading needs none.
//!
//! Invariant: whoever holds a [`Lock`] is the only one who does, on this machine; the system gives it back when the
//! process ends, however it does. The file stays: removing it would let two processes lock two files of one name.
//!
//! The file also carries a note from a run that has met damage to the next start, which might not find it again.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// A process that is just ending still holds the lock: how often, and how long apart, it is asked for.
const ATTEMPTS: u32 = 40;
const ATTEMPT_WAIT: Duration = Duration::from_millis(50);

/// Bytes of a note that are read.
const NOTE_BYTES_MAX: u64 = 1000;

/// The right to write one file.
#[derive(Debug)]
pub struct Lock(File);

/// Why a file could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else has it.
    #[error("another process uses `{}`", path.display())]
    InUse { path: PathBuf },
    /// The system does not let us.
    #[error("cannot lock `{}`", path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl Lock {
    /// Takes the lock of the file at `path`, which need not exist.
    pub fn take(path: &Path) -> Result<Lock, LockError> {
        let cannot = |source: io::Error| LockError::Io { path: path.to_owned(), source };
        let file = open_private(&path.with_extension("lock")).map_err(cannot)?;
        for attempt in 1..=ATTEMPTS {
            match file.try_lock() {
                Ok(()) => return Ok(Lock(file)),
                Err(TryLockError::WouldBlock) if attempt < ATTEMPTS => thread::sleep(ATTEMPT_WAIT),
                Err(TryLockError::WouldBlock) => break,
                Err(TryLockError::Error(error)) => return Err(cannot(error)),
            }
        }
        Err(LockError::InUse { path: path.to_owned() })
    }

    /// What damage an earlier run has met.
    pub fn noted_damage(&self) -> Option<String> {
        let mut note = String::new();
        let mut file = &self.0;
        file.rewind().ok()?;
        // A note that cannot be read is none: the file is checked anyway.
        file.take(NOTE_BYTES_MAX).read_to_string(&mut note).ok()?;
        Some(note.trim().to_owned()).filter(|note| !note.is_empty())
    }

    /// Notes damage for the next start.
    pub fn note_damage(&self, damage: &str) {
        if let Err(error) = self.write_note(damage) {
            tracing::warn!(%error, damage, "cannot note that a file is damaged");
        }
    }

    /// The damaged file has been set aside.
    pub fn clear_note(&self) -> io::Result<()> {
        self.write_note("")
    }

    fn write_note(&self, note: &str) -> io::Result<()> {
        let mut file = &self.0;
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(note.as_bytes())?;
        file.sync_data()
    }
}

/// Opens a file, made readable by its owner alone if it is not there.
pub fn open_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
        let file = options.mode(0o600).open(path)?;
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
        Ok(file)
    }
    #[cfg(not(unix))]
    options.open(path)
}
