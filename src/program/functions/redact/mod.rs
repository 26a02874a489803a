//! `redact_secrets`: takes secrets out of an event, wherever they stand in it.
//!
//! Invariants: what is no secret stays byte for byte; no field changes its type; the function never fails. It does not
//! decide what happens to an event, and it cannot know a secret that neither its name nor its form gives away.

mod assigned;
mod mark;
mod markup;
mod names;
mod needles;
mod pair;
mod persons;
mod plain;
mod quotes;
mod shapes;
mod walk;

use ring::hmac;
use vrl::{
    compiler::function,
    path::{OwnedSegment, OwnedTargetPath},
    prelude::*,
};

use mark::Mark;

/// What to look for.
#[derive(Clone, Copy, Debug)]
struct Classes {
    detections: bool,
    credentials: bool,
    links: bool,
}

/// What to look for, and what to put in its place.
#[derive(Clone, Debug)]
struct Rules {
    classes: Classes,
    mark: Mark,
    /// The key of pseudonyms, where persons get some.
    persons: Option<hmac::Key>,
}

/// `redact_secrets(target, …)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct RedactSecrets;

static MASK: Value = Value::Bytes(Bytes::from_static(b"mask"));
static NO_KEY: Value = Value::Bytes(Bytes::from_static(b""));
static YES: Value = Value::Boolean(true);
static NO: Value = Value::Boolean(false);

impl Function for RedactSecrets {
    fn identifier(&self) -> &'static str {
        "redact_secrets"
    }

    fn summary(&self) -> &'static str {
        "an event without passwords, tokens and detected values"
    }

    fn usage(&self) -> &'static str {
        "Takes secrets out of `target`, the path of the event or of a part of it, in place, and tells whether there were \
         any. It finds them by the names of fields, parameters and pairs, and by their form inside texts. A text in the \
         place of a secret is `[redacted]`, or with `mode: \"hash\"` a keyed hash, by which equal secrets are seen to be \
         equal; a number becomes 0, or a number made of that hash. All arguments but `target` are constants."
    }

    fn category(&self) -> &'static str {
        Category::Object.as_ref()
    }

    fn return_kind(&self) -> u16 {
        kind::BOOLEAN
    }

    fn pure(&self) -> bool {
        false
    }

    fn parameters(&self) -> &'static [Parameter] {
        const PARAMETERS: &[Parameter] = &[
            Parameter::required("target", kind::ANY, "The path of what to redact."),
            Parameter::optional("mode", kind::BYTES, "`mask` or `hash`.").default(&MASK),
            Parameter::optional("key", kind::BYTES, "The key of hashes and pseudonyms.")
                .default(&NO_KEY),
            Parameter::optional(
                "detections",
                kind::BOOLEAN,
                "Whether what DLP detected is a secret.",
            )
            .default(&YES),
            Parameter::optional(
                "credentials",
                kind::BOOLEAN,
                "Whether passwords, keys and tokens are secrets.",
            )
            .default(&YES),
            Parameter::optional(
                "links",
                kind::BOOLEAN,
                "Whether the keys of sharing links are secrets.",
            )
            .default(&YES),
            Parameter::optional(
                "users",
                kind::BOOLEAN,
                "Whether persons get pseudonyms; needs a key.",
            )
            .default(&NO),
        ];
        PARAMETERS
    }

    fn examples(&self) -> &'static [Example] {
        &[
            example! {
                title: "A parameter of a cmdlet",
                source: r#"{ .x = [{ "Name": "NewPassword", "Value": "hunter2" }]; _any = redact_secrets(.x); .x[0].Value }"#,
                result: Ok("[redacted]"),
            },
            example! {
                title: "A signature in a URL",
                source: r#"{ .x = "https://files.contoso.example/a?sv=1&sig=abcdefgh%3D"; _any = redact_secrets(.x); .x }"#,
                result: Ok("https://files.contoso.example/a?sv=1&sig=[redacted]"),
            },
            example! {
                title: "A hash",
                source: r#"{ .x = { "Password": "hunter2" }; _any = redact_secrets(.x, mode: "hash", key: "k"); .x.Password }"#,
                result: Ok("hmac-0cd9cde64b418f83ab6358d5fa0fb2b0"),
            },
        ]
    }

    fn compile(
        &self,
        state: &TypeState,
        context: &mut FunctionCompileContext,
        arguments: ArgumentList,
    ) -> Compiled {
        let rules = rules(&arguments, state)?;
        let query = arguments.required_query("target")?;
        let Some(path) = query.external_path().cloned() else {
            return Err(invalid("target", "a path of the event is needed", Value::Null));
        };
        if context.is_read_only_path(&path) {
            let context = format!("{query} is read-only, and cannot be redacted");
            return Err(function::Error::ReadOnlyMutation { context }.into());
        }
        Ok(Call { path, rules }.as_expr())
    }
}

