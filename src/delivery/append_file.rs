//! A file of lines that only grows, and is moved aside when it is large.
//!
//! Invariant: when [`AppendFile::append`] has returned, its lines are on disk, whole and once. What a failed or
//! interrupted write has left behind was never acknowledged; it is cut off before the next line is written.
//!
//! It does not share the file with another writer: it holds a lock, which a second one of this program is refused by.
//! Whoever moves or removes the file (logrotate) is noticed.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use tracing::warn;

/// Read at a time in the search for the end of the last whole line.
const TAIL_BYTES: u64 = 64 * 1024;

/// When a file is moved aside, and how many are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// A file that would grow beyond this is moved aside first; 0 lets it grow.
    pub bytes_max: u64,
    /// Files kept beside the one being written, the oldest being removed; 0 keeps all.
    pub files_max: u64,
}

/// An open file. Old ones are named `<path>.1`, `<path>.2` and so on, the greatest number being the youngest.
#[derive(Debug)]
pub struct AppendFile {
    path: PathBuf,
    rotation: Rotation,
    file: File,
    /// Length up to the end of the last line that is safe.
    bytes: u64,
    /// Whether bytes of a failed write may follow the last line.
    is_dirty: bool,
}

impl AppendFile {
    /// Opens the file or creates it, readable by its owner alone, and cuts off a last line that has no end.
    pub fn open(path: &Path, rotation: Rotation) -> io::Result<AppendFile> {
        let file =
            OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
        lock(&file)?;
        sync_folder(path)?;
        let bytes = heal(&file, path)?;
        Ok(AppendFile { path: path.to_owned(), rotation, file, bytes, is_dirty: false })
    }

