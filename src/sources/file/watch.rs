//! Which files there are. Blocking.

use std::{
    collections::BTreeMap,
    fs::{self, Metadata},
    io,
    path::PathBuf,
};

use glob::{MatchOptions, Pattern};

use super::identity::Inode;

/// As a shell reads patterns, but for names that start with a dot.
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// A file that was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) metadata: Metadata,
}

/// What was found, and what could not be looked at.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// A file with several names is found once.
    pub(super) files: BTreeMap<Inode, Found>,
    pub(super) errors: Vec<(PathBuf, io::Error)>,
}

/// Looks for the files that `include` names, but for those that `exclude` names. The patterns were checked.
pub(super) fn find(include: &[String], exclude: &[String]) -> Findings {
    let excluded: Vec<Pattern> =
        exclude.iter().filter_map(|pattern| Pattern::new(pattern).ok()).collect();
    let mut found = Findings::default();
    for paths in include.iter().filter_map(|pattern| glob::glob_with(pattern, OPTIONS).ok()) {
        for path in paths {
            let path = match path {
                Ok(path) => path,
                Err(error) => {
                    found.errors.push((error.path().to_owned(), error.into()));
                    continue;
                }
            };
            if excluded.iter().any(|pattern| pattern.matches_path_with(&path, OPTIONS)) {
                continue;
            }
            match fs::metadata(&path) {
                Ok(metadata) if metadata.is_file() => {
                    found.files.entry(Inode::of(&metadata)).or_insert(Found { path, metadata });
                }
                Ok(_) => {}
                // It went in between.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => found.errors.push((path, error)),
            }
        }
    }
    found
}
