//! Objects that are written out in a program, made without what is empty.
//!
//! VRL makes the whole object first. Most fields of a mapping are empty for most records, so that it costs less to look
//! before anything is made.

use vrl::{
    compiler::expression::{Expr, Variant},
    prelude::*,
};

use super::call::Argument;

/// An object that is written out, or whatever else an argument is.
#[derive(Clone, Debug)]
pub(super) enum Literal {
    /// Its fields, in the order of their names.
    Object(Vec<(KeyString, Literal)>),
    /// A value that the compiler knows.
    Constant(Value),
    /// Anything else.
    Argument(Argument),
}

impl Literal {
    /// What `expression` is.
    pub(super) fn of(expression: Expr, state: &TypeState) -> Literal {
        if let Expr::Container(container) = &expression
            && let Variant::Object(fields) = &container.variant
        {
            let field = |(name, expression): (&KeyString, &Expr)| {
                (name.clone(), Literal::of(expression.clone(), state))
            };
            return Literal::Object(fields.iter().map(field).collect());
        }
        match expression {
            // A variable that the compiler knows can be another in the next turn of a loop.
            Expr::Literal(literal) => match literal.resolve_constant(state) {
                Some(constant) => Literal::Constant(constant),
                None => Literal::Argument(Argument::of(Expr::Literal(literal))),
            },
            other => Literal::Argument(Argument::of(other)),
        }
    }

    /// The value without what is empty in it; nothing where it is empty itself.
    pub(super) fn filled(
        &self,
        context: &mut Context<'_>,
    ) -> Result<Option<Value>, ExpressionError> {
        let mut value = match self {
            Literal::Object(fields) => {
                let mut object = ObjectMap::new();
                for (name, field) in fields {
                    if let Some(value) = field.filled(context)? {
                        object.insert(name.clone(), value);
                    }
                }
                return Ok((!object.is_empty()).then_some(Value::Object(object)));
            }
            Literal::Constant(value) => value.clone(),
            Literal::Argument(argument) => argument.value(context)?,
        };
        Ok(empty_out(&mut value).then_some(value))
    }
}

/// Takes out of a value what is empty: null, empty text, and arrays and objects that hold nothing else. Says whether
/// anything is left.
pub(super) fn empty_out(value: &mut Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bytes(text) => !text.is_empty(),
        Value::String(text) => !text.is_empty(),
        Value::Object(fields) => {
            fields.retain(|_, field| empty_out(field));
            !fields.is_empty()
        }
        Value::Array(elements) => {
            elements.retain_mut(empty_out);
            !elements.is_empty()
        }
        Value::Regex(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Timestamp(_) => true,
    }
}
