//! The functions in `docs/vrl.md` are made from what the functions say of themselves.

use std::{collections::BTreeSet, fmt::Write, fs, path::Path};

use o365flow::program::functions;
use vrl::{
    compiler::{Function, Parameter},
    value::{Kind, Value},
};

use crate::reference::{ROOT, read};

const PAGE: &str = "docs/vrl.md";
const START: &str = "<!-- Made from the program by `make readme`; changes here are lost. -->\n";
const END: &str = "<!-- End of what is made. -->\n";

/// The functions that are ours, by name.
fn own() -> Vec<Box<dyn Function>> {
    let of_vrl: BTreeSet<_> = vrl::stdlib::all().iter().map(|it| it.identifier()).collect();
    let mut own = functions();
    own.retain(|function| !of_vrl.contains(function.identifier()));
    own.sort_by_key(|function| function.identifier());
    own
}

fn page() -> String {
    let mut text = "| function | what it gives |\n|---|---|\n".to_owned();
    for function in own() {
        let (name, summary) = (function.identifier(), function.summary().replace('|', "\\|"));
        writeln!(text, "| [`{name}`](#{name}) | {summary} |").expect("a String takes all");
    }
    for function in own() {
        text.push_str(&section(&*function));
    }
    text
}

fn section(function: &dyn Function) -> String {
    let mut text = format!("\n### `{}`\n\n{}\n\n", function.identifier(), function.usage().trim());
    for notice in function.notices() {
        write!(text, "{}\n\n", notice.trim()).expect("a String takes all");
    }
    text.push_str("| parameter | of type | what it is |\n|---|---|---|\n");
    for parameter in function.parameters() {
        let default = match (parameter.required, parameter.default) {
            (true, _) => "required".to_owned(),
            (false, Some(value)) => format!("`{value}` by default"),
            (false, None) => "optional".to_owned(),
        };
        let said = parameter.description.replace('|', "\\|");
        writeln!(text, "| `{}` | {}, {default} | {said} |", parameter.keyword, kind(parameter))
            .expect("a String takes all");
    }
    text.push_str("\n```coffee\n");
    for example in function.examples() {
        writeln!(text, "# {}\n{}", example.title, example.source.trim())
            .expect("a String takes all");
        let result = match example.result {
            Ok(result) => shown(result),
            Err(error) => format!("error: {error}"),
        };
        writeln!(text, "# => {result}").expect("a String takes all");
    }
    text.push_str("```\n");
    text
}

fn kind(parameter: &Parameter) -> String {
    let kind = parameter.kind();
    if kind.contains_any_defined() && kind.is_superset(&Kind::any().without_undefined()).is_ok() {
        "any".to_owned()
    } else {
        kind.to_string()
    }
}

/// The result of an example: a text that stands for itself is shown as one.
fn shown(result: &str) -> String {
    let result = result.split_whitespace().collect::<Vec<_>>().join(" ");
    let result = result.as_str();
    let plain = result.strip_prefix("s'").and_then(|rest| rest.strip_suffix('\''));
    let text = plain.unwrap_or(result);
    let is_value = text != result || serde_json::from_str::<Value>(result).is_ok();
    if plain.is_some() || (!is_value && !result.starts_with(['{', '[', 't'])) {
        serde_json::json!(text).to_string()
    } else {
        result.to_owned()
    }
}

#[test]
fn the_language_page_lists_each_function() {
    let page_text = read(PAGE);
    let (before, rest) = page_text.split_once(START).expect("the page has the start");
    let (_, after) = rest.split_once(END).expect("the page has the end");
    let made = format!("{before}{START}\n{}\n{END}{after}", page());
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(Path::new(ROOT).join(PAGE), made).expect("the page can be written");
        return;
    }
    assert!(page_text == made, "the functions in {PAGE} are not as made: run `make readme`");
}
