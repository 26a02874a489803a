//! Where `SECRET[backend.key]` comes from: the backends that `[secret.NAME]` tables declare, each asked once for all
//! keys that a configuration names.
//!
//! Invariant: what a backend gave goes to the caller and is kept nowhere; no fault quotes it. A backend that cannot
//! answer makes a fault at each place that refers to it, never an empty secret. Nothing here tries again: what a
//! configuration needs is there when it is read, or it is not read.

mod exec;
mod files;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    time::Duration,
};

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    fault::{Fault, nearest},
    interpolate::Variables,
    units,
};
use crate::keystore::{self, Keystore};

/// How long a command may take unless `timeout` says otherwise.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);

/// A reference to a secret, `SECRET[backend.key]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Secret {
    backend: String,
    key: String,
}

impl Secret {
    /// Reads what stands between the brackets.
    pub(super) fn parse(inner: &str) -> Option<Secret> {
        let (backend, key) = inner.split_once('.')?;
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let is_key = |byte: u8| is_word(byte) || matches!(byte, b'.' | b'/');
        let is_secret = !backend.is_empty()
            && !key.is_empty()
            && backend.bytes().all(is_word)
            && key.bytes().all(is_key);
        is_secret.then(|| Secret { backend: backend.to_owned(), key: key.to_owned() })
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SECRET[{}.{}]", self.backend, self.key)
    }
}

/// Where secrets are kept.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Backend {
    /// A file with a JSON object of strings.
    File(FileBackend),
    /// A folder with a file for each secret.
    Directory(DirectoryBackend),
    /// A command that is asked.
    Exec(ExecBackend),
    /// An encrypted file of our own.
    Keystore(KeystoreBackend),
}

/// `type = "file"`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileBackend {
    /// The file: a JSON object, its keys the names and its values the secrets.
    pub path: PathBuf,
}

/// `type = "directory"`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DirectoryBackend {
    /// The folder: one file for each secret, called as the secret is. A line break at the end is no part of it.
    pub path: PathBuf,
}

/// `type = "exec"`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExecBackend {
    /// The program and its arguments; no shell is involved. It reads `{"version":"1.0","secrets":["key"]}` from its
    /// standard input and answers `{"key":{"value":"…","error":null}}` on its standard output.
    pub command: Vec<String>,
    /// How long it may take.
    #[serde(default = "command_timeout", with = "units::duration")]
    pub timeout: Duration,
}

fn command_timeout() -> Duration {
    COMMAND_TIMEOUT
}

/// `type = "keystore"`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeystoreBackend {
    /// The file that `o365flow keystore create` has made; by default `o365flow.keystore` in `data_dir`. Its password is
    /// in the variable `O365FLOW_KEYSTORE_PASSWORD`.
    #[serde(default)]
    pub path: Option<PathBuf>,
}

/// How far references to secrets are followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ask {
    /// Every backend is asked, as a run needs it.
    All,
    /// Files are read, but no command is run: stand-ins take the place of what it would give, and of variables that are
    /// not set, which is no fault then.
    #[default]
    Files,
    /// Nothing is read: all secrets are stand-ins.
    Nobody,
}

/// The backends of a configuration, kept for files that are read later and refer to them too.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// Nothing for what is declared and could not be read, which has been reported.
    backends: BTreeMap<String, Option<Backend>>,
    data_dir: PathBuf,
    ask: Ask,
}

/// What the backends have said.
#[derive(Default)]
pub(super) struct Answers {
    values: BTreeMap<Secret, Result<String, Fault>>,
    /// The files that were read for it.
    pub(super) files: Vec<PathBuf>,
}

impl Answers {
    /// What `secret` holds.
    pub(super) fn of(&self, secret: &Secret) -> Result<String, Fault> {
        self.values
            .get(secret)
            .cloned()
            .unwrap_or_else(|| Err(Fault::general(format!("{secret} was not asked for"))))
    }
}

/// What one backend has said of each key; a fault where it could not be asked at all.
type Answer = Result<BTreeMap<String, Result<String, Fault>>, Fault>;

impl Secrets {
    pub(super) fn new(
        backends: BTreeMap<String, Option<Backend>>,
        data_dir: PathBuf,
        ask: Ask,
    ) -> Secrets {
        Secrets { backends, data_dir, ask }
    }

