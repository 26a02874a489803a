//! `is_among`: whether a value is one of a few that the program lists.
//!
//! VRL's `includes` makes an array of its literal in every run. The values here are compared where they stand.

use vrl::{compiler::expression::Expr, prelude::*};

use super::call::Argument;

/// `is_among(value, values)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct IsAmong;

impl Function for IsAmong {
    fn identifier(&self) -> &'static str {
        "is_among"
    }

    fn summary(&self) -> &'static str {
        "whether a value is one of those in a list"
    }

    fn usage(&self) -> &'static str {
        "Says whether `value` is one of `values`, a list of numbers and strings that is written out in the program. It \
         is the quick way to ask for one of several record types."
    }

    fn category(&self) -> &'static str {
        Category::Type.as_ref()
    }

    fn return_kind(&self) -> u16 {
        kind::BOOLEAN
    }

    fn parameters(&self) -> &'static [Parameter] {
        const PARAMETERS: &[Parameter] = &[
            Parameter::required("value", kind::ANY, "The value to look for."),
            Parameter::required("values", kind::ARRAY, "The list: numbers and strings."),
        ];
        PARAMETERS
    }

    fn examples(&self) -> &'static [Example] {
        &[
            example! {
                title: "One of several record types",
                source: "is_among(13, [11, 13, 33])",
                result: Ok("true"),
            },
            example! {
                title: "A field that is not there",
                source: "is_among(.RecordType, [11, 13, 33])",
                result: Ok("false"),
            },
        ]
    }

    fn compile(
        &self,
        state: &TypeState,
        _context: &mut FunctionCompileContext,
        arguments: ArgumentList,
    ) -> Compiled {
        let values = arguments.required_array("values")?;
        let literal = |expression: Expr| {
            expression.resolve_constant(state).ok_or_else(|| {
                Box::new(function::Error::UnexpectedExpression {
                    keyword: "values",
                    expected: "a list of literals",
                    expr: Box::new(expression),
                }) as Box<dyn DiagnosticMessage>
            })
        };
        let values = values.into_iter().map(literal).collect::<Result<Vec<Value>, _>>()?;
        Ok(Call { value: Argument::new(&arguments, "value"), values }.as_expr())
    }
}

#[derive(Clone, Debug)]
struct Call {
    value: Argument,
    values: Vec<Value>,
}

impl FunctionExpression for Call {
    fn resolve(&self, context: &mut Context) -> Resolved {
        self.value.look(context, |value| {
            Value::Boolean(self.values.iter().any(|one| is_same(one, value)))
        })
    }

    fn type_def(&self, _state: &TypeState) -> TypeDef {
        TypeDef::boolean().infallible()
    }
}

/// Whether two values are the same; text is, however it is held.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Integer(one), Value::Integer(other)) => one == other,
        (Value::Bytes(one), Value::Bytes(other)) => one == other,
        _ => match (one.to_str(), other.to_str()) {
            (Some(one), Some(other)) => one == other,
            _ => one == other,
        },
    }
}
