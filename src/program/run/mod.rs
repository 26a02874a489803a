//! Runs a program on one event after another, each within a timeout, and undoes what a failed run did.
//!
//! A [`Runner`] belongs to one worker; the program is shared.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use pipeline_core::Event;
use tokio::time::Instant;
use vrl::{
    compiler::{
        ExpressionError, Target, TimeZone,
        runtime::{ExecutionControl, Runtime, Terminate},
    },
    diagnostic::DiagnosticMessage,
    value::Value,
};

use super::{
    Program,
    undo::{Recorded, Undo},
};

/// Steps between two looks at the clock. VRL takes a step for every expression, some tens of nanoseconds each, so
/// that a mapping of the usual size ends without a look, and a loop is noticed within a millisecond.
const STEPS_PER_LOOK: u32 = 4096;

/// What stands at the root after a run that ended well.
#[derive(Debug, PartialEq)]
pub enum Root {
    /// An object: the event goes on.
    Object,
    /// An array of objects, taken out of the event: each becomes an event, none at all filters it out.
    Objects(Vec<Value>),
}

/// How a run failed. The event is as it was before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind of an end it was.
    pub kind: FailureKind,
    /// The program's or the function's words.
    pub message: String,
}

/// The ends that a run can come to besides the good one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The program let go of the event on purpose, by `abort`.
    Abort,
    /// A function failed, or what the program left at the root is no event.
    Error,
    /// The run took longer than it may.
    Timeout,
}

/// One worker's means to run one program.
#[derive(Debug)]
pub struct Runner {
    program: Arc<Program>,
    timeout: Duration,
    runtime: Runtime,
    timezone: TimeZone,
    undo: Undo,
}

impl Runner {
    /// A runner of `program` that ends every run after `timeout`.
    ///
    /// # Panics
    /// When the time zone database has no UTC.
    pub fn new(program: Arc<Program>, timeout: Duration) -> Runner {
        // Times without a zone are UTC in the API's records; the machine's zone must not change a mapping.
        let timezone = TimeZone::parse("UTC").expect("UTC is in the time zone database");
        Runner { program, timeout, runtime: Runtime::default(), timezone, undo: Undo::default() }
    }

    /// Runs the program on `event`.
    ///
    /// # Errors
    /// The run did not end well; `event` is what it was before.
    pub fn run(&mut self, event: &mut Event) -> Result<Root, Failure> {
        let mut undo = std::mem::take(&mut self.undo);
        let ended = self.resolve(&mut Recorded { event, undo: &mut undo });
        let root = ended.and_then(|_| root(event));
        match &root {
            Ok(_) => undo.clear(),
            Err(_) => undo.apply(event),
        }
        self.undo = undo;
        root
    }

    /// Runs the program on `target`, and gives the value of its last expression.
    pub(super) fn resolve(&mut self, target: &mut dyn Target) -> Result<Value, Failure> {
        let mut deadline = Deadline::new(self.timeout);
        let (pieces, timezone) = (&self.program.pieces, self.timezone);
        let ended = run_pieces(&mut self.runtime, pieces, target, timezone, &mut deadline);
        self.runtime.clear();
        if let Some(observations) = self.program.observations() {
            observations.end();
        }
        ended.map_err(|end| self.failure(end))
    }

    fn failure(&self, end: Terminate) -> Failure {
        let (kind, message) = match end {
            Terminate::Interrupted => {
                let timeout = humantime::format_duration(self.timeout);
                (FailureKind::Timeout, format!("the program ran for longer than {timeout}"))
            }
            Terminate::Abort(error @ ExpressionError::Abort { .. }) => {
                (FailureKind::Abort, error.to_string())
            }
            // VRL counts an unhandled error among the aborts; nobody asked for that one.
            Terminate::Abort(error) | Terminate::Error(error) => {
                (FailureKind::Error, self.explain(&error))
            }
        };
        Failure { kind, message }
    }

    /// An error with the line and the call that raised it, where VRL knows them.
    fn explain(&self, error: &ExpressionError) -> String {
        // The first label is the innermost call's; the error's own text counts bytes instead of lines.
        match error.labels().first() {
            Some(raised) => format!("{}: {}", self.program.show(raised.span), raised.message),
            None => error.to_string(),
        }
    }
}

/// Runs the pieces of a program one after the other, and gives the value of the last.
pub(super) fn run_pieces(
    runtime: &mut Runtime,
    pieces: &[vrl::compiler::Program],
    target: &mut dyn Target,
    timezone: TimeZone,
    deadline: &mut Deadline,
) -> Result<Value, Terminate> {
    let mut value = Value::Null;
    for piece in pieces {
        value = runtime.resolve_with_control(target, piece, &timezone, deadline)?;
    }
    Ok(value)
}

/// Looks at what the program has left at the root, and takes it out where it is an array.
fn root(event: &mut Event) -> Result<Root, Failure> {
    let wrong = |what: String| Failure { kind: FailureKind::Error, message: what };
    match event.value() {
        Value::Object(_) => Ok(Root::Object),
        Value::Array(elements) => match elements.iter().find(|element| !element.is_object()) {
            Some(odd) => {
                let kind = odd.kind_str();
                Err(wrong(format!("the program left an array with a {kind} in it, not an object")))
            }
            None => match event.take_value() {
                Value::Array(elements) => Ok(Root::Objects(elements)),
                other => Ok(Root::Objects(vec![other])),
            },
        },
        other => Err(wrong(format!(
            "the program left a {} at the root, not an object",
            other.kind_str()
        ))),
    }
}

/// Ends a run that takes too long. The time begins with the first look.
pub(super) struct Deadline {
    timeout: Duration,
    started: Option<Instant>,
    steps_left: u32,
}

impl Deadline {
    pub(super) fn new(timeout: Duration) -> Deadline {
        Deadline { timeout, started: None, steps_left: STEPS_PER_LOOK }
    }
}

impl ExecutionControl for Deadline {
    fn checkpoint(&mut self) -> ControlFlow<()> {
        self.steps_left -= 1;
        if self.steps_left > 0 {
            return ControlFlow::Continue(());
        }
        self.steps_left = STEPS_PER_LOOK;
        let now = Instant::now();
        let started = *self.started.get_or_insert(now);
        if now.duration_since(started) >= self.timeout {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

#[cfg(test)]
mod tests;
