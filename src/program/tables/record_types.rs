//! The names of record types, by their numbers.

use std::collections::HashMap;

use vrl::value::Value;

use super::{
    FileTable,
    operations::{WrongRow, text},
};

/// Names by numbers.
#[derive(Debug, Default)]
pub struct RecordTypes(HashMap<i64, Value>);

impl RecordTypes {
    /// Reads the columns `number` and `name` of `table`.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub fn new(table: &FileTable) -> Result<RecordTypes, Vec<WrongRow>> {
        let lacking = ["number", "name"].into_iter().filter(|name| table.column(name).is_err());
        let mut mistakes: Vec<WrongRow> = lacking.map(WrongRow::NoColumn).collect();
        let mut names = HashMap::new();
        for row in 0..table.rows().len() {
            if mistakes.iter().any(|mistake| matches!(mistake, WrongRow::NoColumn(_))) {
                break;
            }
            let (number, name) = (text(table, row, "number"), text(table, row, "name"));
            match number.parse::<i64>() {
                Ok(number) if !name.is_empty() => {
                    names.insert(number, Value::from(name));
                }
                Ok(_) => {}
                Err(_) => {
                    mistakes.push(WrongRow::NoNumber { line: table.line(row), value: number });
                }
            }
        }
        if mistakes.is_empty() { Ok(RecordTypes(names)) } else { Err(mistakes) }
    }

    /// The name of the record type `number`.
    pub(in crate::program) fn name(&self, number: i64) -> Option<&Value> {
        self.0.get(&number)
    }
}
