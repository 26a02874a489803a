//! Runs the `[[tests]]` of a topology through its own transforms.
//!
//! As in Vector: an output is right if one event that leaves there meets all of its conditions.

use std::{fmt::Write, sync::Arc, time::Duration};

use pipeline_core::{Clock, Event, EventAck, Origin, Problem, Schema};
use vrl::value::{Kind, ObjectMap, Value};

use super::results::Results;
use crate::{
    cli::{Failure, candidate::read_file, load::Loaded},
    config::{DeclaredTest, InputKind, TestInput, TestOutput, fault::Fault},
    program::{Condition, Judge, Place, Root, Runner, compile, compile_condition},
    topology::{Entrance, Exit, Left, Means},
};

/// How long a program of a test may work.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Runs all tests that `loaded` declares.
pub(super) fn run(
    loaded: &Loaded,
    clock: &Arc<dyn Clock>,
    results: &mut Results,
) -> Result<(), Failure> {
    let mut faults = Vec::new();
    let mut cases = Vec::new();
    for test in &loaded.tests {
        match Case::prepare(test, loaded) {
            Ok(case) => cases.push(case),
            Err(problems) => {
                faults.extend(problems.into_iter().map(|problem| test.fault(problem)));
            }
        }
    }
    if loaded.tests.is_empty() {
        let fault = Fault::general("the configuration has no tests");
        faults.push(fault.fix("write some under `[[tests]]`"));
    }
    if !faults.is_empty() {
        return Err(Failure::Config(faults));
    }
    for case in cases {
        let name = case.name;
        let wrong = case.run(loaded, clock);
        results.add_case(name, &wrong);
    }
    Ok(())
}

/// A test that makes sense.
struct Case<'a> {
    name: &'a str,
    inputs: Vec<(Entrance, Input)>,
    outputs: Vec<Output<'a>>,
    empty: Vec<(&'a str, Exit)>,
}

/// Where an event comes from.
enum Input {
    Given(Value),
    Made(Box<Runner>),
}

/// An output, and what has to hold for one of its events.
struct Output<'a> {
    names: &'a [String],
    exits: Vec<Exit>,
    conditions: Vec<Condition>,
}