    /// Asks each backend for all that is `wanted` of it. Blocks, at worst for the timeouts of all commands.
    pub(super) fn ask(&self, wanted: Vec<Secret>, variables: &Variables<'_>) -> Answers {
        let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for secret in wanted {
            keys.entry(secret.backend).or_default().insert(secret.key);
        }
        let mut answers = Answers::default();
        for (name, keys) in keys {
            let answer = match self.backends.get(&name) {
                Some(Some(backend)) => {
                    self.ask_backend(backend, &keys, variables, &mut answers.files)
                }
                Some(None) => Ok(stand_ins(&keys)),
                None => Err(self.no_backend(&name)),
            };
            for key in keys {
                let value = match &answer {
                    Ok(values) => values.get(&key).cloned().unwrap_or_else(|| {
                        Err(no_key(&key, &name, values.keys().map(String::as_str)))
                    }),
                    Err(fault) => Err(fault.clone()),
                };
                let value = value.map_err(|fault| Fault {
                    message: format!("secret backend `{name}`: {}", fault.message),
                    ..fault
                });
                answers.values.insert(Secret { backend: name.clone(), key }, value);
            }
        }
        answers
    }

    fn ask_backend(
        &self,
        backend: &Backend,
        keys: &BTreeSet<String>,
        variables: &Variables<'_>,
        read: &mut Vec<PathBuf>,
    ) -> Answer {
        if self.ask == Ask::Nobody {
            return Ok(stand_ins(keys));
        }
        match backend {
            Backend::File(FileBackend { path }) => {
                read.push(path.clone());
                files::object(path)
            }
            Backend::Directory(DirectoryBackend { path }) => Ok(files::folder(path, keys, read)),
            Backend::Exec(_) if self.ask == Ask::Files => Ok(stand_ins(keys)),
            Backend::Exec(backend) => exec::ask(backend, keys),
            Backend::Keystore(KeystoreBackend { path }) => {
                let path = path.clone().unwrap_or_else(|| self.data_dir.join(keystore::FILE_NAME));
                read.push(path.clone());
                open_keystore(&path, keys, variables)
            }
        }
    }

    fn no_backend(&self, name: &str) -> Fault {
        let fault = Fault::general("it is not declared");
        match nearest(name, self.backends.keys().map(String::as_str)) {
            Some(meant) => fault.fix(format!("did you mean `{meant}`?")),
            None => fault.fix(format!("declare it in a table `[secret.{name}]`")),
        }
    }
}

fn open_keystore(path: &Path, keys: &BTreeSet<String>, variables: &Variables<'_>) -> Answer {
    let password = variables(keystore::PASSWORD_VARIABLE).unwrap_or_default().into();
    let keystore = Keystore::open(path, &password).map_err(|error| {
        let fix = error.fix();
        Fault::general(with_cause(&error)).fix(fix)
    })?;
    let found = keystore.names().map(|name| match keystore.value(name) {
        // Only what is asked for leaves the keystore; the other names serve for "did you mean".
        Some(value) if keys.contains(name) => (name.to_owned(), Ok(value.to_owned())),
        _ => (name.to_owned(), Err(Fault::general("it was not asked for"))),
    });
    Ok(found.collect())
}

fn no_key<'a>(key: &str, backend: &str, known: impl Iterator<Item = &'a str>) -> Fault {
    let fault = Fault::general(format!("it has no secret `{key}`"));
    match nearest(key, known) {
        Some(meant) => fault.fix(format!("did you mean `SECRET[{backend}.{meant}]`?")),
        None => fault.fix("add it there, or correct its name here"),
    }
}

/// An error with what caused it.
fn with_cause(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// What stands in for secrets that are not asked for.
fn stand_ins(keys: &BTreeSet<String>) -> BTreeMap<String, Result<String, Fault>> {
    keys.iter().map(|key| (key.clone(), Ok(stand_in(key)))).collect()
}

/// What stands in for a value of this name: a GUID, as some options take nothing else, and another one for each name, as
/// some must differ.
pub(super) fn stand_in(name: &str) -> String {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    uuid::Uuid::from_u64_pair(0, hasher.finish()).to_string()
}

#[cfg(test)]
mod tests;
