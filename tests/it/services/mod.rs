//! The real servers that tests run against.
//!
//! The test runner names servers that run already; without it a test starts its own by the scripts in
//! `tests/services`. A server that was started here ends with the process of the tests, however that ends: the script
//! watches the process.

pub(crate) mod chromium;
pub(crate) mod elasticsearch;
pub(crate) mod kafka;
pub(crate) mod lumberjack;
pub(crate) mod opensearch;
pub(crate) mod prometheus;

use std::path::{Path, PathBuf};

pub(crate) use elasticsearch::{Elasticsearch, Product, mutual, own, plain, secure};

/// Folders of servers begin with this; the process of the tests follows.
const FOLDER_PREFIX: &str = "o365flow-it-";

/// The script `name` of `tests/services`.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/services").join(name)
}

/// The folder of a server that this process starts under a `name`, which no other server of it has.
pub(crate) fn folder(name: &str) -> PathBuf {
    sweep();
    std::env::temp_dir().join(format!("{FOLDER_PREFIX}{}", std::process::id())).join(name)
}

/// Removes what servers of earlier test programs have left: their logs and addresses.
fn sweep() {
    let entries = std::fs::read_dir(std::env::temp_dir()).expect("a folder for temporary files");
    for entry in entries.flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(FOLDER_PREFIX));
        if process.is_some_and(|id| !Path::new("/proc").join(id).exists()) {
            // Another test program may do the same at this moment.
            std::fs::remove_dir_all(entry.path()).unwrap_or_default();
        }
    }
}
