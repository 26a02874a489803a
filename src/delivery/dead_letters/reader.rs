//! Reads the letters of one file, and strikes out those that are settled.
//!
//! Invariant: a letter that is struck out stays so after a kill at any instant, and no other one is touched: one byte of
//! its line is overwritten in place. When a file is done with, it is replaced as a whole by what is left of it.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Seek, SeekFrom, Write},
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::{
    folder::{LetterFolder, TEMPORARY},
    line::{SETTLED, StoredLetter},
};

/// The letters of one file, one after the other.
#[derive(Debug)]
pub struct LetterReader {
    lines: BufReader<File>,
    offset: u64,
    line: Vec<u8>,
}

/// A line of a file.
#[derive(Debug)]
pub struct LetterLine {
    /// Where it begins.
    pub offset: u64,
    /// As it stands, without its line feed.
    pub text: Vec<u8>,
    /// What it says; nothing where it is no letter.
    pub letter: Option<StoredLetter>,
}

impl LetterReader {
    /// Reads from the beginning.
    pub fn open(path: &Path) -> io::Result<LetterReader> {
        let lines = BufReader::with_capacity(256 * 1024, File::open(path)?);
        Ok(LetterReader { lines, offset: 0, line: Vec::new() })
    }

    /// The next line that is not struck out. A last one without an end is still being written, and not one yet.
    pub fn next_line(&mut self) -> io::Result<Option<LetterLine>> {
        loop {
            self.line.clear();
            let read = self.lines.read_until(b'\n', &mut self.line)?;
            if self.line.pop() != Some(b'\n') {
                return Ok(None);
            }
            let offset = self.offset;
            self.offset += read as u64;
            if self.line.is_empty() || self.line[0] == SETTLED {
                continue;
            }
            let letter = StoredLetter::parse(&self.line).ok();
            return Ok(Some(LetterLine { offset, text: std::mem::take(&mut self.line), letter }));
        }
    }
}

/// A file that was moved aside, of which letters are taken.
#[derive(Debug)]
pub struct LetterTaker {
    path: PathBuf,
    file: File,
}

impl LetterTaker {
    /// Opens the file.
    pub fn open(path: &Path) -> io::Result<LetterTaker> {
        let file = fs::OpenOptions::new().read(true).write(true).open(path)?;
        Ok(LetterTaker { path: path.to_owned(), file })
    }

    /// Strikes out the lines at these places, durably.
    pub fn strike_out(&self, offsets: &[u64]) -> io::Result<()> {
        for offset in offsets {
            self.file.write_all_at(&[SETTLED], *offset)?;
        }
        if offsets.is_empty() { Ok(()) } else { self.file.sync_data() }
    }

    /// Replaces the file by what is left of it, or removes it where nothing is.
    pub fn compact(self, folder: &LetterFolder) -> io::Result<()> {
        let mut temporary = self.path.clone().into_os_string();
        temporary.push(format!(".{TEMPORARY}"));
        let temporary = PathBuf::from(temporary);
        let kept = self.copy_rest(&temporary)?;
        let lock = folder.lock()?;
        // Another one, or none, where all letters took too much room meanwhile and the oldest were dropped.
        if self.is_still_there()? {
            if kept > 0 {
                fs::rename(&temporary, &self.path)?;
            } else {
                fs::remove_file(&self.path)?;
            }
        }
        remove_if_there(&temporary)?;
        File::open(folder.path())?.sync_all()?;
        drop(lock);
        Ok(())
    }

    fn is_still_there(&self) -> io::Result<bool> {
        let open = self.file.metadata()?;
        match fs::metadata(&self.path) {
            Ok(named) => Ok((named.dev(), named.ino()) == (open.dev(), open.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Writes what is not struck out to a new file; gives the number of lines.
    fn copy_rest(&self, to: &Path) -> io::Result<u64> {
        let mut options = fs::OpenOptions::new();
        let mut copy = options.create(true).write(true).truncate(true).mode(0o600).open(to)?;
        (&self.file).seek(SeekFrom::Start(0))?;
        let mut lines = BufReader::with_capacity(256 * 1024, &self.file);
        let (mut line, mut kept) = (Vec::new(), 0);
        while lines.read_until(b'\n', &mut line)? > 0 {
            if line[0] != SETTLED {
                copy.write_all(&line)?;
                kept += 1;
            }
            line.clear();
        }
        copy.sync_all()?;
        Ok(kept)
    }
}

/// How many letters a file has.
pub fn count_letters(path: &Path) -> io::Result<u64> {
    let mut lines = BufReader::with_capacity(256 * 1024, File::open(path)?);
    let (mut count, mut at_start) = (0, true);
    loop {
        let chunk = lines.fill_buf()?;
        if chunk.is_empty() {
            return Ok(count);
        }
        let mut start = 0;
        while start < chunk.len() {
            if at_start && chunk[start] != SETTLED {
                count += 1;
            }
            at_start = false;
            match memchr::memchr(b'\n', &chunk[start..]) {
                Some(feed) => {
                    start += feed + 1;
                    at_start = true;
                }
                None => break,
            }
        }
        let read = chunk.len();
        lines.consume(read);
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
