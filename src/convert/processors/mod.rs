//! Processors of Beats as a program of VRL, one statement or block for each.
//!
//! Invariants: what a statement does depends on no field's being there or having a type, as no processor stops an event;
//! what can't be carried is told, and never silently left out.

mod actions;
mod condition;
mod mapping;
mod parsing;

pub(super) use self::{
    actions::{append_tags, set_fields},
    mapping::{Mapping, take_mapping},
};
use super::{Notes, text::add_line, yaml::Yaml};

/// A processor of Beats with its settings.
struct Processor<'a> {
    name: &'a str,
    settings: &'a Yaml,
}

/// Writes `processors` as statements, one a line or more.
pub(super) fn statements(processors: &[Yaml], notes: &mut Notes) -> String {
    let mut program = String::new();
    for processor in processors {
        program.push_str(&statement(processor, notes));
    }
    program
}

fn statement(processor: &Yaml, notes: &mut Notes) -> String {
    if let Some(condition) = processor.at("if") {
        return branch(processor, condition, notes);
    }
    let mut program = String::new();
    for (name, settings) in processor.map() {
        program.push_str(&conditional(&Processor { name, settings }, notes));
    }
    program
}

/// `if`, `then` and `else`.
fn branch(processor: &Yaml, condition: &Yaml, notes: &mut Notes) -> String {
    let expression = match condition::expression(condition) {
        Ok(expression) => expression,
        Err(why) => {
            notes.add(&format!("an `if` with its processors is not carried: {why}"));
            return String::new();
        }
    };
    let side = |key: &str, notes: &mut Notes| {
        statements(processor.at(key).map(Yaml::list).unwrap_or_default(), notes)
    };
    let (then, otherwise) = (side("then", notes), side("else", notes));
    match (then.is_empty(), otherwise.is_empty()) {
        (true, true) => String::new(),
        (false, true) => block(&expression, &then),
        (true, false) => block(&format!("!({expression})"), &otherwise),
        (false, false) => {
            let then = block(&expression, &then);
            format!("{} else {{\n{}}}\n", then.trim_end(), indented(&otherwise))
        }
    }
}

fn conditional(processor: &Processor<'_>, notes: &mut Notes) -> String {
    let name = processor.name;
    let mut expression = None;
    if let Some(when) = processor.settings.at("when") {
        if when.map().len() > 1 {
            notes.add(&format!(
                "`{name}` has several conditions side by side; here all of them must hold"
            ));
        }
        match condition::expression(when) {
            Ok(when) => expression = Some(when),
            Err(why) => {
                notes.add(&format!("processor `{name}` is not carried: {why}"));
                return String::new();
            }
        }
    }
    let body = match body(processor, expression.is_some(), notes) {
        Ok(body) => body,
        Err(why) => {
            notes.add(&format!("processor `{name}` is not carried: {why}"));
            return String::new();
        }
    };
    match expression {
        Some(expression) if !body.is_empty() => block(&expression, &body),
        _ => body,
    }
}

fn body(
    processor: &Processor<'_>,
    is_conditional: bool,
    notes: &mut Notes,
) -> Result<String, String> {
    let settings = processor.settings;
    match processor.name {
        "convert" => actions::convert(settings, notes),
        "rename" => Ok(actions::rename(settings)),
        "copy_fields" => Ok(actions::copy_fields(settings)),
        "drop_fields" => Ok(actions::drop_fields(settings, notes)),
        "include_fields" => Ok(actions::include_fields(settings, notes)),
        "add_fields" => Ok(actions::add_fields(settings)),
        "add_tags" => Ok(actions::add_tags(settings)),
        "add_labels" => Ok(actions::add_labels(settings)),
        "truncate_fields" => actions::truncate_fields(settings, notes),
        "drop_event" if is_conditional => Ok("abort\n".to_owned()),
        "drop_event" => Err("without a condition it would drop every event".to_owned()),
        "timestamp" => parsing::timestamp(settings, notes),
        "decode_json_fields" => Ok(parsing::decode_json_fields(settings)),
        "dissect" => parsing::dissect(settings),
        "script" => Err("it is JavaScript; write what it does in VRL".to_owned()),
        "add_host_metadata"
        | "add_cloud_metadata"
        | "add_docker_metadata"
        | "add_kubernetes_metadata"
        | "add_process_metadata"
        | "add_locale"
        | "add_observer_metadata" => {
            Err("it tells of the machine that collects, not of the record".to_owned())
        }
        _ => Err("there is nothing like it here yet; write what it does in VRL".to_owned()),
    }
}

/// `if` around statements.
fn block(expression: &str, body: &str) -> String {
    format!("if {expression} {{\n{}}}\n", indented(body))
}

fn indented(body: &str) -> String {
    body.lines().fold(String::new(), |mut text, line| {
        add_line(&mut text, format_args!("    {line}"));
        text
    })
}
