//! Finds the rows of a table by what stands in some of its columns, in the time of one look into a hash map.
//!
//! An index is made once, when the call that needs it is compiled. Values are compared by their text, so that the
//! number 15 finds the cell `15` of a column that was given no type; null is found nowhere.

use std::collections::HashMap;

use vrl::value::Value;

use super::FileTable;

/// Whether `A` is `a`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::program) enum Case {
    Sensitive,
    Insensitive,
}

/// The rows of one table, by the text of some of its columns.
#[derive(Debug)]
pub(in crate::program) struct Index {
    case: Case,
    rows: HashMap<Vec<u8>, Vec<usize>>,
    all: Vec<usize>,
}

impl Index {
    /// An index of `table` by `columns`. Without columns, every row is found.
    pub(in crate::program) fn new(table: &FileTable, columns: &[usize], case: Case) -> Index {
        let (mut rows, mut all) = (HashMap::<_, Vec<usize>>::new(), Vec::new());
        if columns.is_empty() {
            all = (0..table.rows().len()).collect();
            return Index { case, rows, all };
        }
        for (number, row) in table.rows().iter().enumerate() {
            let values = columns.iter().filter_map(|&column| row.get(column));
            if let Some(key) = key(values, case) {
                rows.entry(key).or_default().push(number);
            }
        }
        Index { case, rows, all }
    }

    /// The numbers of the rows in which the columns of the index hold `values`, in the order of the table.
    pub(in crate::program) fn find(&self, values: &[Value]) -> &[usize] {
        if values.is_empty() {
            return &self.all;
        }
        let found = key(values.iter(), self.case).and_then(|key| self.rows.get(&key));
        found.map(Vec::as_slice).unwrap_or_default()
    }
}

/// The values' texts, each behind its length, so that no two lists of values have one key.
fn key<'a>(values: impl Iterator<Item = &'a Value>, case: Case) -> Option<Vec<u8>> {
    let mut key = Vec::with_capacity(32);
    for value in values {
        let text = match value {
            Value::Null => return None,
            value => value.to_string_lossy(),
        };
        let lower;
        let text = match case {
            Case::Sensitive => &*text,
            Case::Insensitive => {
                lower = text.to_lowercase();
                &lower
            }
        };
        key.extend_from_slice(&text.len().to_le_bytes());
        key.extend_from_slice(text.as_bytes());
    }
    Some(key)
}
