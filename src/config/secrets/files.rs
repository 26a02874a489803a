//! Secrets that stand in files as they are.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, Read},
    path::{Component, Path, PathBuf},
};

use serde_json::Value;

use super::Answer;
use crate::config::fault::Fault;

/// No secret is as large; what is, was not meant.
const FILE_BYTES_MAX: u64 = 1_000_000;

/// Reads a JSON object of strings.
pub(super) fn object(path: &Path) -> Answer {
    let text = read(path)?;
    // A syntax error names line and column, and quotes nothing.
    let parsed: Value = serde_json::from_str(&text).map_err(|error| {
        Fault::general(format!("`{}` is not valid JSON: {error}", path.display()))
            .fix("write an object of strings, as {\"key\": \"secret\"}")
    })?;
    let Value::Object(object) = parsed else {
        return Err(Fault::general(format!("`{}` holds no JSON object", path.display()))
            .fix("write an object of strings, as {\"key\": \"secret\"}"));
    };
    let value = |(key, value): (String, Value)| match value {
        Value::String(value) => (key, Ok(value)),
        _ => {
            let message = format!("`{key}` in `{}` is not a string", path.display());
            (key, Err(Fault::general(message).fix("put it in quotes")))
        }
    };
    Ok(object.into_iter().map(value).collect())
}

/// Reads the files in `folder` that are called as the keys are.
pub(super) fn folder(
    folder: &Path,
    keys: &BTreeSet<String>,
    files: &mut Vec<PathBuf>,
) -> BTreeMap<String, Result<String, Fault>> {
    let mut found = BTreeMap::new();
    for key in keys {
        let is_below = Path::new(key).components().all(|part| matches!(part, Component::Normal(_)));
        let value = if is_below {
            let path = folder.join(key);
            let value = read(&path);
            files.push(path);
            value.map(|text| text.trim_end_matches(['\n', '\r']).to_owned())
        } else {
            Err(Fault::general(format!("`{key}` leads out of `{}`", folder.display()))
                .fix("name a file below the folder"))
        };
        found.insert(key.clone(), value);
    }
    found
}

fn read(path: &Path) -> Result<String, Fault> {
    let fault = |error: io::Error| {
        let fix = match error.kind() {
            io::ErrorKind::NotFound => "create it, or correct the path or the name of the secret",
            io::ErrorKind::PermissionDenied => "let the user that runs o365flow read it",
            io::ErrorKind::InvalidData => "it has to be text in UTF-8",
            _ => "make it a file that can be read",
        };
        Fault::general(format!("cannot read `{}`: {error}", path.display())).fix(fix)
    };
    let file = File::open(path).map_err(fault)?;
    let mut text = String::new();
    let bytes = file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(fault)?;
    if bytes as u64 == FILE_BYTES_MAX {
        let message = format!("`{}` is larger than any secret", path.display());
        return Err(Fault::general(message).fix("name the file that holds it"));
    }
    Ok(text)
}
