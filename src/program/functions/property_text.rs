//! `property_text`: the text in a property's value, which the directory writes as a JSON array of one.

use vrl::prelude::*;

use super::call::call;

/// `property_text(value)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct PropertyText;

impl Function for PropertyText {
    fn identifier(&self) -> &'static str {
        "property_text"
    }

    fn summary(&self) -> &'static str {
        "the text in the value of a property"
    }

    fn usage(&self) -> &'static str {
        "Reads a value of `ModifiedProperties`: plain text, text in quotes, or a JSON array with one text, number or \
         boolean in it. Anything else, and what is empty, gives null."
    }

    fn category(&self) -> &'static str {
        Category::Parse.as_ref()
    }

    fn return_kind(&self) -> u16 {
        kind::BYTES | kind::NULL
    }

    fn parameters(&self) -> &'static [Parameter] {
        const PARAMETERS: &[Parameter] =
            &[Parameter::required("value", kind::ANY, "The property's value.")];
        PARAMETERS
    }

    fn examples(&self) -> &'static [Example] {
        &[
            example! {
                title: "An array of one",
                source: r#"property_text("[\r\n  \"Alice\"\r\n]")"#,
                result: Ok("Alice"),
            },
            example! { title: "Plain text", source: r#"property_text("Alice")"#, result: Ok("Alice") },
            example! { title: "An empty array", source: r#"property_text("[]")"#, result: Ok("null") },
        ]
    }

    fn compile(
        &self,
        _state: &TypeState,
        _context: &mut FunctionCompileContext,
        arguments: ArgumentList,
    ) -> Compiled {
        Ok(call(&arguments, property_text, TypeDef::bytes().or_null()))
    }
}

fn property_text(value: &Value) -> Value {
    let text = || {
        let text = value.to_str()?.trim();
        if !text.starts_with(['[', '"']) {
            return Some(text.to_owned());
        }
        let json = serde_json::from_str(text).ok()?;
        let only = match json {
            serde_json::Value::Array(elements) => {
                <[_; 1]>::try_from(elements).ok().map(|[only]| only)?
            }
            other => other,
        };
        match only {
            serde_json::Value::String(text) => Some(text),
            serde_json::Value::Number(_) | serde_json::Value::Bool(_) => Some(only.to_string()),
            _ => None,
        }
    };
    text().filter(|text| !text.is_empty()).map_or(Value::Null, Value::from)
}
