//! What a function does, as text.

use vrl::compiler::{Function, Parameter};

use crate::{
    cli::{complain, say},
    config::fault::nearest,
};

/// Columns of the list of functions.
const COLUMNS: usize = 3;

/// Explains the function called `topic`, or lists all.
pub(super) fn explain(topic: &str, functions: &[Box<dyn Function>]) {
    let mut names: Vec<&str> = functions.iter().map(|function| function.identifier()).collect();
    names.sort_unstable();
    if topic == "functions" {
        let rows = names.len().div_ceil(COLUMNS);
        let width = names.iter().map(|name| name.len() + 2).max().unwrap_or_default();
        for row in 0..rows {
            let cells = names.iter().skip(row).step_by(rows).map(|name| format!("{name:<width$}"));
            say(cells.collect::<String>().trim_end());
        }
        return;
    }
    let Some(function) = functions.iter().find(|function| function.identifier() == topic) else {
        let hint = nearest(topic, names).map(|meant| format!("did you mean `{meant}`?"));
        let hint = hint.unwrap_or_else(|| "see `help functions`".to_owned());
        return complain(format_args!("there is no function `{topic}`; {hint}"));
    };
    describe(&**function);
}

fn describe(function: &dyn Function) {
    let parameters = function.parameters();
    let names: Vec<String> = parameters
        .iter()
        .map(|parameter| {
            let keyword = parameter.keyword;
            if parameter.required { keyword.to_owned() } else { format!("[{keyword}]") }
        })
        .collect();
    let kind = Parameter::required("", function.return_kind(), "").kind();
    say(format_args!("{}({}) -> {kind}\n", function.identifier(), names.join(", ")));
    say(function.usage());
    for parameter in parameters {
        let kind = parameter.kind();
        say(format_args!("  {}: {kind}. {}", parameter.keyword, parameter.description));
    }
    for example in function.examples() {
        let result = match example.result {
            Ok(value) => value.to_owned(),
            Err(error) => format!("error: {error}"),
        };
        say(format_args!("\n# {}\n{}\n=> {result}", example.title, example.source.trim()));
    }
}
