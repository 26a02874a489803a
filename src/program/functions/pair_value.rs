//! `pair_value`: one value out of an array of names and values.

use vrl::prelude::*;

use super::call::Argument;

/// `pair_value(value, name)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct PairValue;

impl Function for PairValue {
    fn identifier(&self) -> &'static str {
        "pair_value"
    }

    fn summary(&self) -> &'static str {
        "the value of one name in an array of names and values"
    }

    fn usage(&self) -> &'static str {
        "Gives the text that stands under `name` in an array whose elements are objects with a `Name` (or `Key`) and a \
         `Value`: that of the first element of this name. Without one, or where the value is empty or no text, null."
    }

    fn category(&self) -> &'static str {
        Category::Array.as_ref()
    }

    fn return_kind(&self) -> u16 {
        kind::BYTES | kind::NULL
    }

    fn parameters(&self) -> &'static [Parameter] {
        const PARAMETERS: &[Parameter] = &[
            Parameter::required("value", kind::ANY, "The array."),
            Parameter::required("name", kind::BYTES, "The name, as text in the program."),
        ];
        PARAMETERS
    }

    fn examples(&self) -> &'static [Example] {
        &[
            example! {
                title: "A device's system",
                source: r#"pair_value([{ "Name": "OS", "Value": "Windows" }], "OS")"#,
                result: Ok("Windows"),
            },
            example! {
                title: "No such name",
                source: r#"pair_value([{ "Name": "OS", "Value": "Windows" }], "Id")"#,
                result: Ok("null"),
            },
        ]
    }

    fn compile(
        &self,
        state: &TypeState,
        _context: &mut FunctionCompileContext,
        arguments: ArgumentList,
    ) -> Compiled {
        let name = arguments.required_literal("name", state)?;
        let name = name.to_str().unwrap_or_default().to_owned();
        Ok(Call { argument: Argument::new(&arguments, "value"), name }.as_expr())
    }
}

#[derive(Clone, Debug)]
struct Call {
    argument: Argument,
    name: String,
}

impl FunctionExpression for Call {
    fn resolve(&self, context: &mut Context) -> Resolved {
        self.argument.look(context, |value| pair_value(value, &self.name))
    }

    fn type_def(&self, _state: &TypeState) -> TypeDef {
        TypeDef::bytes().or_null().infallible()
    }
}

fn pair_value(value: &Value, name: &str) -> Value {
    let elements = value.as_array().unwrap_or_default();
    let mut objects = elements.iter().filter_map(Value::as_object);
    let is_called = |object: &&ObjectMap| {
        let called = object.get("Name").or_else(|| object.get("Key"));
        called.and_then(Value::to_str) == Some(name)
    };
    let found = objects.find(is_called).and_then(|object| object.get("Value"));
    let text = found.filter(|value| value.to_str().is_some_and(|text| !text.is_empty()));
    text.cloned().unwrap_or(Value::Null)
}
