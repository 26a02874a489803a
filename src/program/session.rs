//! One statement after another on one event, as they are typed: `.`, metadata and variables stay in between.
//!
//! Invariant: a statement that fails leaves the event and the variables as they were.

use std::time::Duration;

use vrl::{
    compiler::{
        Function, TargetValue, TimeZone, TypeState,
        runtime::Runtime,
        state::{ExternalEnv, LocalEnv, RuntimeState},
    },
    diagnostic::DiagnosticMessage,
    parser::{ast::RootExpr, parse},
    value::{Kind, ObjectMap, Secrets, Value},
};

use super::{
    Place, Source, Surroundings,
    compile::compile_statement,
    functions,
    run::{Deadline, run_pieces},
    source::ReadFile,
    variables::Variables,
};

/// How long a statement may run.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The parser's code for a text that ends too early.
const ENDS_TOO_EARLY: usize = 204;

/// The place of what is typed.
const PLACE: &str = "input";

/// An event, and what was typed about it.
pub struct Session {
    functions: Vec<Box<dyn Function>>,
    surroundings: Surroundings,
    target: TargetValue,
    types: TypeState,
    runtime: Runtime,
    timezone: TimeZone,
}

/// Why a statement did not run to its end.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SessionError(String);

impl Session {
    /// A session on an event without fields.
    ///
    /// # Panics
    /// When the time zone database has no UTC.
    pub fn new(surroundings: Surroundings) -> Session {
        let timezone = TimeZone::parse("UTC").expect("UTC is in the time zone database");
        let mut session = Session {
            functions: functions(),
            surroundings,
            target: target(Value::Object(ObjectMap::new())),
            types: TypeState { local: LocalEnv::default(), external: ExternalEnv::default() },
            runtime: Runtime::new(RuntimeState::default()),
            timezone,
        };
        session.load(Value::Object(ObjectMap::new()));
        session
    }

    /// Puts another event in the place of this one. Variables stay.
    pub fn load(&mut self, event: Value) {
        self.target = target(event);
        self.types.external = ExternalEnv::new_with_kind(Kind::any_object(), Kind::any_object());
    }

    /// Whether `text` is the beginning of a statement that goes on in the next line.
    pub fn goes_on(text: &str) -> bool {
        let ends_too_early = |error: &dyn DiagnosticMessage| error.code() == ENDS_TOO_EARLY;
        match parse(text) {
            Err(error) => ends_too_early(&error),
            Ok(program) => program.0.iter().any(|root| match root.inner() {
                RootExpr::Error(error) => ends_too_early(error),
                RootExpr::Expr(_) => false,
            }),
        }
    }

    /// Runs `text`, which may include files, and gives the value of its last expression.
    ///
    /// # Errors
    /// It does not compile, fails, or takes too long.
    pub fn run(&mut self, text: &str, read_file: ReadFile<'_>) -> Result<Value, SessionError> {
        let place = Place::Option(PLACE.to_owned());
        let source =
            Source::new(text, &place, read_file).map_err(|error| SessionError(error.diagnostic))?;
        let (pieces, types) =
            compile_statement(&source, &self.functions, &self.surroundings, &self.types)
                .map_err(|error| SessionError(error.diagnostic))?;
        let before = (self.target.value.clone(), self.target.metadata.clone());
        let variables = Variables::of(source.text(), &self.types, &mut self.runtime);
        let mut deadline = Deadline::new(TIMEOUT);
        let target = &mut self.target;
        match run_pieces(&mut self.runtime, &pieces, target, self.timezone, &mut deadline) {
            Ok(value) => {
                self.types = types;
                Ok(value)
            }
            Err(end) => {
                (self.target.value, self.target.metadata) = before;
                variables.put_back(&self.types, &mut self.runtime);
                Err(SessionError(end.to_string()))
            }
        }
    }

    /// The event as it is now.
    pub fn event(&self) -> &Value {
        &self.target.value
    }

    /// The functions that can be called.
    pub fn functions(&self) -> &[Box<dyn Function>] {
        &self.functions
    }
}

fn target(value: Value) -> TargetValue {
    let metadata = Value::Object(ObjectMap::new());
    TargetValue { value, metadata, secrets: Secrets::default() }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn read_file(path: &std::path::Path) -> std::io::Result<String> {
        match path.to_str() {
            Some("part.vrl") => Ok(".part = 1\n".into()),
            _ => Err(std::io::ErrorKind::NotFound.into()),
        }
    }

    fn check(lines: &[&str], expected: &Expect) {
        let mut session = Session::new(Surroundings::default());
        let said: Vec<String> = lines
            .iter()
            .map(|line| match session.run(line, &read_file) {
                Ok(value) => value.to_string(),
                Err(error) => error.to_string().lines().next().unwrap_or_default().to_owned(),
            })
            .collect();
        expected.assert_eq(&format!("{}\n{}", said.join("\n"), session.event()));
    }

    #[test]
    fn the_event_and_variables_stay() {
        check(
            &["x = 1", ".a = x + 1", "include \"part.vrl\"", ".part + x ?? 0"],
            &expect![[r#"
            1
            2
            1
            error[E651]: unnecessary error coalescing operation
            { "a": 2, "part": 1 }"#]],
        );
    }

    #[test]
    fn what_fails_changes_nothing() {
        check(
            &[".a = 1", ".b = 2; .c = to_int!(\"x\")", ".a = ", "nosuch()", "."],
            &expect![[r#"
            1
            function call error for "to_int" at (13:25): Invalid integer "x": invalid digit found in string
            error[E204]: syntax error
            error[E105]: call to undefined function
            { "a": 1 }
            { "a": 1 }"#]],
        );
    }

    #[test]
    fn what_fails_leaves_variables_as_they_were() {
        check(
            &[
                "x = 1; if_ = [2]",
                "x = \"a\"; if_ = null; y = 3; to_int!(\"x\")",
                "x + 1",
                "if_",
                "y",
            ],
            &expect![[r#"
                [2]
                function call error for "to_int" at (28:40): Invalid integer "x": invalid digit found in string
                2
                [2]
                error[E701]: call to undefined variable
                {  }"#]],
        );
    }

    #[test]
    fn a_statement_that_is_not_complete_goes_on() {
        for text in ["if .a == 1 {", ".a = [", "x = ", "downcase("] {
            assert!(Session::goes_on(text), "{text}");
        }
        for text in [".a = 1", "", "}", "x = )"] {
            assert!(!Session::goes_on(text), "{text}");
        }
    }
}
