//! Reads a typed configuration out of a tree, and finds all of its mistakes rather than the first.
//!
//! Serde stops at the first error. So reading is repeated: what was wrong is noted and left out of the next try,
//! and what was missing is filled with a stand-in, until nothing new turns up. A configuration for which any fault
//! was noted is never used.

mod mistake;
mod reader;
mod stand_in;

use std::cell::RefCell;

use serde::de::DeserializeOwned;

use self::{
    mistake::{Mistake, ReadError},
    reader::Reader,
};
use super::{
    fault::{Fault, Span, nearest},
    tree::{Node, Table, Value},
};

/// More tries than a table has keys would be a loop.
const TRIES_MAX: usize = 200;

/// Reads a `T` from `node`, or notes in `faults` all that is in the way.
pub(super) fn read<T: DeserializeOwned>(node: &Node, faults: &mut Vec<Fault>) -> Option<T> {
    let faults_before = faults.len();
    let notes = RefCell::new(Notes::default());
    for _ in 0..TRIES_MAX {
        match T::deserialize(Reader { node, notes: &notes }) {
            Ok(config) if faults.len() == faults_before => return Some(config),
            Ok(_) => return None,
            Err(error) => {
                if !notes.borrow_mut().learn(error, node, faults) {
                    return None;
                }
            }
        }
    }
    None
}

/// What earlier tries have found out.
#[derive(Default)]
struct Notes {
    /// Places of values that are wrong, to be left out.
    wrong: Vec<Span>,
    /// Tables, by place, with keys that they lack.
    missing: Vec<(Span, &'static str)>,
}

impl Notes {
    /// Notes the error's cause. False when another try would not get further.
    fn learn(&mut self, error: ReadError, root: &Node, faults: &mut Vec<Fault>) -> bool {
        let at = error.at.unwrap_or_else(|| root.span.clone());
        match error.mistake {
            Mistake::InStandIn => false,
            Mistake::Missing(name) => {
                if self.missing.iter().any(|(table, key)| table == &at && *key == name) {
                    return false;
                }
                // A key that is there was left out because its value is wrong, which is noted already.
                let is_there = table_at(root, &at).is_some_and(|table| table.entry(name).is_some());
                if !is_there {
                    faults.push(
                        Fault::at(&at, format!("`{name}` is missing"))
                            .fix(format!("add `{name} = …`")),
                    );
                }
                self.missing.push((at, name));
                true
            }
            Mistake::Unknown { name, expected } => {
                let (span, fault) = unknown(&at, &name, expected, root);
                faults.push(fault);
                self.omit(span)
            }
            Mistake::Invalid { message, .. } => {
                // A value that can't be left out, as the root, is found wrong again.
                if self.wrong.contains(&at) {
                    return false;
                }
                faults.push(Fault::at(&at, message));
                self.omit(at)
            }
        }
    }

    fn omit(&mut self, span: Span) -> bool {
        let is_new = !self.wrong.contains(&span);
        self.wrong.push(span);
        is_new
    }
}

/// The fault of a key that nobody knows, and the place of the value that it names.
fn unknown(at: &Span, name: &str, expected: &[&'static str], root: &Node) -> (Span, Fault) {
    let entry = table_at(root, at).and_then(|table| table.entry(name));
    let (key_span, value_span) =
        entry.map_or((at, at), |entry| (&entry.key_span, &entry.node.span));
    let fault = Fault::at(key_span, format!("unknown option `{name}`"));
    let fault = match nearest(name, expected.iter().copied()) {
        Some(meant) => fault.fix(format!("did you mean `{meant}`?")),
        None if expected.is_empty() => fault.fix("remove it: there are no options here"),
        None => fault.fix(format!("the options here are: {}", expected.join(", "))),
    };
    (value_span.clone(), fault)
}

fn table_at<'a>(node: &'a Node, span: &Span) -> Option<&'a Table> {
    match &node.value {
        Value::Table(table) if &node.span == span => Some(table),
        Value::Table(table) => table.0.iter().find_map(|entry| table_at(&entry.node, span)),
        Value::Array(items) => items.iter().find_map(|item| table_at(item, span)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
