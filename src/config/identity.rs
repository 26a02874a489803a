//! Is a component what it was when the configuration was last read? Tells by a digest of all that its settings say and
//! of the files that they name.
//!
//! The digest is of what stands there once variables and secrets are replaced, and tells nothing of them.

use std::path::PathBuf;

use pipeline_core::ComponentKind;
use ring::digest::{Context, SHA256};

use super::{
    Declared,
    tree::{Node, Value},
};

/// What a component is set to do, as far as two of them can be compared.
pub type Identity = [u8; 32];

/// The keys of files that are read once, when a component is built. Certificates of apps are not among them: they are
/// read before each use.
const FILE_KEYS: [&str; 3] = ["ca_file", "crt_file", "key_file"];

/// The beginnings of values that name such files in options of librdkafka, by the ends of their keys.
const LIBRDKAFKA_ENDS: [&str; 1] = [".location"];

impl Declared {
    /// Tells this component from any other. `files` are what the files that it names hold, each with its name.
    pub fn identity(&self, files: &[(PathBuf, Vec<u8>)]) -> Identity {
        let mut digest = Context::new(&SHA256);
        add_text(&mut digest, self.component_type.as_bytes());
        if let Some(table) = self.node.as_table() {
            let mut entries: Vec<_> = table.0.iter().collect();
            entries.sort_unstable_by_key(|entry| &entry.key);
            for entry in entries {
                // Both are compared by themselves: to move a component or its buffer does not make it another one.
                let is_around = entry.key == "inputs" || entry.key == "buffer";
                if !is_around || self.kind == ComponentKind::Source {
                    add_text(&mut digest, entry.key.as_bytes());
                    add(&mut digest, &entry.node);
                }
            }
        }
        for outside in &self.depends_on {
            add_text(&mut digest, outside);
        }
        for (path, content) in files {
            add_text(&mut digest, path.as_os_str().as_encoded_bytes());
            add_text(&mut digest, content);
        }
        let mut identity = [0; 32];
        identity.copy_from_slice(digest.finish().as_ref());
        identity
    }

    /// The files that are read once, when the component is built.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        files_in(&self.node, &mut found);
        found
    }
}

fn files_in(node: &Node, found: &mut Vec<PathBuf>) {
    match &node.value {
        Value::Array(items) => items.iter().for_each(|item| files_in(item, found)),
        Value::Table(table) => {
            for entry in &table.0 {
                let key = entry.key.as_str();
                let names_file = FILE_KEYS.contains(&key)
                    || LIBRDKAFKA_ENDS.iter().any(|end| key.ends_with(end));
                match entry.node.as_str().filter(|path| names_file && !path.is_empty()) {
                    Some(path) => found.push(PathBuf::from(path)),
                    None => files_in(&entry.node, found),
                }
            }
        }
        Value::String(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_) => {}
    }
}

/// Each part with its length, so that no two ways to cut a text give the same digest.
fn add_text(digest: &mut Context, text: &[u8]) {
    digest.update(&(text.len() as u64).to_le_bytes());
    digest.update(text);
}

fn add(digest: &mut Context, node: &Node) {
    match &node.value {
        Value::String(text) => add_tagged(digest, b's', text.as_bytes()),
        Value::Integer(number) => add_tagged(digest, b'i', &number.to_le_bytes()),
        Value::Float(number) => add_tagged(digest, b'f', &number.to_le_bytes()),
        Value::Boolean(is_true) => add_tagged(digest, b'b', &[u8::from(*is_true)]),
        Value::Datetime(text) => add_tagged(digest, b'd', text.as_bytes()),
        Value::Array(items) => {
            add_tagged(digest, b'a', &(items.len() as u64).to_le_bytes());
            for item in items {
                add(digest, item);
            }
        }
        Value::Table(table) => {
            add_tagged(digest, b't', &(table.0.len() as u64).to_le_bytes());
            let mut entries: Vec<_> = table.0.iter().collect();
            entries.sort_unstable_by_key(|entry| &entry.key);
            for entry in entries {
                add_text(digest, entry.key.as_bytes());
                add(digest, &entry.node);
            }
        }
    }
}

fn add_tagged(digest: &mut Context, tag: u8, bytes: &[u8]) {
    digest.update(&[tag]);
    add_text(digest, bytes);
}
