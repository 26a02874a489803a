//! JSON for readers: one line for what is short and flat, so that a field of a template is a line.

use serde_json::Value;

/// What fits on one line.
const LINE_CHARS_MAX: usize = 110;

/// A file's text.
pub(super) fn file(value: &Value) -> String {
    let mut text = String::new();
    write(&mut text, value, 0);
    text.push('\n');
    text
}

fn write(text: &mut String, value: &Value, depth: usize) {
    let line = spaced(value);
    let is_short = line.len() + 2 * depth <= LINE_CHARS_MAX && levels(value) <= 2;
    let entries: Vec<(String, &Value)> = match value {
        Value::Object(object) if !is_short => object
            .iter()
            .map(|(key, value)| (format!("{}: ", Value::from(&**key)), value))
            .collect(),
        Value::Array(array) if !is_short => {
            array.iter().map(|value| (String::new(), value)).collect()
        }
        _ => return text.push_str(&line),
    };
    let (open, close) = if value.is_object() { ('{', '}') } else { ('[', ']') };
    text.push(open);
    for (at, (key, value)) in entries.iter().enumerate() {
        text.push_str(if at == 0 { "\n" } else { ",\n" });
        text.push_str(&"  ".repeat(depth + 1));
        text.push_str(key);
        write(text, value, depth + 1);
    }
    text.push('\n');
    text.push_str(&"  ".repeat(depth));
    text.push(close);
}

/// How many objects and arrays lie in one another.
fn levels(value: &Value) -> usize {
    let deepest = match value {
        Value::Object(object) => object.values().map(levels).max(),
        Value::Array(array) => array.iter().map(levels).max(),
        _ => return 0,
    };
    1 + deepest.unwrap_or(0)
}

/// On one line, with spaces where a reader expects them.
fn spaced(value: &Value) -> String {
    match value {
        Value::Object(object) if object.is_empty() => "{}".to_owned(),
        Value::Object(object) => {
            let entries = object
                .iter()
                .map(|(key, value)| format!("{}: {}", Value::from(&**key), spaced(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        Value::Array(array) => {
            format!("[{}]", array.iter().map(spaced).collect::<Vec<_>>().join(", "))
        }
        scalar => scalar.to_string(),
    }
}
