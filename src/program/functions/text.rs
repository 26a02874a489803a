//! `text_or_null`, `text_or_empty` and `encode_nested`: values as the text that a `keyword` field of Elasticsearch wants.

use vrl::prelude::*;

use super::call::call;

/// `text_or_null(value)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct TextOrNull;

impl Function for TextOrNull {
    fn identifier(&self) -> &'static str {
        "text_or_null"
    }

    fn summary(&self) -> &'static str {
        "a string, number or boolean as text"
    }

    fn usage(&self) -> &'static str {
        "Makes text of a string, a number, a boolean or a timestamp. Anything else, and an empty string, gives null."
    }

    fn category(&self) -> &'static str {
        Category::Convert.as_ref()
    }

    fn return_kind(&self) -> u16 {
        kind::BYTES | kind::NULL
    }

    fn parameters(&self) -> &'static [Parameter] {
        const PARAMETERS: &[Parameter] =
            &[Parameter::required("value", kind::ANY, "The value to make text of.")];
        PARAMETERS
    }

    fn examples(&self) -> &'static [Example] {
        &[
            example! { title: "A number", source: "text_or_null(15)", result: Ok("s'15'") },
            example! { title: "A string", source: r#"text_or_null("Add user.")"#, result: Ok("Add user.") },
            example! { title: "An empty string", source: r#"text_or_null("")"#, result: Ok("null") },
            example! { title: "An array", source: "text_or_null([1, 2])", result: Ok("null") },
            example! {
                title: "A field that is not there",
                source: "text_or_null(.ResultStatus)",
                result: Ok("null"),
            },
        ]
    }

    fn compile(
        &self,
        _state: &TypeState,
        _context: &mut FunctionCompileContext,
        arguments: ArgumentList,
    ) -> Compiled {
        Ok(call(&arguments, text_or_null, TypeDef::bytes().or_null()))
    }
}

fn text_or_null(value: &Value) -> Value {
    match value {
        Value::Bytes(text) if !text.is_empty() => Value::Bytes(text.clone()),
        Value::String(text) if !text.is_empty() => Value::String(text.clone()),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Timestamp(_) => {
            Value::from(value.to_string_lossy())
        }
        Value::Bytes(_)
        | Value::String(_)
        | Value::Regex(_)
        | Value::Object(_)
        | Value::Array(_)
        | Value::Null => Value::Null,
    }
}

/// `part` of the text `whole`, without a copy where it can be had so.
pub(super) fn part_of(whole: &Value, part: &str) -> Value {
    let shared = whole.as_bytes().and_then(|whole| {
        let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
        let end = start.checked_add(part.len())?;
        (end <= whole.len()).then(|| whole.slice(start..end))
    });
    shared.map_or_else(|| Value::from(part.to_owned()), Value::Bytes)
}

/// `text_or_empty(value)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct TextOrEmpty;

impl Function for TextOrEmpty {
    fn identifier(&self) -> &'static str {
        "text_or_empty"
    }

    fn summary(&self) -> &'static str {
        "a string, number or boolean as text, or empty text"
    }

    fn usage(&self) -> &'static str {
        "Makes text of a string, a number, a boolean or a timestamp, and empty text of anything else, a missing field \
         included: always text, so that functions of text take it without a check."
    }

    fn category(&self) -> &'static str {
        Category::Convert.as_ref()
    }

    fn return_kind(&self) -> u16 {
        kind::BYTES
    }

    fn parameters(&self) -> &'static [Parameter] {
        const PARAMETERS: &[Parameter] =
            &[Parameter::required("value", kind::ANY, "The value to make text of.")];
        PARAMETERS
    }

    fn examples(&self) -> &'static [Example] {
        &[
            example! { title: "A string", source: r#"text_or_empty("True")"#, result: Ok("True") },
            example! {
                title: "A field that is not there",
                source: r#"downcase(text_or_empty(.ResultStatus)) == """#,
                result: Ok("true"),
            },
        ]
    }

    fn compile(
        &self,
        _state: &TypeState,
        _context: &mut FunctionCompileContext,
        arguments: ArgumentList,
    ) -> Compiled {
        Ok(call(&arguments, text_or_empty, TypeDef::bytes()))
    }
}

fn text_or_empty(value: &Value) -> Value {
    match text_or_null(value) {
        Value::Null => Value::from(""),
        text => text,
    }
}

/// `encode_nested(value)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct EncodeNested;

impl Function for EncodeNested {
    fn identifier(&self) -> &'static str {
        "encode_nested"
    }

    fn summary(&self) -> &'static str {
        "arrays and objects as JSON text"
    }

    fn usage(&self) -> &'static str {
        "Makes JSON text of an array or an object. Anything else stays as it is."
    }

    fn category(&self) -> &'static str {
        Category::Codec.as_ref()
    }

    fn return_kind(&self) -> u16 {
        kind::ANY & !(kind::ARRAY | kind::OBJECT)
    }

    fn parameters(&self) -> &'static [Parameter] {
        const PARAMETERS: &[Parameter] =
            &[Parameter::required("value", kind::ANY, "The value to encode.")];
        PARAMETERS
    }

    fn examples(&self) -> &'static [Example] {
        &[
            example! {
                title: "An array",
                source: r#"encode_nested([{ "Name": "Force", "Value": "True" }])"#,
                result: Ok(r#"s'[{"Name":"Force","Value":"True"}]'"#),
            },
            example! {
                title: "A string",
                source: r#"encode_nested("-Name example")"#,
                result: Ok("-Name example"),
            },
            example! { title: "A number", source: "encode_nested(1)", result: Ok("1") },
        ]
    }

    fn compile(
        &self,
        _state: &TypeState,
        _context: &mut FunctionCompileContext,
        arguments: ArgumentList,
    ) -> Compiled {
        let flat = Kind::any().without_array().without_object().without_undefined();
        Ok(call(&arguments, encode_nested, TypeDef::from(flat)))
    }
}

fn encode_nested(value: &Value) -> Value {
    match value {
        Value::Array(_) | Value::Object(_) => {
            // A value of VRL's always has a JSON form; were there one without, its text would still be kept.
            let json = serde_json::to_string(value);
            Value::from(json.unwrap_or_else(|_| value.to_string()))
        }
        flat => flat.clone(),
    }
}