impl<'a> Case<'a> {
    fn prepare(test: &'a DeclaredTest, loaded: &Loaded) -> Result<Case<'a>, Vec<Problem>> {
        let DeclaredTest { case, .. } = test;
        let mut problems = Vec::new();
        let mut inputs = Vec::new();
        let single = case.input.iter().map(|input| ("input".to_owned(), input));
        let several = case.inputs.iter().enumerate();
        let several = several.map(|(index, input)| (format!("inputs.{index}"), input));
        for (key, input) in single.chain(several) {
            let entrance = loaded
                .topology
                .entrance(&input.insert_at)
                .map_err(|error| error.problem(&format!("{key}.insert_at")));
            match (entrance, event_of(input, &key)) {
                (Ok(entrance), Ok(event)) => inputs.push((entrance, event)),
                (entrance, event) => problems.extend(entrance.err().into_iter().chain(event.err())),
            }
        }
        let mut outputs = Vec::new();
        for (index, output) in case.outputs.iter().enumerate() {
            match Output::prepare(output, &format!("outputs.{index}"), loaded) {
                Ok(output) => outputs.push(output),
                Err(more) => problems.extend(more),
            }
        }
        let mut empty = Vec::new();
        for (index, name) in case.no_outputs_from.iter().enumerate() {
            match loaded.topology.exit(name) {
                Ok(exit) => empty.push((name.as_str(), exit)),
                Err(error) => problems.push(error.problem(&format!("no_outputs_from.{index}"))),
            }
        }
        if case.input.is_none() && case.inputs.is_empty() {
            problems.push(Problem::at("", "nothing goes in").fix("add `[[tests.inputs]]`"));
        }
        if case.outputs.is_empty() && case.no_outputs_from.is_empty() {
            let problem = Problem::at("", "nothing is expected");
            problems.push(problem.fix("add `[[tests.outputs]]` or `no_outputs_from`"));
        }
        let name = case.name.as_str();
        if problems.is_empty() { Ok(Case { name, inputs, outputs, empty }) } else { Err(problems) }
    }

    /// What is wrong with what comes out; nothing if all is well.
    fn run(self, loaded: &Loaded, clock: &Arc<dyn Clock>) -> Vec<String> {
        let origin = Origin::new("test", Value::Object(ObjectMap::new()));
        let mut events = Vec::new();
        for (entrance, input) in self.inputs {
            match input.into_events(&origin) {
                Ok(made) => events.extend(made.into_iter().map(|event| (entrance, event))),
                Err(wrong) => return vec![wrong],
            }
        }
        let means = Means { read_file: &read_file, tables: &loaded.tables };
        let left = match loaded.topology.rehearse(events, clock, &means) {
            Ok(left) => left,
            Err(problems) => {
                return problems.into_iter().map(|problem| problem.message).collect();
            }
        };
        let mut wrong: Vec<String> =
            self.outputs.iter().filter_map(|output| output.wrong(&left)).collect();
        for (name, exit) in self.empty {
            let events = left.by(exit);
            if !events.is_empty() {
                wrong.push(format!("  something left by `{name}`{}", shown(events)));
            }
        }
        wrong
    }
}

fn event_of(input: &TestInput, key: &str) -> Result<Input, Problem> {
    let missing = |option: &str, what: &str| {
        Err(Problem::at(key, format!("the event is not given: `{option}` is missing")).fix(what))
    };
    match (input.kind, &input.log_fields, &input.value, &input.source) {
        (InputKind::Log, Some(fields), None, None) => {
            Ok(Input::Given(Value::Object(fields.clone())))
        }
        (InputKind::Log | InputKind::Raw, None, Some(text), None) => {
            let object = serde_json::from_str(text).map(Value::Object);
            object.map(Input::Given).map_err(|error| {
                Problem::at(&format!("{key}.value"), format!("not a JSON object: {error}"))
            })
        }
        (InputKind::Vrl, None, None, Some(source)) => {
            let empty = Schema { event: Kind::any_object(), metadata: Kind::any_object() };
            let place = Place::Option("source".to_owned());
            let program = compile(source, &place, &empty).map_err(|error| {
                Problem::at(&format!("{key}.source"), error.message).detail(error.diagnostic)
            })?;
            Ok(Input::Made(Box::new(Runner::new(Arc::new(program), TIMEOUT))))
        }
        (InputKind::Log, ..) => missing("log_fields", "add `log_fields` or `value`, and no other"),
        (InputKind::Raw, ..) => missing("value", "add `value`, and no other"),
        (InputKind::Vrl, ..) => missing("source", "add `source`, and no other"),
    }
}

impl Input {
    fn into_events(self, origin: &Arc<Origin>) -> Result<Vec<Event>, String> {
        let event = |value| Event::new(value, 0, Arc::clone(origin), EventAck::unattended());
        match self {
            Input::Given(value) => Ok(vec![event(value)]),
            Input::Made(mut runner) => {
                let mut made = event(Value::Object(ObjectMap::new()));
                match runner.run(&mut made) {
                    Ok(Root::Object) => Ok(vec![made]),
                    Ok(Root::Objects(values)) => Ok(values.into_iter().map(event).collect()),
                    Err(failure) => Err(format!("  the event cannot be made: {}", failure.message)),
                }
            }
        }
    }
}

impl<'a> Output<'a> {
    fn prepare(
        output: &'a TestOutput,
        key: &str,
        loaded: &Loaded,
    ) -> Result<Output<'a>, Vec<Problem>> {
        let mut problems = Vec::new();
        let names = output.extract_from.names();
        let mut exits = Vec::new();
        for name in names {
            match loaded.topology.exit(name) {
                Ok(exit) => exits.push(exit),
                Err(error) => problems.push(error.problem(&format!("{key}.extract_from"))),
            }
        }
        let mut conditions = Vec::new();
        for (index, condition) in output.conditions.iter().enumerate() {
            let name = format!("condition {}", index + 1);
            // Against any event, as Vector does it, so that the same conditions hold for both.
            match compile_condition(&condition.source, &name, &Schema::any(), &loaded.tables) {
                Ok(condition) => conditions.push(condition),
                Err(error) => {
                    let key = format!("{key}.conditions.{index}.source");
                    problems.push(Problem::at(&key, error.message).detail(error.diagnostic));
                }
            }
        }
        if problems.is_empty() { Ok(Output { names, exits, conditions }) } else { Err(problems) }
    }

    /// What is wrong with what left here, if anything.
    fn wrong(&self, left: &Left) -> Option<String> {
        let names = self.names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
        let names = names.join(", ");
        let mut said = String::new();
        let mut events = self.exits.iter().flat_map(|exit| left.by(*exit)).peekable();
        if events.peek().is_none() {
            return Some(format!("  no event left by {names}"));
        }
        for event in events {
            let failed: Vec<String> =
                self.conditions.iter().enumerate().filter_map(|it| failed(it, event)).collect();
            if failed.is_empty() {
                return None;
            }
            let failed = failed.join("\n");
            write!(said, "{}\n{failed}", shown(std::slice::from_ref(event)))
                .expect("a String takes all");
        }
        Some(format!("  no event that left by {names} meets all conditions{said}"))
    }
}

/// Why a condition does not hold, if it does not.
fn failed((index, condition): (usize, &Condition), event: &Event) -> Option<String> {
    match Judge::new(condition).holds(&mut event.clone()) {
        Ok(true) => None,
        Ok(false) => Some(format!("    condition {} is false", index + 1)),
        Err(failure) => Some(format!("    {}", failure.message)),
    }
}

/// Events, each after a line feed.
fn shown(events: &[Event]) -> String {
    let mut text = String::new();
    for event in events {
        let mut json = Vec::new();
        event.write_json(&mut json);
        write!(text, "\n  {}", String::from_utf8_lossy(&json)).expect("a String takes all");
    }
    text
}
