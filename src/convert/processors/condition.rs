//! Conditions of Beats as expressions of VRL.
//!
//! An expression never fails and does not depend on what is known of a field's kind: VRL refuses to compile both an
//! error that is not handled and one that cannot happen.

use super::super::{
    text::{has_variable, regex_of, vrl_path, vrl_regex, vrl_string},
    yaml::Yaml,
};

/// The condition as an expression, or why there is none.
pub(super) fn expression(condition: &Yaml) -> Result<String, String> {
    let mut parts = Vec::new();
    for (name, value) in condition.map() {
        parts.push(match name.as_str() {
            "equals" => all(value, equals)?,
            "contains" => all(value, |field, value| Ok(matches(field, &regex_of(&fixed(value)?))))?,
            "regexp" => all(value, |field, value| Ok(matches(field, &fixed(value)?)))?,
            "range" => ranges(value)?,
            "has_fields" => {
                let fields: Vec<String> = value.list().iter().filter_map(Yaml::text).collect();
                if fields.is_empty() {
                    return Err("`has_fields` without a field".to_owned());
                }
                joined(fields.iter().map(|field| format!("exists({})", vrl_path(field))), " && ")
            }
            "and" => joined(several(value)?, " && "),
            "or" => joined(several(value)?, " || "),
            "not" => format!("!{}", grouped(&expression(value)?)),
            other => return Err(format!("the condition `{other}`")),
        });
    }
    if parts.is_empty() {
        return Err("an empty condition".to_owned());
    }
    Ok(joined(parts, " && "))
}

fn several(value: &Yaml) -> Result<Vec<String>, String> {
    let expressions: Result<Vec<String>, String> = value.list().iter().map(expression).collect();
    match expressions {
        Ok(empty) if empty.is_empty() => Err("an empty condition".to_owned()),
        expressions => expressions,
    }
}

fn grouped(expression: &str) -> String {
    format!("({expression})")
}

fn joined(parts: impl IntoIterator<Item = String>, operator: &str) -> String {
    let parts: Vec<String> = parts.into_iter().collect();
    match parts.as_slice() {
        [single] => single.clone(),
        several => {
            let several: Vec<String> = several.iter().map(|part| grouped(part)).collect();
            several.join(operator)
        }
    }
}

/// An expression for each field and value, all of which must hold.
fn all(
    value: &Yaml,
    one: impl Fn(&str, &Yaml) -> Result<String, String>,
) -> Result<String, String> {
    let leaves = value.leaves();
    if leaves.is_empty() {
        return Err("a condition without a field".to_owned());
    }
    let parts: Result<Vec<String>, String> =
        leaves.iter().map(|(field, value)| one(field, value)).collect();
    Ok(joined(parts?, " && "))
}

fn text(value: &Yaml) -> Result<String, String> {
    value.text().ok_or_else(|| "a condition with a list or an object as value".to_owned())
}

/// A text without variables: in a pattern they would stand for their own letters.
fn fixed(value: &Yaml) -> Result<String, String> {
    let text = text(value)?;
    if has_variable(&text) { Err("a variable in a pattern".to_owned()) } else { Ok(text) }
}

fn equals(field: &str, value: &Yaml) -> Result<String, String> {
    let path = vrl_path(field);
    Ok(match value {
        Yaml::Boolean(value) => format!("{path} == {value}"),
        Yaml::Number(number) => format!("{path} == {number}"),
        Yaml::Text(text) => format!("{path} == {}", vrl_string(text)),
        Yaml::Null | Yaml::List(_) | Yaml::Map(_) => return text(value),
    })
}

/// Whether a string, or one of an array of strings, matches. An array around it makes both the same to VRL.
fn matches(field: &str, pattern: &str) -> String {
    format!("match_array(flatten([{}]), {})", vrl_path(field), vrl_regex(pattern))
}

fn ranges(value: &Yaml) -> Result<String, String> {
    all(value, |path, bound| {
        let (field, operator) = path.rsplit_once('.').unwrap_or_default();
        let operator = match operator {
            "gt" => ">",
            "gte" => ">=",
            "lt" => "<",
            "lte" => "<=",
            _ => return Err("a `range` without gt, gte, lt or lte".to_owned()),
        };
        let bound: f64 =
            text(bound)?.parse().map_err(|_| "a `range` without a number".to_owned())?;
        let path = vrl_path(field);
        Ok(format!(
            "(is_integer({path}) || is_float({path})) && (to_float(text_or_null({path})) ?? 0.0) {operator} {bound:?}"
        ))
    })
}
