//! Conditions: programs that say yes or no of an event, and change nothing.
//!
//! Invariant: a condition leaves the event alone. The compiler refuses one that assigns or deletes, one that can give
//! anything but `true` or `false`, and one that calls `abort`.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use pipeline_core::{Event, Schema};
use vrl::{
    compiler::{CompileConfig, Target},
    value::{Kind, Value},
};

use super::{
    CompileError, Failure, FailureKind, Place, Program, Runner, Source, Surroundings,
    compile::compile_limited, tables::Tables,
};

/// How long a condition may work on one event. It has no endless loops to make; this ends one over a huge array.
const TIMEOUT: Duration = Duration::from_secs(1);

/// A condition ready to be asked.
#[derive(Clone, Debug)]
pub struct Condition(Arc<Program>);

/// Compiles `source`, the text of the option `option`, against `input`, the kinds of what it will be asked about. It can
/// look values up in `tables`.
///
/// # Errors
/// All that is wrong with it as a program, or that it is no condition.
pub fn compile_condition(
    source: &str,
    option: &str,
    input: &Schema,
    tables: &Tables,
) -> Result<Condition, CompileError> {
    let surroundings = Surroundings::new(BTreeMap::new(), tables.clone());
    let place = Place::Option(option.to_owned());
    let source = Source::plain(source, &place);
    let program =
        compile_limited(source, input, &surroundings, CompileConfig::set_read_only, true)?;
    let refuse = |message: String, detail: &str| {
        Err(CompileError { message, diagnostic: detail.to_owned(), findings: Vec::new() })
    };
    if program.is_abortable() {
        let message = format!("{place}: the condition calls `abort`");
        return refuse(message, "end it with `false` where it shall say no");
    }
    let end = &program.result;
    let result = end.kind().union(end.returns().clone());
    if result.is_never() || Kind::boolean().is_superset(&result).is_err() {
        let message = format!("{place}: the condition gives {result}, not true or false");
        let detail = "its last expression is its answer, as in `.Workload == \"Exchange\"`";
        return refuse(message, detail);
    }
    Ok(Condition(Arc::new(program)))
}

impl Condition {
    /// What the compiler found odd without being wrong.
    pub fn warnings(&self) -> Option<&CompileError> {
        self.0.warnings()
    }
}

/// One worker's means to ask one condition.
#[derive(Debug)]
pub struct Judge(Runner);

impl Judge {
    /// Of `condition`.
    pub fn new(condition: &Condition) -> Judge {
        Judge(Runner::new(Arc::clone(&condition.0), TIMEOUT))
    }

    /// Of `condition`, which it gives up after `timeout` on one event.
    pub fn impatient(condition: &Condition, timeout: Duration) -> Judge {
        Judge(Runner::new(Arc::clone(&condition.0), timeout))
    }

    /// Whether the condition holds for `event`, which stays as it is.
    ///
    /// # Errors
    /// It could not be told.
    pub fn holds(&mut self, event: &mut Event) -> Result<bool, Failure> {
        self.ask(&mut event.target())
    }

    /// As [`Judge::holds`], for an event that is only shown.
    ///
    /// # Errors
    /// It could not be told.
    pub fn holds_for(&mut self, event: &Event) -> Result<bool, Failure> {
        self.ask(&mut event.view())
    }

    fn ask(&mut self, target: &mut dyn Target) -> Result<bool, Failure> {
        match self.0.resolve(target)? {
            Value::Boolean(holds) => Ok(holds),
            other => {
                let message = format!("the condition gave a {}", other.kind_str());
                Err(Failure { kind: FailureKind::Error, message })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use pipeline_core::testing;

    use super::*;
    use crate::program::tests::record_schema;

    fn check(source: &str, record: &str, expected: &Expect) {
        let condition =
            compile_condition(source, "condition", &record_schema(), &Tables::default());
        let condition = condition.unwrap_or_else(|error| panic!("{error}\n{}", error.diagnostic));
        let (batch, _receipt) = testing::batch(&[record]);
        let mut event = batch.into_events().remove(0);
        let before = event.value().clone();
        let said = match Judge::new(&condition).holds(&mut event) {
            Ok(holds) => holds.to_string(),
            Err(failure) => format!("{:?}: {}", failure.kind, failure.message),
        };
        expected.assert_eq(&said);
        assert_eq!(*event.value(), before);
    }

    fn check_refused(source: &str, expected: &Expect) {
        let error = compile_condition(source, "condition", &record_schema(), &Tables::default())
            .expect_err(source);
        expected.assert_eq(&error.message);
        assert!(!error.diagnostic.is_empty());
    }

    #[test]
    fn a_condition_says_yes_or_no_or_that_it_cannot_tell() {
        check(".Workload == \"Exchange\"", r#"{"Workload":"Exchange"}"#, &expect!["true"]);
        check(".Workload == \"Exchange\"", "{}", &expect!["false"]);
        check("if .a == 1 { return true }\nfalse", r#"{"a":1}"#, &expect!["true"]);
        check(
            "int!(.n) > 5",
            r#"{"n":"x"}"#,
            &expect!["Error: condition line 1: int!(.n): expected integer, got string"],
        );
    }

    #[test]
    fn what_is_no_condition_is_refused() {
        check_refused(
            ".Workload",
            &expect!["condition: the condition gives any, not true or false"],
        );
        check_refused("", &expect!["condition: the condition gives null, not true or false"]);
        check_refused(
            "if .a == 1 { return 5 }\ntrue",
            &expect!["condition: the condition gives integer or boolean, not true or false"],
        );
        check_refused(
            "if .a == 1 { abort }\ntrue",
            &expect!["condition: the condition calls `abort`"],
        );
        check_refused(".n > 5", &expect!["condition line 1: unhandled error (E100)"]);
        check_refused(".n == ", &expect!["condition line 1: syntax error (E204)"]);
    }

    #[test]
    fn a_condition_that_would_change_the_event_is_refused() {
        check_refused(
            ".a = 1\ntrue",
            &expect!["condition line 1: mutation of read-only value (E315)"],
        );
        check_refused(
            "%a = 1\ntrue",
            &expect!["condition line 1: mutation of read-only value (E315)"],
        );
        check_refused(
            "del(.a) == 1",
            &expect!["condition line 1: mutation of read-only value (E315)"],
        );
        check_refused(
            "true\n.ok = true",
            &expect!["condition line 2: mutation of read-only value (E315)"],
        );
    }
}
