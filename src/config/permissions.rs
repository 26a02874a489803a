//! Who else may read or change what the program relies on: configuration files, secrets, keys, state.
//!
//! One rule for all: other users have no right to it at all, its group at most that of reading, and its owner is the
//! user who runs the program, or root. What does not exist is nobody's to read and passes.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{
    fault::Fault,
    tree::{Node, Value},
};

/// Any right of users who are neither owner nor in the group.
const OTHERS: u32 = 0o007;
/// The group's right to write.
const GROUP_WRITE: u32 = 0o020;
const ROOT: u32 = 0;

/// Why the file or folder at `path` is not safe from other users, with what to do about it.
pub fn too_open(path: &Path) -> Option<Fault> {
    let metadata = fs::metadata(path).ok()?;
    // Pipes and devices, as of a shell's `<(…)`, are made by whoever runs the program.
    if !metadata.is_file() && !metadata.is_dir() {
        return None;
    }
    let shown = path.display();
    let mode = metadata.mode() & 0o777;
    let user = nix::unistd::geteuid().as_raw();
    let (message, fix) = if metadata.uid() != user && metadata.uid() != ROOT {
        let message = format!(
            "`{shown}` belongs to user {}, who is neither this one ({user}) nor root",
            metadata.uid()
        );
        (message, format!("chown {user} {shown}"))
    } else if mode & (OTHERS | GROUP_WRITE) != 0 {
        let (right, whom) = match mode {
            mode if mode & 0o002 != 0 => ("changed", "any user"),
            mode if mode & OTHERS != 0 => ("read", "any user"),
            _ => ("changed", "its group"),
        };
        let private = if metadata.is_dir() { "700" } else { "600" };
        let message = format!("`{shown}` can be {right} by {whom} (its mode is {mode:04o})");
        (message, format!("chmod {private} {shown}"))
    } else {
        return None;
    };
    let way_out = "if that can't be, run with `--no-strict-permissions`";
    let fix = if metadata.is_dir() {
        format!("`{fix}`; {way_out}")
    } else {
        // A mounted file is root's and cannot be changed from within.
        format!(
            "`{fix}`, or in a container set the mode of the mount (in Kubernetes `defaultMode: 0440` with an `fsGroup`, \
             in Docker the secret's `mode: 0440`); {way_out}"
        )
    };
    Some(Fault::general(message).fix(fix))
}

/// The files with private keys that the options at and below `node` name.
pub(super) fn key_files(node: &Node, found: &mut Vec<PathBuf>) {
    match &node.value {
        Value::Array(items) => items.iter().for_each(|item| key_files(item, found)),
        Value::Table(table) => {
            for entry in &table.0 {
                let named = match entry.key.as_str() {
                    "key_file" | "key_path" | "ssl.keystore.location" => entry.node.as_str(),
                    // With a `key_path`, which is found below, the certificate itself is no secret.
                    "certificate" => entry
                        .node
                        .as_table()
                        .filter(|table| table.entry("key_path").is_none())
                        .and_then(|table| table.entry("path"))
                        .and_then(|entry| entry.node.as_str()),
                    _ => None,
                };
                found.extend(named.filter(|path| !path.is_empty()).map(PathBuf::from));
                key_files(&entry.node, found);
            }
        }
        _ => {}
    }
}
