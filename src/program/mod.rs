//! VRL behind one door: compiling a program against the kinds of what reaches it, running it on an event, and the
//! functions of our own that programs may call.
//!
//! Invariants: a run that does not end well leaves the event as it found it; no run outlasts its timeout; a program
//! is compiled once and shared. What a failed event's way is, the caller decides. Nothing here reads a file, except
//! [`golden`].

mod builtin;
mod compile;
mod condition;
mod functions;
pub mod golden;
mod observe;
mod run;
mod session;
mod source;
mod surroundings;
pub mod tables;
mod undo;
mod variables;

pub use builtin::{builtin, read_or_builtin};
pub use compile::{CompileError, Place, Program, compile, compile_observed, compile_source};
pub use condition::{Condition, Judge, compile_condition};
pub use functions::functions;
pub use observe::{Cost, Coverage, FileCoverage, NotRun, Observer, profile};
pub use run::{Failure, FailureKind, Root, Runner};
pub use session::{Session, SessionError};
pub use source::{ReadFile, Source};
pub use surroundings::{SettingMistake, Surroundings};

#[cfg(test)]
mod mapping_tests;
#[cfg(test)]
mod ocsf;
#[cfg(test)]
pub(crate) mod tests;
