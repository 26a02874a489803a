//! The prompt: VRL as it is typed, on one record after another.

mod explain;
mod records;

use std::{
    fs,
    path::{Path, PathBuf},
};

use rustyline::{DefaultEditor, error::ReadlineError};
use vrl::value::Value;

use self::{explain::explain, records::Records};
use crate::{
    cli::{Failure, candidate::read_file, complain, load::environment, say},
    program::{Session, Surroundings},
};

const PROMPT: &str = "> ";

/// Stands before a line that goes on from the one before.
const CONTINUED: &str = ". ";

const WELCOME: &str =
    "VRL, statement by statement. `.` shows the event, `help` says more, `exit` or Ctrl-D ends.";

const HELP: &str = r#".                      show the event; any expression shows its value
.a = 1                 change the event; variables stay as well
include "vrl/ecs.vrl"  run a program on the event
next, prev             go to the next or the previous record of --input
reset                  the record as it came
help functions         list the functions
help NAME              what a function does, takes and gives, with examples
exit                   end; so does Ctrl-D. Ctrl-C throws away what is typed"#;

/// Why there is no prompt.
#[derive(Debug, thiserror::Error)]
#[error("cannot read what is typed")]
struct PromptError(#[source] ReadlineError);

/// Runs what is typed until its end. `input` has the records for `next`.
pub(super) fn run(
    input: Option<&Path>,
    surroundings: Surroundings,
    quiet: bool,
) -> Result<(), Failure> {
    let mut records = Records::open(input)?;
    let mut session = Session::new(surroundings);
    if input.is_some() {
        load(&mut session, records.next());
    }
    let mut editor = DefaultEditor::new().map_err(PromptError)?;
    let history = history_file();
    if let Some(path) = &history {
        // There is none at first.
        drop(editor.load_history(path));
    }
    if !quiet {
        say(WELCOME);
    }
    let mut typed = String::new();
    loop {
        let prompt = if typed.is_empty() { PROMPT } else { CONTINUED };
        match editor.readline(prompt) {
            Ok(line) => {
                let is_first = typed.is_empty();
                typed.push_str(&line);
                typed.push('\n');
                // An empty line ends what could go on for ever.
                if Session::goes_on(&typed) && (is_first || !line.trim().is_empty()) {
                    continue;
                }
                let text = std::mem::take(&mut typed);
                drop(editor.add_history_entry(text.trim_end()));
                if !obey(text.trim(), &mut session, &mut records) {
                    break;
                }
            }
            Err(ReadlineError::Interrupted) => typed.clear(),
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(PromptError(error).into()),
        }
    }
    if let Some(path) = &history
        && let Err(error) = editor.save_history(path)
    {
        complain(format_args!("warning: cannot keep the history in `{}`: {error}", path.display()));
    }
    Ok(())
}

/// Does what was typed. Says whether to go on.
fn obey(text: &str, session: &mut Session, records: &mut Records) -> bool {
    match text {
        "" => {}
        "exit" | "quit" => return false,
        "help" => say(HELP),
        "next" => load(session, records.next()),
        "prev" => load(session, records.previous()),
        "reset" => load(session, Ok(records.current())),
        _ => match text.strip_prefix("help ") {
            Some(topic) => explain(topic.trim(), session.functions()),
            None => match session.run(text, &read_file) {
                Ok(value) => show(&value),
                Err(error) => complain(error),
            },
        },
    }
    true
}

/// Puts a record in the event's place.
fn load(session: &mut Session, record: Result<(String, Value), String>) {
    match record {
        Ok((place, event)) => {
            let operation = event.as_object().and_then(|fields| fields.get("Operation"));
            let operation = operation.map(|value| format!(": {value}"));
            say(format_args!("{place}{}", operation.unwrap_or_default()));
            session.load(event);
        }
        Err(why) => complain(why),
    }
}

/// Shows a value: what is in it line by line where it holds others.
fn show(value: &Value) {
    match value {
        Value::Object(_) | Value::Array(_) => match serde_json::to_string_pretty(value) {
            Ok(text) => say(text),
            Err(_) => say(value),
        },
        Value::Null
        | Value::Bytes(_)
        | Value::String(_)
        | Value::Regex(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Timestamp(_) => say(value),
    }
}

/// Where what was typed is kept: with the user's other state, never with that of a run.
fn history_file() -> Option<PathBuf> {
    let state = environment("XDG_STATE_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    let state = state.or_else(|| Some(PathBuf::from(environment("HOME")?).join(".local/state")))?;
    let folder = state.join("o365flow");
    fs::create_dir_all(&folder).ok()?;
    Some(folder.join("vrl_history"))
}
