//! Whether a file is the one that was read before.
//!
//! Invariant: a file is taken for a known one only if device and inode are the same, and so is its text at the start and
//! before the place at which reading would go on. A file that was replaced, cut short, or written anew in place is
//! another file.

use std::{
    fs::{File, Metadata},
    io,
    os::unix::fs::{FileExt, MetadataExt},
};

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

/// Bytes that are compared at the start, and before the place to go on at.
pub(super) const COMPARED_BYTES: usize = 1024;

/// The number that the file system knows a file by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Inode {
    pub(super) device: u64,
    pub(super) inode: u64,
}

impl Inode {
    pub(super) fn of(metadata: &Metadata) -> Inode {
        Inode { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// Some text, by its length and hash.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sample {
    bytes: u64,
    sha256: String,
}

impl Sample {
    pub(super) fn of(text: &[u8]) -> Sample {
        let hash = digest(&SHA256, text);
        let sha256 = hash.as_ref().iter().fold(String::with_capacity(64), |mut hex, byte| {
            hex.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
            hex.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
            hex
        });
        Sample { bytes: text.len() as u64, sha256 }
    }

    /// Of the file's bytes from `start` to `end`, or as many as there are.
    pub(super) fn read(file: &File, start: u64, end: u64) -> io::Result<Sample> {
        let length = usize::try_from(end - start).unwrap_or(usize::MAX).min(COMPARED_BYTES);
        let mut text = vec![0; length];
        let mut filled = 0;
        while filled < length {
            match file.read_at(&mut text[filled..], start + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Sample::of(&text[..filled]))
    }

    /// Of the first bytes of the file.
    pub(super) fn head(file: &File) -> io::Result<Sample> {
        Sample::read(file, 0, COMPARED_BYTES as u64)
    }

    /// Of the bytes of the file before `offset`.
    pub(super) fn before(file: &File, offset: u64) -> io::Result<Sample> {
        Sample::read(file, offset.saturating_sub(COMPARED_BYTES as u64), offset)
    }

    /// Whether the file has the same bytes from `start` on.
    fn is_at(&self, file: &File, start: u64) -> io::Result<bool> {
        Ok(Sample::read(file, start, start + self.bytes)? == *self)
    }
}

/// What is known of a file that was read up to some place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    #[serde(flatten)]
    pub(super) inode: Inode,
    pub(super) head: Sample,
    /// For a file that can be read on from an offset: the bytes of it that were read, and the last of them.
    pub(super) tail: Option<(u64, Sample)>,
    /// For any other file: its size and when it was changed last. It is known only if nothing was written to it.
    pub(super) unchanged: Option<State>,
}

impl Identity {
    /// Whether `file` is it.
    pub(super) fn is(&self, file: &File) -> io::Result<bool> {
        let metadata = file.metadata()?;
        if Inode::of(&metadata) != self.inode || !self.head.is_at(file, 0)? {
            return Ok(false);
        }
        if self.unchanged.is_some_and(|then| then != state(&metadata)) {
            return Ok(false);
        }
        match &self.tail {
            Some((end, _)) if *end > metadata.len() => Ok(false),
            Some((end, sample)) => sample.is_at(file, end.saturating_sub(sample.bytes)),
            None => Ok(true),
        }
    }
}

/// Size, and time of the last change in seconds and nanoseconds.
pub(super) type State = (u64, i64, i64);

/// The state of the file now.
pub(super) fn state(metadata: &Metadata) -> State {
    (metadata.len(), metadata.mtime(), metadata.mtime_nsec())
}
