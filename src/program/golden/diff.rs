//! Says in lines where two JSON values differ, each with its path.

use std::collections::BTreeSet;

use serde_json::Value;

/// One line for each path at which `got` is not what was `wanted`; nothing where they are the same.
pub(super) fn describe(wanted: Option<&Value>, got: &Value) -> String {
    let mut lines = Vec::new();
    compare(".", wanted, Some(got), &mut lines);
    lines.join("\n")
}

fn compare(path: &str, wanted: Option<&Value>, got: Option<&Value>, lines: &mut Vec<String>) {
    match (wanted, got) {
        (Some(Value::Object(wanted)), Some(Value::Object(got))) => {
            let names: BTreeSet<&String> = wanted.keys().chain(got.keys()).collect();
            for name in names {
                compare(&below(path, name), wanted.get(name), got.get(name), lines);
            }
        }
        (Some(Value::Array(wanted)), Some(Value::Array(got))) => {
            for index in 0..wanted.len().max(got.len()) {
                let path = format!("{path}[{index}]");
                compare(&path, wanted.get(index), got.get(index), lines);
            }
        }
        (wanted, got) if wanted == got => {}
        (wanted, got) => {
            let show = |value: Option<&Value>| {
                value.map_or_else(|| "nothing".to_owned(), Value::to_string)
            };
            lines.push(format!("  {path}\n    - {}\n    + {}", show(wanted), show(got)));
        }
    }
}

/// The path of a field, as VRL writes it.
fn below(path: &str, name: &str) -> String {
    let parent = if path == "." { "" } else { path };
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if plain { format!("{parent}.{name}") } else { format!("{parent}.{name:?}") }
}
