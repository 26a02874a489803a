//! A call of a function of ours: one argument of any kind in, one value out, no failure.
//!
//! The argument is looked at where it stands. VRL copies what an expression reads; a copy of a large array only to read
//! it costs more than the function itself.

use vrl::{compiler::expression::Expr, path::OwnedTargetPath, prelude::*};

/// What `compile` of a function of ours gives: a call that applies `function` to the argument `value`, and whose result
/// is of kind `result`.
pub(super) fn call(
    arguments: &ArgumentList,
    function: fn(&Value) -> Value,
    result: TypeDef,
) -> Box<dyn Expression> {
    let argument = Argument::new(arguments, "value");
    Call { argument, function, result: result.infallible() }.as_expr()
}

#[derive(Clone, Debug)]
struct Call {
    argument: Argument,
    function: fn(&Value) -> Value,
    result: TypeDef,
}

impl FunctionExpression for Call {
    fn resolve(&self, context: &mut Context) -> Resolved {
        self.argument.look(context, self.function)
    }

    fn type_def(&self, _state: &TypeState) -> TypeDef {
        self.result.clone()
    }
}

/// An argument of any kind, which is looked at and not kept.
#[derive(Clone, Debug)]
pub(super) enum Argument {
    /// A path in the event: read without a copy.
    Path(OwnedTargetPath),
    /// Anything else.
    Other(Box<dyn Expression>),
}

impl Argument {
    /// The argument `name`, which the function's parameters have as required.
    pub(super) fn new(arguments: &ArgumentList, name: &'static str) -> Argument {
        let expression = arguments.required_expr(name);
        let path = match &expression {
            Expr::Query(query) => query.external_path().cloned(),
            _ => None,
        };
        path.map_or_else(|| Argument::Other(Box::new(expression)), Argument::Path)
    }

    /// Lets `look` see the argument's value; null where there is none.
    pub(super) fn look<T>(
        &self,
        context: &mut Context<'_>,
        look: impl FnOnce(&Value) -> T,
    ) -> Result<T, ExpressionError> {
        match self {
            Argument::Path(path) => {
                let found = context.target().target_get(path).ok().flatten();
                Ok(look(found.unwrap_or(&Value::Null)))
            }
            Argument::Other(expression) => Ok(look(&expression.resolve(context)?)),
        }
    }
}
