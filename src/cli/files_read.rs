//! Which files a configuration was read from, and what they held, so that a change of one of them is seen.
//!
//! Files are looked at, not listened to: that works on network file systems, and with the swapped links of a mounted
//! `ConfigMap`. A file is read again only where its metadata have changed.

use std::{
    collections::BTreeMap,
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ring::digest::{SHA256, digest};
use tokio::time::sleep;

/// How often files are looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// What a file holds; nothing where it cannot be read.
type Content = Option<[u8; 32]>;

/// The files that were read. Clones note into the same list.
#[derive(Clone, Debug, Default)]
pub(super) struct FilesRead(Arc<Mutex<BTreeMap<PathBuf, Seen>>>);

/// What is known of one file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    content: Content,
    /// When that was read, as far as is known.
    stamp: Option<Stamp>,
}

/// What changes with every change of a file: inode, size, and the times of the last changes of content and metadata.
type Stamp = (u64, u64, (i64, i64), (i64, i64));

impl FilesRead {
    /// Reads a file, which counts as read from then on.
    pub(super) fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let read = fs::read(path);
        self.note(path, read.as_deref().ok());
        read
    }

    /// Reads a file of text, which counts as read from then on.
    pub(super) fn read_text(&self, path: &Path) -> io::Result<String> {
        let read = fs::read_to_string(path);
        self.note(path, read.as_deref().ok().map(str::as_bytes));
        read
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what was read from a file; `None` where it could not be.
    pub(super) fn note(&self, path: &Path, bytes: Option<&[u8]>) {
        self.lock().insert(path.to_owned(), Seen { content: bytes.map(content_of), stamp: None });
    }

    /// Notes files that were read elsewhere.
    pub(super) fn note_all(&self, paths: impl IntoIterator<Item = PathBuf>) {
        for path in paths {
            let seen = look(&path, Seen::default());
            self.lock().insert(path, seen);
        }
    }

    /// Takes back that a file was read: its text was not from there.
    pub(super) fn forget(&self, path: &Path) {
        self.lock().remove(path);
    }

    /// A digest of what the file held when it was read; zeros where it was not.
    pub(super) fn content(&self, path: &Path) -> [u8; 32] {
        self.lock().get(path).and_then(|seen| seen.content).unwrap_or_default()
    }

    /// Waits until one of the files has another content than was noted, and none changes any more.
    pub(super) async fn changed(&self) {
        let mut before = self.contents();
        loop {
            sleep(LOOK_INTERVAL).await;
            let looked = self.clone();
            let Ok(now) = tokio::task::spawn_blocking(move || looked.look_again()).await else {
                continue;
            };
            if now == before {
                continue;
            }
            before = now;
            // A file that is half written now will be whole later.
            loop {
                sleep(LOOK_INTERVAL).await;
                let looked = self.clone();
                let Ok(now) = tokio::task::spawn_blocking(move || looked.look_again()).await else {
                    continue;
                };
                if now == before {
                    return;
                }
                before = now;
            }
        }
    }

    fn contents(&self) -> BTreeMap<PathBuf, Content> {
        self.lock().iter().map(|(path, seen)| (path.clone(), seen.content)).collect()
    }

    fn look_again(&self) -> BTreeMap<PathBuf, Content> {
        let files = self.lock().clone();
        for (path, seen) in files {
            let now = look(&path, seen);
            self.lock().insert(path, now);
        }
        self.contents()
    }
}

/// What a file holds now, of which `seen` was known.
fn look(path: &Path, seen: Seen) -> Seen {
    let stamp = fs::metadata(path).ok().map(|metadata| stamp(&metadata));
    if stamp.is_some() && stamp == seen.stamp {
        return seen;
    }
    Seen { content: fs::read(path).ok().as_deref().map(content_of), stamp }
}

fn stamp(metadata: &Metadata) -> Stamp {
    let modified = (metadata.mtime(), metadata.mtime_nsec());
    (metadata.ino(), metadata.size(), modified, (metadata.ctime(), metadata.ctime_nsec()))
}

fn content_of(bytes: &[u8]) -> [u8; 32] {
    let mut content = [0; 32];
    content.copy_from_slice(digest(&SHA256, bytes).as_ref());
    content
}
