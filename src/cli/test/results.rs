//! What came of the tests, as text and as JSON.

use std::fmt;

use serde_json::{Value, json};

use crate::program::{Coverage, FileCoverage, NotRun, golden};

/// What came of all tests.
#[derive(Debug)]
pub(super) struct Results {
    passed: usize,
    failures: Vec<FailedTest>,
    /// What is neither good nor bad.
    notes: Vec<String>,
    /// What ran of the programs, where that was asked for.
    pub(super) coverage: Option<Coverage>,
    /// Whether as much of them ran as was asked for.
    pub(super) is_covered: bool,
}

/// A test that failed.
#[derive(Debug)]
struct FailedTest {
    /// Its name; golden records have none.
    test: Option<String>,
    why: String,
}

impl Default for Results {
    fn default() -> Results {
        Results {
            passed: 0,
            failures: Vec::new(),
            notes: Vec::new(),
            coverage: None,
            is_covered: true,
        }
    }
}

impl Results {
    /// Whether all is well.
    pub(super) fn is_ok(&self) -> bool {
        self.failures.is_empty() && self.is_covered
    }

    pub(super) fn add_golden(&mut self, report: golden::Report) {
        let golden::Report { passed, untested, updated, failures } = report;
        self.passed += passed;
        self.notes.extend(
            untested.iter().map(|path| format!("{}: no records beside it", path.display())),
        );
        self.notes.extend(updated.iter().map(|path| format!("{}: written anew", path.display())));
        let failed =
            failures.iter().map(|failure| FailedTest { test: None, why: failure.to_string() });
        self.failures.extend(failed);
    }

    /// Adds a test of a topology; nothing in `wrong` is well.
    pub(super) fn add_case(&mut self, name: &str, wrong: &[String]) {
        if wrong.is_empty() {
            self.passed += 1;
        } else {
            self.failures.push(FailedTest { test: Some(name.to_owned()), why: wrong.join("\n") });
        }
    }

    pub(super) fn json(&self) -> Value {
        let failure = |FailedTest { test, why }: &FailedTest| json!({ "test": test, "why": why });
        let not_run = |NotRun { first_line, last_line, text }: &NotRun| json!({ "first_line": first_line, "last_line": last_line, "text": text });
        let file = |FileCoverage { file, covered, total, not_run: parts }: &FileCoverage| {
            let parts: Vec<Value> = parts.iter().map(not_run).collect();
            json!({ "file": file, "covered": covered, "total": total, "not_run": parts })
        };
        let coverage = self.coverage.as_ref().map(|coverage| {
            let files: Vec<Value> = coverage.files().iter().map(file).collect();
            json!({ "percent": coverage.percent(), "files": files })
        });
        json!({
            "passed": self.passed,
            "failed": self.failures.len(),
            "failures": self.failures.iter().map(failure).collect::<Vec<_>>(),
            "notes": self.notes,
            "coverage": coverage,
        })
    }
}

impl fmt::Display for Results {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for FailedTest { test, why } in &self.failures {
            match test {
                Some(test) => writeln!(formatter, "test `{test}`:\n{why}\n")?,
                None => writeln!(formatter, "{why}\n")?,
            }
        }
        for note in &self.notes {
            writeln!(formatter, "{note}")?;
        }
        if let Some(coverage) = &self.coverage {
            for file in coverage.files() {
                writeln!(formatter, "{file}")?;
            }
            let percent = coverage.percent();
            writeln!(formatter, "{percent:.1} % of all statements ran")?;
        }
        write!(formatter, "{} passed, {} failed", self.passed, self.failures.len())
    }
}