    /// Appends whole lines. On an error none of them counts as written.
    pub fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if !self.is_still_there()? {
            *self = AppendFile::open(&self.path, self.rotation)?;
        }
        if self.is_dirty {
            self.file.set_len(self.bytes)?;
            self.is_dirty = false;
        }
        if self.is_due(lines.len() as u64) {
            self.rotate()?;
        }
        let written = self.file.write_all(lines).and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => self.bytes += lines.len() as u64,
            Err(_) => self.is_dirty = self.file.set_len(self.bytes).is_err(),
        }
        written
    }

    /// How many old files there are.
    pub fn old_files(&self) -> io::Result<usize> {
        Ok(old_numbers(&self.path)?.len())
    }

    /// Whether the path still leads to the open file.
    fn is_still_there(&self) -> io::Result<bool> {
        let open = self.file.metadata()?;
        match fs::metadata(&self.path) {
            Ok(named) => Ok((named.dev(), named.ino()) == (open.dev(), open.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn is_due(&self, more: u64) -> bool {
        self.rotation.bytes_max > 0 && self.bytes > 0 && self.bytes + more > self.rotation.bytes_max
    }

    /// Gives the file the next number, if it has lines; a new one is not made. The name is durable then.
    pub fn move_aside(self) -> io::Result<()> {
        if self.bytes > 0 {
            self.rename()?;
        }
        sync_folder(&self.path)
    }

    /// Gives the file the next number, and all numbers there are.
    fn rename(&self) -> io::Result<Vec<u64>> {
        let mut numbers = old_numbers(&self.path)?;
        let number = numbers.last().map_or(1, |last| last + 1);
        fs::rename(&self.path, old_path(&self.path, number))?;
        numbers.push(number);
        Ok(numbers)
    }

    fn rotate(&mut self) -> io::Result<()> {
        let numbers = self.rename()?;
        *self = AppendFile::open(&self.path, self.rotation)?;
        let kept = usize::try_from(self.rotation.files_max).unwrap_or(usize::MAX);
        if kept > 0 && numbers.len() > kept {
            for number in &numbers[..numbers.len() - kept] {
                fs::remove_file(old_path(&self.path, *number))?;
            }
        }
        Ok(())
    }
}

/// Keeps a second writer away, which would cut off this one's lines for torn ones. A file system without locks has none.
fn lock(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            let reason = "another process, or another sink of this one, writes to it";
            Err(io::Error::new(io::ErrorKind::ResourceBusy, reason))
        }
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

/// Cuts off what a killed process or a full disk left of a line; gives the length that remains.
fn heal(mut file: &File, path: &Path) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let mut end = length;
    let mut chunk = Vec::new();
    let mut torn_first = None;
    while end > 0 {
        let start = end.saturating_sub(TAIL_BYTES);
        file.seek(SeekFrom::Start(start))?;
        chunk.clear();
        file.take(end - start).read_to_end(&mut chunk)?;
        if let Some(feed) = memchr::memrchr(b'\n', &chunk) {
            end = start + feed as u64 + 1;
            torn_first = chunk.get(feed + 1).copied().or(torn_first);
            break;
        }
        torn_first = chunk.first().copied();
        end = start;
    }
    match torn_first {
        None => Ok(length),
        Some(b'{') => {
            warn!(path = %path.display(), bytes = length - end, "cut off a line that was not written to its end");
            file.set_len(end)?;
            file.sync_data()?;
            Ok(end)
        }
        Some(_) => {
            // Not a line of ours: it is somebody's text, and stays.
            file.write_all(b"\n")?;
            Ok(length + 1)
        }
    }
}

/// Makes the name of a new file as durable as its content.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn old_path(path: &Path, number: u64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

/// The numbers of the old files, in order.
fn old_numbers(path: &Path) -> io::Result<Vec<u64>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder.unwrap_or(Path::new(".")))? {
        let entry = entry?.file_name();
        let suffix = entry
            .as_encoded_bytes()
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix(b"."))
            .and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(number) = suffix.and_then(|digits| digits.parse().ok()) {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_heals(before: &str, after: &str) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("out.ndjson");
        fs::write(&path, before).expect("a file");
        let mut file = AppendFile::open(&path, Rotation::default()).expect("it opens");
        file.append(b"{\"new\":1}\n").expect("it appends");
        let content = fs::read_to_string(&path).expect("text");
        assert_eq!(content, format!("{after}{{\"new\":1}}\n"));
    }

    #[test]
    fn a_torn_line_is_cut_off_and_whole_ones_stay() {
        check_heals("", "");
        check_heals("{\"a\":1}\n", "{\"a\":1}\n");
        check_heals("{\"a\":1}\n{\"b\"", "{\"a\":1}\n");
        check_heals("{\"a\"", "");
        let long = format!("{{\"a\":1}}\n{{\"b\":\"{}", "x".repeat(200_000));
        check_heals(&long, "{\"a\":1}\n");
        check_heals("a note", "a note\n");
    }

    /// Appends as many lines as `appends`, each filling a file, and gives the numbers of the old files.
    fn check_rotates(path: &Path, files_max: u64, appends: usize, expected: &[u64]) {
        let rotation = Rotation { bytes_max: 10, files_max };
        let mut file = AppendFile::open(path, rotation).expect("it opens");
        for _ in 0..appends {
            file.append(b"{\"a\":1}\n").expect("it appends");
        }
        let numbers = old_numbers(path).expect("a folder");
        assert_eq!(numbers, expected);
        for path in numbers.iter().map(|number| old_path(path, *number)).chain([path.to_owned()]) {
            assert_eq!(fs::read(path).expect("a file"), b"{\"a\":1}\n");
        }
    }

    #[test]
    fn rotation_loses_nothing_and_keeps_as_many_files_as_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("out.ndjson");
        check_rotates(&path, 0, 4, &[1, 2, 3]);
        check_rotates(&path, 0, 1, &[1, 2, 3, 4]);
        check_rotates(&path, 2, 1, &[4, 5]);
    }

    #[test]
    fn a_file_that_was_moved_away_is_made_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("out.ndjson");
        let mut file = AppendFile::open(&path, Rotation::default()).expect("it opens");
        file.append(b"{\"a\":1}\n").expect("it appends");
        fs::rename(&path, folder.path().join("moved")).expect("it moves");
        file.append(b"{\"b\":2}\n").expect("it appends");
        assert_eq!(fs::read(&path).expect("a file"), b"{\"b\":2}\n");
        fs::remove_file(&path).expect("it goes");
        file.append(b"{\"c\":3}\n").expect("it appends");
        assert_eq!(fs::read(&path).expect("a file"), b"{\"c\":3}\n");
    }

    #[test]
    fn only_its_owner_can_read_a_new_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("out.ndjson");
        AppendFile::open(&path, Rotation::default()).expect("it opens");
        assert_eq!(fs::metadata(&path).expect("a file").mode() & 0o777, 0o600);
    }
}