/// The arguments but the first, all of which are constants.
fn rules(
    arguments: &ArgumentList,
    state: &TypeState,
) -> Result<Rules, Box<dyn vrl::diagnostic::DiagnosticMessage>> {
    let flag = |keyword, default| -> Result<bool, function::Error> {
        let value = arguments.optional_literal(keyword, state)?;
        Ok(value.and_then(|value| value.as_boolean()).unwrap_or(default))
    };
    let text = |keyword| -> Result<String, function::Error> {
        let value = arguments.optional_literal(keyword, state)?;
        Ok(value.and_then(|value| value.to_str().map(str::to_owned)).unwrap_or_default())
    };
    let classes = Classes {
        detections: flag("detections", true)?,
        credentials: flag("credentials", true)?,
        links: flag("links", true)?,
    };
    let (mode, key, users) = (text("mode")?, text("key")?, flag("users", false)?);
    let keyed = mode == "hash" || users;
    if keyed && key.is_empty() {
        let why = "hashes and pseudonyms need a key: without one, guessing undoes them";
        return Err(invalid("key", why, Value::from(key)));
    }
    let mark = match mode.as_str() {
        "" | "mask" => Mark::Mask,
        "hash" => Mark::Hash(mark::key(&key)),
        _ => return Err(invalid("mode", "the modes are `mask` and `hash`", Value::from(mode))),
    };
    Ok(Rules { classes, mark, persons: users.then(|| mark::key(&key)) })
}

fn invalid(
    keyword: &'static str,
    error: &'static str,
    value: Value,
) -> Box<dyn vrl::diagnostic::DiagnosticMessage> {
    function::Error::InvalidArgument { keyword, value, error }.into()
}

#[derive(Clone, Debug)]
struct Call {
    path: OwnedTargetPath,
    rules: Rules,
}

impl FunctionExpression for Call {
    fn resolve(&self, context: &mut Context) -> Resolved {
        let name = match self.path.path.segments.last() {
            Some(OwnedSegment::Field(name)) => name.as_str(),
            Some(OwnedSegment::Index(_)) | None => "",
        };
        let found = context.target().target_get(&self.path).ok().flatten();
        let changes: Vec<(OwnedTargetPath, Value)> = match found {
            // Field by field, so that only what changes is put aside for an undo.
            Some(Value::Object(fields)) => {
                let change = |(field, value): (&KeyString, &Value)| {
                    let redacted = walk::redacted(&self.rules, (name, field), value)?;
                    let mut path = self.path.clone();
                    path.path.segments.push(OwnedSegment::Field(field.clone()));
                    Some((path, redacted))
                };
                fields.iter().filter_map(change).collect()
            }
            Some(value) => {
                let redacted = walk::redacted(&self.rules, ("", name), value);
                redacted.map(|value| (self.path.clone(), value)).into_iter().collect()
            }
            None => Vec::new(),
        };
        let any = !changes.is_empty();
        for (path, value) in changes {
            context.target_mut().target_insert(&path, value)?;
        }
        Ok(Value::Boolean(any))
    }

    fn type_def(&self, _state: &TypeState) -> TypeDef {
        TypeDef::boolean().infallible().impure()
    }
}

#[cfg(test)]
mod tests;
