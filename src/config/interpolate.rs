//! `${NAME}` and `${NAME:-default}` in the strings of a configuration. `$$` is a dollar sign.
//!
//! Replaced after parsing and in string values only: a variable's content can never change the structure, and an
//! error keeps its place.

use super::{
    fault::{Fault, Span},
    tree::Table,
};

/// Where variables come from: the environment, or a test's own.
pub type Variables<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Replaces the variables in every string of `table`.
pub(super) fn interpolate(table: &mut Table, variables: &Variables<'_>, faults: &mut Vec<Fault>) {
    for entry in &mut table.0 {
        entry.node.for_each_string(&mut |span, text| match expand(text, variables) {
            Ok(Expanded { text: expanded, values }) => {
                *text = expanded;
                values
            }
            Err(mistake) => {
                faults.push(mistake.at(span));
                Vec::new()
            }
        });
    }
}

/// A text with its variables replaced, and their values.
struct Expanded {
    text: String,
    values: Vec<String>,
}

enum Mistake {
    Unset(String),
    Unclosed,
}

impl Mistake {
    fn at(&self, span: &Span) -> Fault {
        match self {
            Mistake::Unset(name) => Fault::at(span, format!("the variable `{name}` is not set"))
                .fix(format!(
                    "set it, or give a default as `${{{name}:-default}}`; `$$` is a dollar sign"
                )),
            Mistake::Unclosed => Fault::at(span, "`${` without its `}`")
                .fix("write `$${` for the characters themselves"),
        }
    }
}

fn expand(text: &str, variables: &Variables<'_>) -> Result<Expanded, Mistake> {
    let mut expanded = String::with_capacity(text.len());
    let mut values = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            expanded.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('{') {
            let end = after.find('}').ok_or(Mistake::Unclosed)?;
            let (name, default) = match after[..end].split_once(":-") {
                Some((name, default)) => (name, Some(default)),
                None => (&after[..end], None),
            };
            let value = variables(name).filter(|value| !(value.is_empty() && default.is_some()));
            match (value, default) {
                (Some(value), _) => {
                    expanded.push_str(&value);
                    values.push(value);
                }
                (None, Some(default)) => expanded.push_str(default),
                (None, None) => return Err(Mistake::Unset(name.to_owned())),
            }
            rest = &after[end + 1..];
        } else {
            expanded.push('$');
        }
    }
    expanded.push_str(rest);
    Ok(Expanded { text: expanded, values })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let variables = |name: &str| match name {
            "USER" => Some("ann".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let found = match expand(text, &variables) {
            Ok(expanded) => expanded.text,
            Err(Mistake::Unset(name)) => format!("unset {name}"),
            Err(Mistake::Unclosed) => "unclosed".to_owned(),
        };
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn variables_are_replaced() {
        check("${USER}@${USER}", "ann@ann");
        check("${NOBODY:-bob}, ${USER:-bob}", "bob, ann");
        check("${EMPTY}", "");
        check("${EMPTY:-bob}", "bob");
        check("${NOBODY:-}", "");
        check("price: 5$, $$5, $${USER}", "price: 5$, $5, ${USER}");
        check("${NOBODY}", "unset NOBODY");
        check("${USER", "unclosed");
    }
}
