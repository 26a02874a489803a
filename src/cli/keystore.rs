//! `o365flow keystore`: puts secrets into the encrypted file and takes them out of it. No value is ever shown.

use std::{
    io::{self, IsTerminal, Read},
    path::PathBuf,
};

use clap::{Args, Subcommand};
use secrecy::{ExposeSecret, SecretString};

use super::{Failure, complain, load, say};
use crate::{
    config,
    keystore::{self, Keystore, KeystoreError, PASSWORD_VARIABLE, Replace},
};

/// No secret is as large.
const VALUE_BYTES_MAX: u64 = 1_000_000;

/// Keep secrets in an encrypted file.
///
/// A backend of type `keystore` gives them to `SECRET[backend.key]`. The password is taken from the variable
/// `O365FLOW_KEYSTORE_PASSWORD`, and is empty without it: then the mode of the file, 0600, is all that protects it.
#[derive(Debug, Args)]
pub(super) struct KeystoreCommand {
    #[command(subcommand)]
    action: Action,
    /// The file.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "O365FLOW_KEYSTORE",
        default_value = "o365flow-data/o365flow.keystore"
    )]
    path: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make an empty keystore.
    Create {
        /// Replace one that is there, with all that it holds.
        #[arg(long)]
        force: bool,
        /// Ask for a password.
        #[arg(long)]
        password: bool,
    },
    /// Keep a secret; its value is asked for, and not shown while it is typed.
    Add {
        /// The name, as in `SECRET[backend.name]`.
        #[arg(value_name = "KEY")]
        key: String,
        /// Read the value from standard input, to its end; a line break at the end is no part of it.
        #[arg(long)]
        stdin: bool,
        /// Replace the value if there is one.
        #[arg(long)]
        force: bool,
    },
    /// Show the names of what is kept.
    List,
    /// Remove secrets.
    Remove {
        /// Their names.
        #[arg(value_name = "KEY", required = true)]
        keys: Vec<String>,
    },
}

/// Why the keystore was not changed.
#[derive(Debug, thiserror::Error)]
enum ChangeError {
    #[error("{error}; {fix}", fix = error.fix())]
    Keystore { error: KeystoreError, source: Option<io::Error> },
    #[error("`{0}` can't be the name of a secret; use letters, digits, `_`, `-`, `.` and `/`")]
    Name(String),
    #[error("there is a secret `{0}` already; `--force` replaces it")]
    Taken(String),
    #[error("there is no secret `{0}`; `o365flow keystore list` shows which there are")]
    Unknown(String),
    #[error("the value is empty")]
    Empty,
    #[error("the value is larger than any secret")]
    Large,
    #[error("the two passwords differ")]
    Differ,
    #[error("cannot read what is typed; `--stdin` reads a value from standard input")]
    Prompt(#[source] io::Error),
    #[error("cannot read the value from standard input")]
    Stdin(#[source] io::Error),
}

impl From<KeystoreError> for ChangeError {
    fn from(mut error: KeystoreError) -> ChangeError {
        // Its cause is told behind the fix.
        let source = match &mut error {
            KeystoreError::Read { source, .. } | KeystoreError::Write { source, .. } => {
                let kind = source.kind();
                Some(std::mem::replace(source, kind.into()))
            }
            _ => None,
        };
        ChangeError::Keystore { error, source }
    }
}

impl KeystoreCommand {
    pub(super) fn execute(self) -> Result<(), Failure> {
        Ok(self.run()?)
    }

    fn run(self) -> Result<(), ChangeError> {
        let path = self.path;
        let shown = path.display();
        match self.action {
            Action::Create { force, password } => {
                let password = if password { new_password()? } else { variable() };
                let replace = if force { Replace::Yes } else { Replace::No };
                Keystore::create(&path, &password, replace)?;
                say(format_args!("made the keystore `{shown}`"));
            }
            Action::Add { key, stdin, force } => {
                if !keystore::is_name(&key) {
                    return Err(ChangeError::Name(key));
                }
                let (password, keystore) = open(&path)?;
                let is_taken = keystore.value(&key).is_some();
                if is_taken && !force {
                    return Err(ChangeError::Taken(key));
                }
                let value = if stdin { piped_value()? } else { typed_value(&key)? };
                Keystore::change(&path, &password, |keystore| {
                    keystore.set(&key, value);
                    Ok::<(), ChangeError>(())
                })?;
                say(format_args!("added `{key}` to `{shown}`"));
            }
            Action::List => {
                let (_, keystore) = open(&path)?;
                keystore.names().for_each(say);
            }
            Action::Remove { keys } => {
                let (password, _) = open(&path)?;
                Keystore::change(&path, &password, |keystore| {
                    let unknown = keys.iter().find(|key| !keystore.remove(key));
                    unknown.map_or(Ok(()), |key| Err(ChangeError::Unknown(key.clone())))
                })?;
                say(format_args!("removed `{}` from `{shown}`", keys.join("`, `")));
            }
        }
        if let Some(fault) = config::too_open(&path) {
            complain(format_args!("warning: {fault}"));
        }
        Ok(())
    }
}

/// Opens the keystore, asking for its password if that is neither empty nor in the environment.
fn open(path: &std::path::Path) -> Result<(SecretString, Keystore), ChangeError> {
    let password = variable();
    match Keystore::open(path, &password) {
        Err(KeystoreError::Sealed { .. })
            if password.expose_secret().is_empty() && io::stdin().is_terminal() =>
        {
            let password = prompt("password of the keystore: ")?;
            let keystore = Keystore::open(path, &password)?;
            Ok((password, keystore))
        }
        opened => Ok((password, opened?)),
    }
}

/// The password in the environment.
fn variable() -> SecretString {
    load::environment(PASSWORD_VARIABLE).unwrap_or_default().into()
}

fn new_password() -> Result<SecretString, ChangeError> {
    let password = prompt("password of the new keystore: ")?;
    let again = prompt("once more: ")?;
    if password.expose_secret() != again.expose_secret() {
        return Err(ChangeError::Differ);
    }
    Ok(password)
}

fn typed_value(key: &str) -> Result<SecretString, ChangeError> {
    let value = prompt(&format!("value of `{key}`: "))?;
    if value.expose_secret().is_empty() { Err(ChangeError::Empty) } else { Ok(value) }
}

fn piped_value() -> Result<SecretString, ChangeError> {
    let mut value = String::new();
    let bytes = io::stdin().take(VALUE_BYTES_MAX).read_to_string(&mut value);
    match bytes.map_err(ChangeError::Stdin)? as u64 {
        VALUE_BYTES_MAX => return Err(ChangeError::Large),
        _ => value.truncate(value.trim_end_matches(['\n', '\r']).len()),
    }
    if value.is_empty() { Err(ChangeError::Empty) } else { Ok(value.into()) }
}

fn prompt(text: &str) -> Result<SecretString, ChangeError> {
    rpassword::prompt_password(text).map(Into::into).map_err(ChangeError::Prompt)
}
