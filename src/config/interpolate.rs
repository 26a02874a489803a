//! `${NAME}`, `${NAME:-default}` and `SECRET[backend.key]` in the strings of a configuration. `$$` is a dollar sign.
//!
//! Replaced after parsing, in string values only and in one pass: what a variable or a secret holds can never change
//! the structure nor refer to something else, and an error keeps its place. Where secrets come from is not known here.

use super::{
    fault::{Fault, Span},
    secrets::{Secret, stand_in},
    tree::Table,
};

/// Where variables come from: the environment, or a test's own.
pub type Variables<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// What a secret holds, or why that cannot be had.
pub(super) type Lookup<'a> = dyn Fn(&Secret) -> Result<String, Fault> + 'a;

/// What opens a reference to a secret.
const SECRET_OPEN: &str = "SECRET[";

/// Replaces variables and secrets in every string of `table`.
pub(super) fn interpolate(
    table: &mut Table,
    variables: &Variables<'_>,
    secrets: &Lookup<'_>,
    faults: &mut Vec<Fault>,
) {
    for entry in &mut table.0 {
        entry.node.for_each_string(&mut |span, text| match expand(text, variables, secrets) {
            Ok(Expanded { text: expanded, values }) => {
                *text = expanded;
                values
            }
            Err(mistake) => {
                // Nothing else is wrong with an option only because its variable is not set.
                if let Mistake::Unset(name) = &mistake {
                    *text = stand_in(name);
                }
                faults.push(mistake.at(span));
                Vec::new()
            }
        });
    }
}

/// The secrets that strings of `table` refer to. What is wrong with a string, [`interpolate`] says.
pub(super) fn secrets_in(table: &mut Table) -> Vec<Secret> {
    let mut found = Vec::new();
    for entry in &mut table.0 {
        entry.node.for_each_string(&mut |_, text| {
            for part in parts(text).unwrap_or_default() {
                match part {
                    Part::Secret(secret) => found.push(secret),
                    Part::Variable { default: Some(default), .. } => {
                        let inner = secret_parts(default).unwrap_or_default();
                        found.extend(inner.into_iter().filter_map(Part::into_secret));
                    }
                    Part::Variable { default: None, .. } | Part::Text(_) => {}
                }
            }
            Vec::new()
        });
    }
    found
}

/// A text with its variables replaced, and their values.
struct Expanded {
    text: String,
    values: Vec<String>,
}

/// A piece of a string.
enum Part<'a> {
    Text(&'a str),
    Variable { name: &'a str, default: Option<&'a str> },
    Secret(Secret),
}

impl Part<'_> {
    fn into_secret(self) -> Option<Secret> {
        match self {
            Part::Secret(secret) => Some(secret),
            Part::Text(_) | Part::Variable { .. } => None,
        }
    }
}

enum Mistake {
    Unset(String),
    Unclosed,
    NoReference,
    Secret(Box<Fault>),
}

impl Mistake {
    fn at(self, span: &Span) -> Fault {
        match self {
            Mistake::Unset(name) => {
                let fault = Fault::at(span, format!("the variable `{name}` is not set"));
                let fix =
                    format!("set it, or give a default as `${{{name}:-default}}`; `$$` is a dollar sign");
                Fault { is_unset_variable: true, ..fault.fix(fix) }
            }
            Mistake::Unclosed => Fault::at(span, "`${` without its `}`")
                .fix("write `$${` for the characters themselves"),
            Mistake::NoReference => Fault::at(span, "this is no reference to a secret")
                .fix("write `SECRET[backend.key]`, with letters, digits, `_`, `-`, and in the key `.` and `/` too"),
            Mistake::Secret(fault) => Fault { span: Some(span.clone()), ..*fault },
        }
    }
}

fn expand(
    text: &str,
    variables: &Variables<'_>,
    secrets: &Lookup<'_>,
) -> Result<Expanded, Mistake> {
    let mut expanded = Expanded { text: String::with_capacity(text.len()), values: Vec::new() };
    for part in parts(text)? {
        match part {
            Part::Text(text) => expanded.text.push_str(text),
            Part::Secret(secret) => expanded.add(ask(secrets, &secret)?),
            Part::Variable { name, default } => {
                let value =
                    variables(name).filter(|value| !(value.is_empty() && default.is_some()));
                match (value, default) {
                    (Some(value), _) => expanded.add(value),
                    (None, Some(default)) => expanded.add_default(default, secrets)?,
                    (None, None) => return Err(Mistake::Unset(name.to_owned())),
                }
            }
        }
    }
    Ok(expanded)
}

impl Expanded {
    fn add(&mut self, value: String) {
        self.text.push_str(&value);
        self.values.push(value);
    }

