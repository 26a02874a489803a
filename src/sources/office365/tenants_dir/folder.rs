//! What lies in the folder, without opening it: names, sizes and times.
//!
//! Hidden files, editors' copies and whatever does not end in `.toml` are passed over. Links are followed.

use std::{
    fs::{self, Metadata},
    io,
    path::{Path, PathBuf},
};

/// The ending of a tenant's file.
const EXTENSION: &str = "toml";

/// A file of the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) stamp: Stamp,
}

/// What changes when a file is written or another takes its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    length: u64,
    /// Inode, and the times of the last change of content and of the file itself.
    #[cfg(unix)]
    identity: [i64; 6],
    #[cfg(not(unix))]
    modified: Option<std::time::SystemTime>,
}

impl Stamp {
    #[cfg(unix)]
    fn of(metadata: &Metadata) -> Stamp {
        use std::os::unix::fs::MetadataExt;
        let identity = [
            metadata.dev().cast_signed(),
            metadata.ino().cast_signed(),
            metadata.mtime(),
            metadata.mtime_nsec(),
            metadata.ctime(),
            metadata.ctime_nsec(),
        ];
        Stamp { length: metadata.len(), identity }
    }

    #[cfg(not(unix))]
    fn of(metadata: &Metadata) -> Stamp {
        Stamp { length: metadata.len(), modified: metadata.modified().ok() }
    }
}

/// The tenants' files, in the order of their names.
pub(super) fn list(folder: &Path) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if !is_tenants_file(&path) {
            continue;
        }
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => {
                found.push(Found { stamp: Stamp::of(&metadata), path });
            }
            Ok(_) => {}
            // Gone since the folder was read, or a link that leads nowhere.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    found.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(found)
}

fn is_tenants_file(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_temporary = name.starts_with(['.', '#', '~']);
    !is_temporary && path.extension().is_some_and(|extension| extension == EXTENSION)
}
