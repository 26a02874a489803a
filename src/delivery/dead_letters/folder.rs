//! The folder `<data_dir>/dead-letters`: which files there are, and who may write to them.
//!
//! Invariant: whoever writes to a component's current file, moves it aside, or replaces or removes a file holds the
//! folder's lock meanwhile, in whichever process. So a running o365flow and a replay can share the folder, and a file that
//! was moved aside gets no further letter.

use std::{
    fmt::Write as _,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use percent_encoding::percent_decode_str;

use super::super::{AppendFile, Rotation};

const ENDING: &str = ".ndjson";

/// What the name of a file ends with that is not written to its end yet.
pub(super) const TEMPORARY: &str = "tmp";

/// The dead letters of all components on disk.
#[derive(Clone, Debug)]
pub struct LetterFolder(PathBuf);

/// One file of letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterFile {
    /// Where it is.
    pub path: PathBuf,
    /// Whose letters it has.
    pub component_id: String,
    /// What tells it from younger and older ones; nothing for the one that is written to.
    pub number: Option<u64>,
    /// Its size.
    pub bytes: u64,
    /// When it last changed.
    pub modified: SystemTime,
}

impl LetterFolder {
    /// The folder below `data_dir`, which need not exist.
    pub fn of(data_dir: &Path) -> LetterFolder {
        LetterFolder(data_dir.join("dead-letters"))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The current file of a component.
    pub fn file_of(&self, component_id: &str) -> PathBuf {
        self.0.join(encoded(component_id) + ENDING)
    }

    /// Keeps other writers out until the file is dropped. Waits for them, which is never for long.
    pub(super) fn lock(&self) -> io::Result<File> {
        let file = self.lock_file("lock")?;
        file.lock()?;
        Ok(file)
    }

    /// As [`LetterFolder::lock`]. On a file system without locks there is none: a letter must not wait for that, and
    /// nothing is taken there either, as that asks for a lock.
    pub(super) fn lock_to_write(&self) -> io::Result<File> {
        let file = self.lock_file("lock")?;
        loop {
            match file.lock() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(()) | Err(_) => return Ok(file),
            }
        }
    }

    /// Makes sure that one process at a time takes letters out; refuses when another one does. Clears away what a killed
    /// one has left half-written.
    pub fn lock_for_taking(&self) -> io::Result<File> {
        let file = self.lock_file("replay.lock")?;
        file.try_lock().map_err(io::Error::from)?;
        for entry in fs::read_dir(&self.0)? {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == TEMPORARY) {
                fs::remove_file(path)?;
            }
        }
        Ok(file)
    }

    fn lock_file(&self, name: &str) -> io::Result<File> {
        let path = self.0.join(name);
        OpenOptions::new().create(true).write(true).truncate(false).mode(0o600).open(path)
    }

    /// All files, those of a component together, its oldest first. None where there is no folder.
    pub fn files(&self) -> io::Result<Vec<LetterFile>> {
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let Some((component_id, number)) = name.to_str().and_then(decoded) else { continue };
            // One that is gone since was removed by whoever took its letters.
            let Ok(about) = entry.metadata() else { continue };
            if about.is_file() {
                let (path, bytes, modified) = (entry.path(), about.len(), about.modified()?);
                files.push(LetterFile { path, component_id, number, bytes, modified });
            }
        }
        files.sort_by(|a, b| {
            let order = |file: &LetterFile| file.number.unwrap_or(u64::MAX);
            (&a.component_id, order(a)).cmp(&(&b.component_id, order(b)))
        });
        Ok(files)
    }

    /// Moves a component's current file aside, if it has letters, so that nothing is written to it any more.
    pub fn move_aside(&self, component_id: &str) -> io::Result<()> {
        let _lock = self.lock()?;
        let path = self.file_of(component_id);
        if path.exists() {
            // What a killed writer has left half-written goes first.
            AppendFile::open(&path, Rotation::default())?.move_aside()?;
        }
        Ok(())
    }
}

/// A name for a component's file that is safe in any folder, and different for each id.
fn encoded(component_id: &str) -> String {
    let mut name = String::new();
    for byte in component_id.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => name.push(char::from(byte)),
            // Writing to a string cannot fail.
            _ => write!(name, "%{byte:02X}").unwrap_or_default(),
        }
    }
    name
}

/// The component and the number in a file's name.
fn decoded(name: &str) -> Option<(String, Option<u64>)> {
    let (id, number) = match name.rsplit_once(ENDING)? {
        (id, "") => (id, None),
        (id, number) => (id, Some(number.strip_prefix('.')?.parse().ok()?)),
    };
    let id = percent_decode_str(id).decode_utf8().ok()?;
    Some((id.into_owned(), number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_says_whose_it_is() {
        for id in ["es", "a.b", "../x", "%2E", "ü"] {
            let name = encoded(id) + ENDING;
            assert_eq!(decoded(&name), Some((id.to_owned(), None)), "{name}");
            assert_eq!(decoded(&format!("{name}.12")), Some((id.to_owned(), Some(12))));
        }
        for name in ["lock", "replay.lock", "es.ndjson.1.tmp", "es.ndjson~", "es.txt"] {
            assert_eq!(decoded(name), None, "{name}");
        }
    }
}
