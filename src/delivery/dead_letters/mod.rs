//! Dead letters as files: `<data_dir>/dead-letters/<component id>.ndjson`, one letter a line.
//!
//! Invariant: a letter is on disk before its event is acknowledged, and leaves it only when its event was delivered, when
//! somebody discards it, or where the user has chosen that the oldest go. A file that grows too large is moved aside to
//! `.ndjson.1`, `.ndjson.2` and so on.

mod folder;
mod line;
mod reader;
mod replay;
mod restore;
mod selection;
mod shown;

use std::{
    convert::Infallible,
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use metrics::counter;
use pipeline_core::{DeadLetter, DeadLetterError, DeadLetters};
use tracing::{error, warn};

pub use self::{
    folder::{LetterFile, LetterFolder},
    line::StoredLetter,
    reader::{LetterLine, LetterReader, LetterTaker, count_letters},
    replay::{LetterSource, ReadAgain, Replayed},
    selection::Selection,
};
use self::{
    line::write,
    shown::{Shown, describe},
};
use super::{AppendFile, Rotation};
use crate::config::{DeadLetterConfig, WhenLettersFull};

/// How often the metrics look at what other processes have done to the files.
const LOOK_INTERVAL: Duration = Duration::from_secs(30);

/// The dead letters of all components.
#[derive(Clone, Debug)]
pub struct DeadLetterFiles(Arc<Files>);

#[derive(Debug)]
struct Files {
    folder: LetterFolder,
    config: Mutex<DeadLetterConfig>,
    /// Held while writing: letters are rare, and must not mix.
    writing: Mutex<()>,
    shown: Shown,
}

impl DeadLetterFiles {
    /// Keeps dead letters below `data_dir`, in a folder that only its owner can enter, with as much room as there is.
    pub fn open(data_dir: &Path) -> Result<DeadLetterFiles, DeadLetterError> {
        DeadLetterFiles::open_with(data_dir, DeadLetterConfig::default())
    }

    /// As [`DeadLetterFiles::open`], with as much room as `config` says.
    pub fn open_with(
        data_dir: &Path,
        config: DeadLetterConfig,
    ) -> Result<DeadLetterFiles, DeadLetterError> {
        let folder = LetterFolder::of(data_dir);
        let failed = |source| DeadLetterError { path: folder.path().display().to_string(), source };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder.path())
            .and_then(|()| File::open(data_dir)?.sync_all())
            .map_err(failed)?;
        describe();
        let shown = Shown::default();
        shown.refresh(&folder).map_err(failed)?;
        let (config, writing) = (Mutex::new(config), Mutex::default());
        Ok(DeadLetterFiles(Arc::new(Files { folder, config, writing, shown })))
    }

    /// Gives them as much room as `config` says, from now on.
    pub fn bound_by(&self, config: DeadLetterConfig) {
        *self.0.config.lock().unwrap_or_else(PoisonError::into_inner) = config;
    }

    /// The file of a component.
    pub fn path(&self, component_id: &str) -> PathBuf {
        self.0.folder.file_of(component_id)
    }

    /// Keeps the metrics true, whoever takes letters out.
    pub async fn show_for_ever(&self) -> Infallible {
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            let files = Arc::clone(&self.0);
            let look = move || files.shown.refresh(&files.folder);
            if let Ok(Err(error)) = tokio::task::spawn_blocking(look).await {
                warn!(%error, "cannot look at the dead letters");
            }
        }
    }
}

impl DeadLetters for DeadLetterFiles {
    fn put(&self, letters: Vec<DeadLetter>) -> BoxFuture<'_, Result<(), DeadLetterError>> {
        let files = Arc::clone(&self.0);
        Box::pin(async move {
            let folder = files.folder.path().display().to_string();
            tokio::task::spawn_blocking(move || files.put(&letters)).await.map_err(|panic| {
                DeadLetterError { path: folder, source: io::Error::other(panic) }
            })?
        })
    }
}

impl Files {
    fn put(&self, letters: &[DeadLetter]) -> Result<(), DeadLetterError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        letters
            .chunk_by(|a, b| a.component_id == b.component_id)
            .try_for_each(|letters| self.put_of_one(letters))
    }

    /// Puts letters of one component.
    fn put_of_one(&self, letters: &[DeadLetter]) -> Result<(), DeadLetterError> {
        let path = self.folder.file_of(&letters[0].component_id);
        self.append(&path, letters)
            .map_err(|source| DeadLetterError { path: path.display().to_string(), source })
    }

    fn append(&self, path: &Path, letters: &[DeadLetter]) -> io::Result<()> {
        let mut lines = Vec::new();
        for letter in letters {
            write(letter, &mut lines)?;
        }
        let lock = self.folder.lock_to_write()?;
        self.make_room(lines.len() as u64)?;
        let rotation = Rotation { bytes_max: self.file_bytes_max(), files_max: 0 };
        let mut file = AppendFile::open(path, rotation)?;
        let before = file.old_files()?;
        file.append(&lines)?;
        let old_files = file.old_files()?;
        drop((file, lock));
        let component_id = &letters[0].component_id;
        if old_files > before {
            warn!(%component_id, old_files, "so many files are full of dead letters; `o365flow dead-letter list` shows them");
        }
        let label = [("component_id", component_id.to_string())];
        counter!("o365_dead_letters_total", &label).increment(letters.len() as u64);
        self.shown.added(component_id, letters.len(), lines.len(), old_files + 1);
        Ok(())
    }

    fn config(&self) -> DeadLetterConfig {
        self.config.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where there is a bound on all files, each must be a small part of it, as the oldest goes as a whole.
    fn file_bytes_max(&self) -> u64 {
        let config = self.config();
        let (file, total) = (config.max_file_bytes as u64, config.max_total_bytes as u64);
        if total == 0 { file } else { file.min(total / 4) }
    }

    /// Makes sure that `more` bytes fit, or says that they do not.
    fn make_room(&self, more: u64) -> io::Result<()> {
        let config = self.config();
        let most = config.max_total_bytes as u64;
        if most == 0 {
            return Ok(());
        }
        let mut files = self.folder.files()?;
        let mut bytes: u64 = files.iter().map(|file| file.bytes).sum();
        if bytes + more <= most {
            return Ok(());
        }
        if config.when_full == WhenLettersFull::Block || more > most {
            let reason = "they take as much room as `dead_letter.max_total_bytes` allows; \
                          replay or discard some, or allow more";
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, reason));
        }
        files.sort_by_key(|file| file.modified);
        for file in files {
            if bytes + more <= most {
                break;
            }
            let letters = count_letters(&file.path)?;
            fs::remove_file(&file.path)?;
            bytes -= file.bytes;
            let path = file.path.display();
            error!(%path, letters, "dead letters were dropped for newer ones: their events are lost");
            let label = [("component_id", file.component_id)];
            counter!("o365_dead_letters_dropped_total", &label).increment(letters);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