    /// Adds the default of a variable, in which a secret may stand but no other variable.
    fn add_default(&mut self, default: &str, secrets: &Lookup<'_>) -> Result<(), Mistake> {
        for part in secret_parts(default)? {
            match part {
                Part::Secret(secret) => self.add(ask(secrets, &secret)?),
                Part::Text(text) => self.text.push_str(text),
                Part::Variable { name, .. } => self.text.push_str(name),
            }
        }
        Ok(())
    }
}

fn ask(secrets: &Lookup<'_>, secret: &Secret) -> Result<String, Mistake> {
    secrets(secret).map_err(|fault| Mistake::Secret(Box::new(fault)))
}

/// Cuts a string into what stands for itself and what is replaced.
fn parts(text: &str) -> Result<Vec<Part<'_>>, Mistake> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        parts.extend(secret_parts(&rest[..at])?);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            parts.push(Part::Text("$"));
            rest = after;
        } else if let Some(after) = rest.strip_prefix('{') {
            let end = after.find('}').ok_or(Mistake::Unclosed)?;
            let (name, default) = match after[..end].split_once(":-") {
                Some((name, default)) => (name, Some(default)),
                None => (&after[..end], None),
            };
            parts.push(Part::Variable { name, default });
            rest = &after[end + 1..];
        } else {
            parts.push(Part::Text("$"));
        }
    }
    parts.extend(secret_parts(rest)?);
    Ok(parts)
}

/// The references to secrets in a text without variables. What only looks a little like one stands for itself, as a
/// program may index a field of that name; a string that is nothing else is taken for a mistake.
fn secret_parts(text: &str) -> Result<Vec<Part<'_>>, Mistake> {
    let mut parts = Vec::new();
    let (mut start, mut from) = (0, 0);
    while let Some(at) = text[from..].find(SECRET_OPEN).map(|at| from + at) {
        let inner = &text[at + SECRET_OPEN.len()..];
        let end = inner.find(']');
        match end.and_then(|end| Secret::parse(&inner[..end])) {
            Some(secret) => {
                parts.push(Part::Text(&text[start..at]));
                parts.push(Part::Secret(secret));
                start = at + SECRET_OPEN.len() + end.unwrap_or_default() + 1;
                from = start;
            }
            None if at == 0 && end.is_none_or(|end| end + 1 == inner.len()) => {
                return Err(Mistake::NoReference);
            }
            None => from = at + SECRET_OPEN.len(),
        }
    }
    parts.push(Part::Text(&text[start..]));
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let variables = |name: &str| match name {
            "USER" => Some("ann".to_owned()),
            "EMPTY" => Some(String::new()),
            "TRICK" => Some("SECRET[vault.key]${USER}".to_owned()),
            _ => None,
        };
        let secrets = |secret: &Secret| match secret.to_string().as_str() {
            "SECRET[vault.key]" => Ok("hush".to_owned()),
            "SECRET[vault.trick]" => Ok("${USER}SECRET[vault.key]".to_owned()),
            other => Err(Fault::general(format!("no {other}"))),
        };
        let found = match expand(text, &variables, &secrets) {
            Ok(expanded) => expanded.text,
            Err(Mistake::Unset(name)) => format!("unset {name}"),
            Err(Mistake::Unclosed) => "unclosed".to_owned(),
            Err(Mistake::NoReference) => "no reference".to_owned(),
            Err(Mistake::Secret(fault)) => fault.message,
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

    #[test]
    fn secrets_are_replaced() {
        check("SECRET[vault.key]", "hush");
        check("${USER}:SECRET[vault.key]@SECRET[vault.key]", "ann:hush@hush");
        check("${NOBODY:-SECRET[vault.key]}", "hush");
        check("${USER:-SECRET[vault.gone]}", "ann");
        check("SECRET[vault.gone]", "no SECRET[vault.gone]");
        check("SECRET[other-1.a/b.c_d]", "no SECRET[other-1.a/b.c_d]");
    }

    #[test]
    fn what_was_filled_in_refers_to_nothing() {
        check("${TRICK}", "SECRET[vault.key]${USER}");
        check("SECRET[vault.trick]", "${USER}SECRET[vault.key]");
    }

    #[test]
    fn what_only_looks_like_a_secret_stands_for_itself() {
        check(".x = .SECRET[0] + 1", ".x = .SECRET[0] + 1");
        check(".SECRET[0] SECRET[vault.key]", ".SECRET[0] hush");
        check("SECRET[]", "no reference");
        check("SECRET[vault]", "no reference");
        check("SECRET[vault.a key]", "no reference");
        check("SECRET[vault.key", "no reference");
    }
}
