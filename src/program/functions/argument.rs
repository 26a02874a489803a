//! An argument that is looked at where it stands. VRL copies what an expression reads; a copy of a large array only
//! to read it costs more than the function itself.

use vrl::{
    compiler::{Context, Expression, ExpressionError, expression::Expr, function::ArgumentList},
    path::OwnedTargetPath,
    value::Value,
};

/// A function's only argument, of any kind.
#[derive(Clone, Debug)]
pub(super) enum Argument {
    /// A path in the event: read without a copy.
    Path(OwnedTargetPath),
    /// Anything else.
    Other(Box<dyn Expression>),
}

impl Argument {
    /// The argument `value`, which the function's parameters have as required.
    pub(super) fn value(arguments: &ArgumentList) -> Argument {
        let expression = arguments.required_expr("value");
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
