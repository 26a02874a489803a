//! A table in a file of its own, read as the main configuration is: variables replaced, every mistake at its line.
//!
//! What reads such a file can do so long after the main configuration was read, so it keeps the variables.

use std::{fmt, sync::Arc};

use pipeline_core::Problem;
use serde::de::DeserializeOwned;

use super::{
    fault::{Fault, SourceFile, Span},
    interpolate, read,
    tree::{self, Entry, Node, Value},
};

/// Where variables come from for as long as the program runs.
type KeptVariables = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Reads tables from files of their own. Clones read alike.
#[derive(Clone)]
pub struct TableReader {
    variables: Arc<KeptVariables>,
}

impl TableReader {
    /// A reader with these variables.
    pub fn new(variables: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> TableReader {
        TableReader { variables: Arc::new(variables) }
    }

    /// The value of a variable.
    pub fn variable(&self, name: &str) -> Option<String> {
        (self.variables)(name)
    }

    /// Reads `file`. A key of `defaults` that the file lacks has the value that stands beside it.
    pub fn read<T: DeserializeOwned>(
        &self,
        file: &Arc<SourceFile>,
        defaults: &[(&str, &str)],
    ) -> Result<(T, TableFile), Vec<Fault>> {
        let (mut table, mut faults) = tree::parse(file);
        interpolate::interpolate(&mut table, &*self.variables, &mut faults);
        // A place of its own, as the reader tells values apart by their places.
        let end = Span::new(file, file.text.len()..file.text.len());
        for (key, value) in defaults {
            if table.entry(key).is_none() {
                let node = Node::new(end.clone(), Value::String((*value).to_owned()));
                table.0.push(Entry { key: (*key).to_owned(), key_span: end.clone(), node });
            }
        }
        let whole = TableFile(Node::new(Span::new(file, 0..0), Value::Table(table)));
        let read = read::read(&whole.0, &mut faults);
        whole.0.hide_variables(&mut faults);
        match read {
            Some(read) if faults.is_empty() => Ok((read, whole)),
            Some(_) | None => Err(faults),
        }
    }
}

impl Default for TableReader {
    /// A reader to which every variable is unset.
    fn default() -> TableReader {
        TableReader::new(|_| None)
    }
}

impl fmt::Debug for TableReader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TableReader").finish_non_exhaustive()
    }
}

/// A file that was read, to find the line of a problem.
#[derive(Debug)]
pub struct TableFile(Node);

impl TableFile {
    /// Turns a problem of what was read into a fault at its line.
    pub fn fault(&self, problem: Problem) -> Fault {
        let mut fault = Fault {
            span: Some(self.0.locate(&problem.key)),
            message: problem.message,
            fix: problem.fix,
            detail: problem.detail,
        };
        self.0.hide_variables(std::slice::from_mut(&mut fault));
        fault
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use expect_test::{Expect, expect};
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "shown by its debug form")]
    struct Table {
        name: String,
        size: u8,
    }

    fn check(text: &str, expected: &Expect) {
        let file = Arc::new(SourceFile { path: "it.toml".into(), text: text.to_owned() });
        let reader = TableReader::new(|name| (name == "WORD").then(|| "hushhush".to_owned()));
        let mut shown = String::new();
        match reader.read::<Table>(&file, &[("name", "it")]) {
            Ok((table, file)) => {
                let fault = file.fault(Problem::at("size", "hushhush"));
                writeln!(shown, "{table:?}\n{fault}").unwrap();
            }
            Err(faults) => {
                faults.iter().for_each(|fault| writeln!(shown, "{fault}").unwrap());
            }
        }
        expected.assert_eq(&shown);
    }

    #[test]
    fn a_table_is_read_with_defaults_and_variables() {
        check(
            "size = 3",
            &expect![[r#"
            Table { name: "it", size: 3 }
            it.toml:1:1: hushhush
        "#]],
        );
        check(
            "name = '${WORD}'\nsize = 3",
            &expect![[r#"
            Table { name: "hushhush", size: 3 }
            it.toml:2:1: (value of a variable)
        "#]],
        );
    }

    #[test]
    fn every_mistake_has_its_line_and_no_secret() {
        check(
            "",
            &expect![[r#"
            it.toml:1:1: `size` is missing
              fix: add `size = …`
        "#]],
        );
        check(
            "name = 'a'\nsice = 3\nsize = '${WORD}'",
            &expect![[r#"
            it.toml:2:1: unknown option `sice`
              fix: did you mean `size`?
            it.toml:3:8: expected a whole number from 0 to 255, found string
        "#]],
        );
        check(
            "size = '${NOBODY}'\nname =",
            &expect![[r#"
            it.toml:2:7: not valid TOML: string values must be quoted, expected literal string
            it.toml:1:8: the variable `NOBODY` is not set
              fix: set it, or give a default as `${NOBODY:-default}`; `$$` is a dollar sign
            it.toml:1:8: expected a whole number from 0 to 255, found string
        "#]],
        );
    }
}
