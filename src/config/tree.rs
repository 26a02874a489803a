//! TOML as a tree in which every key and value knows its place, so that an error found late still names its line.

use std::{fmt, sync::Arc};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use pipeline_core::Problem;

use super::fault::{Fault, SourceFile, Span};

/// A value and its place.
#[derive(Clone)]
pub struct Node {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub value: Value,
    /// What variables have put into it: possibly secrets, and never shown.
    pub variables: Vec<String>,
}

impl fmt::Debug for Node {
    /// Shows the place alone: the value may be a secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Node").field("span", &self.span).finish_non_exhaustive()
    }
}

/// What a node can be.
#[derive(Clone)]
pub enum Value {
    /// A string.
    String(String),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// `true` or `false`.
    Boolean(bool),
    /// A date or time, as it was written.
    Datetime(String),
    /// A list.
    Array(Vec<Node>),
    /// A table, in the order of its keys.
    Table(Table),
}

/// The entries of a table.
#[derive(Clone, Default)]
pub struct Table(pub Vec<Entry>);

/// A key with its value.
#[derive(Clone)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// Its value.
    pub node: Node,
}

impl Table {
    /// The entry under `key`.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.key == key)
    }

    /// Takes the entry under `key` out.
    pub fn remove(&mut self, key: &str) -> Option<Entry> {
        let at = self.0.iter().position(|entry| entry.key == key)?;
        Some(self.0.remove(at))
    }
}

impl Node {
    /// A node into which no variable has put anything yet.
    pub fn new(span: Span, value: Value) -> Node {
        Node { span, value, variables: Vec::new() }
    }

    /// The table that the node is, if it is one.
    pub fn as_table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The string that the node is, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The place of the key at `path` below this node, or of the nearest thing above it that exists.
    pub fn locate(&self, path: &[String]) -> Span {
        let Some((first, rest)) = path.split_first() else { return self.span.clone() };
        match &self.value {
            Value::Table(table) => match table.entry(first) {
                Some(entry) if rest.is_empty() => entry.key_span.clone(),
                Some(entry) => entry.node.locate(rest),
                None => self.span.clone(),
            },
            Value::Array(items) => {
                match first.parse().ok().and_then(|index: usize| items.get(index)) {
                    Some(item) => item.locate(rest),
                    None => self.span.clone(),
                }
            }
            _ => self.span.clone(),
        }
    }

    /// A problem below this node as a fault at its line.
    pub fn fault(&self, problem: Problem) -> Fault {
        let Problem { key, message, fix, detail, findings: _ } = problem;
        let mut fault = Fault { fix, detail, ..Fault::at(&self.locate(&key), message) };
        self.hide_variables(std::slice::from_mut(&mut fault));
        fault
    }

    /// Visits every string below this node, this one included; `visit` gives what variables have put into it.
    pub fn for_each_string(&mut self, visit: &mut impl FnMut(&Span, &mut String) -> Vec<String>) {
        match &mut self.value {
            Value::String(text) => self.variables.extend(visit(&self.span, text)),
            Value::Array(items) => items.iter_mut().for_each(|item| item.for_each_string(visit)),
            Value::Table(table) => {
                for entry in &mut table.0 {
                    entry.node.for_each_string(visit);
                }
            }
            Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {}
        }
    }

    /// Takes what variables have put into this node, or anything below it, out of `faults`.
    pub fn hide_variables(&self, faults: &mut [Fault]) {
        for value in &self.variables {
            for fault in &mut *faults {
                fault.hide(value);
            }
        }
        match &self.value {
            Value::Array(items) => items.iter().for_each(|item| item.hide_variables(faults)),
            Value::Table(table) => {
                for entry in &table.0 {
                    entry.node.hide_variables(faults);
                }
            }
            _ => {}
        }
    }
}

/// Parses a file. With syntax errors, whatever could be read is returned beside them.
pub(super) fn parse(file: &Arc<SourceFile>) -> (Table, Vec<Fault>) {
    let (root, errors) = DeTable::parse_recoverable(&file.text);
    let fault = |error: toml::de::Error| {
        let span = Span::new(file, error.span().unwrap_or(0..0));
        Fault::at(&span, format!("not valid TOML: {}", error.message().trim().replace('\n', ", ")))
    };
    let mut faults: Vec<Fault> = errors.into_iter().map(fault).collect();
    let table = table(file, root.into_inner(), &mut faults);
    (table, faults)
}

fn table(file: &Arc<SourceFile>, source: DeTable<'_>, faults: &mut Vec<Fault>) -> Table {
    let entry = |(key, value): (Spanned<_>, Spanned<DeValue<'_>>)| Entry {
        key_span: Span::new(file, key.span()),
        key: std::borrow::Cow::into_owned(key.into_inner()),
        node: node(file, value, faults),
    };
    let mut entries: Vec<Entry> = source.into_iter().map(entry).collect();
    entries.sort_by_key(|entry| entry.key_span.start());
    Table(entries)
}

fn node(file: &Arc<SourceFile>, source: Spanned<DeValue<'_>>, faults: &mut Vec<Fault>) -> Node {
    let span = Span::new(file, source.span());
    let mut number = |text: &str, known: Option<Value>| {
        known.unwrap_or_else(|| {
            faults.push(Fault::at(&span, format!("`{text}` is out of range")));
            Value::Integer(0)
        })
    };
    let value = match source.into_inner() {
        DeValue::String(text) => Value::String(text.into_owned()),
        DeValue::Integer(digits) => {
            let parsed = i64::from_str_radix(digits.as_str(), digits.radix());
            number(digits.as_str(), parsed.ok().map(Value::Integer))
        }
        DeValue::Float(digits) => {
            number(digits.as_str(), digits.as_str().parse().ok().map(Value::Float))
        }
        DeValue::Boolean(value) => Value::Boolean(value),
        DeValue::Datetime(value) => Value::Datetime(value.to_string()),
        DeValue::Array(items) => {
            Value::Array(items.into_iter().map(|item| node(file, item, faults)).collect())
        }
        DeValue::Table(source) => Value::Table(table(file, source, faults)),
    };
    Node::new(span, value)
}
