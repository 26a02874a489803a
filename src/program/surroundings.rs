//! What a program is compiled with besides its text: settings, and the tables that its functions read.
//!
//! It also takes down what the program asks for, so that a setting which nothing reads, or which is none of those that
//! the program knows, is found when the configuration is checked.

use std::{cell::RefCell, collections::BTreeMap, fmt, rc::Rc};

use vrl::value::Value;

use super::tables::Tables;

/// What functions find when a program is compiled.
#[derive(Clone, Default)]
pub struct Surroundings {
    settings: BTreeMap<String, Value>,
    pub(super) tables: Tables,
    asked: Rc<RefCell<BTreeMap<String, Option<SettingMistake>>>>,
}

impl fmt::Debug for Surroundings {
    /// Shows no settings: one may be a secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Surroundings").field("tables", &self.tables).finish_non_exhaustive()
    }
}

/// What is wrong with a setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingMistake {
    /// No program reads it.
    #[error("the program reads no setting `{name}`")]
    Unread {
        /// Its name.
        name: String,
        /// Those that it reads.
        known: Vec<String>,
    },
    /// It is of another type than the program wants.
    #[error("the setting `{name}` has to be {wanted}")]
    WrongType {
        /// Its name.
        name: String,
        /// What the program wants.
        wanted: &'static str,
    },
    /// It is none of the values that the program knows.
    #[error("the setting `{name}` can't be {given}")]
    NoChoice {
        /// Its name.
        name: String,
        /// Its value.
        given: String,
        /// Those that it can be.
        choices: Vec<String>,
    },
}

impl SettingMistake {
    /// The name of the setting.
    pub fn name(&self) -> &str {
        match self {
            SettingMistake::Unread { name, .. }
            | SettingMistake::WrongType { name, .. }
            | SettingMistake::NoChoice { name, .. } => name,
        }
    }
}

impl Surroundings {
    /// These settings, which `setting()` reads, and these tables.
    pub fn new(settings: BTreeMap<String, Value>, tables: Tables) -> Surroundings {
        Surroundings { settings, tables, asked: Rc::default() }
    }

    /// What is set under `name`; `default` where nothing is, or nothing that fits.
    pub(super) fn setting(&self, name: &str, default: &Value, choices: &[Value]) -> Value {
        let set = self.settings.get(name);
        let fitting = set.map(|set| fit(name, set, default, choices)).transpose();
        let (value, mistake) = match fitting {
            Ok(value) => (value, None),
            Err(mistake) => (None, Some(mistake)),
        };
        self.asked.borrow_mut().insert(name.to_owned(), mistake);
        value.unwrap_or_else(|| default.clone())
    }

    /// What is wrong with the settings, once the program is compiled.
    pub fn mistakes(&self) -> Vec<SettingMistake> {
        let asked = self.asked.borrow();
        let unread = self.settings.keys().filter(|name| !asked.contains_key(*name));
        let unread = unread.map(|name| SettingMistake::Unread {
            name: name.clone(),
            known: asked.keys().cloned().collect(),
        });
        asked.values().flatten().cloned().chain(unread).collect()
    }
}

/// The value as the program wants it.
fn fit(
    name: &str,
    set: &Value,
    default: &Value,
    choices: &[Value],
) -> Result<Value, SettingMistake> {
    let value = match (set, default) {
        // `1` is a fine way to write `1.0`.
        #[expect(clippy::cast_precision_loss, reason = "nobody sets a number of more than 52 bits")]
        (Value::Integer(number), Value::Float(_)) => Some(Value::from_f64_or_zero(*number as f64)),
        (Value::Bytes(_) | Value::String(_), Value::Bytes(_) | Value::String(_))
        | (Value::Integer(_), Value::Integer(_))
        | (Value::Float(_), Value::Float(_))
        | (Value::Boolean(_), Value::Boolean(_)) => Some(set.clone()),
        _ => None,
    };
    let value = value.ok_or_else(|| {
        let wanted = match default {
            Value::Integer(_) => "a whole number",
            Value::Float(_) => "a number",
            Value::Boolean(_) => "`true` or `false`",
            _ => "a string",
        };
        SettingMistake::WrongType { name: name.to_owned(), wanted }
    })?;
    if choices.is_empty() || choices.contains(&value) {
        return Ok(value);
    }
    let choices = choices.iter().map(|choice| choice.to_string_lossy().into_owned()).collect();
    let given = format!("`{}`", value.to_string_lossy());
    Err(SettingMistake::NoChoice { name: name.to_owned(), given, choices })
}

/// The text of the program that is compiled, for functions whose kind depends on what the program asks of it.
#[derive(Clone, Debug)]
pub(super) struct ProgramText(pub(super) Rc<str>);
