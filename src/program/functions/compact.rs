//! `compact`: VRL's own, quicker where it is given an object that is written out, as in mappings.
//!
//! Invariant: it gives what VRL's gives. With options, and of anything else, it is VRL's.

use vrl::{prelude::*, stdlib};

use super::literal::Literal;

/// `compact(value)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Compact;

impl Function for Compact {
    fn identifier(&self) -> &'static str {
        stdlib::Compact.identifier()
    }

    fn usage(&self) -> &'static str {
        stdlib::Compact.usage()
    }

    fn category(&self) -> &'static str {
        stdlib::Compact.category()
    }

    fn return_kind(&self) -> u16 {
        stdlib::Compact.return_kind()
    }

    fn parameters(&self) -> &'static [Parameter] {
        stdlib::Compact.parameters()
    }

    fn examples(&self) -> &'static [Example] {
        stdlib::Compact.examples()
    }

    fn compile(
        &self,
        state: &TypeState,
        context: &mut FunctionCompileContext,
        arguments: ArgumentList,
    ) -> Compiled {
        let mut options = self.parameters().iter().skip(1);
        let has_options = options.any(|option| arguments.optional(option.keyword).is_some());
        match Literal::of(arguments.required_expr("value"), state) {
            object @ Literal::Object(_) if !has_options => Ok(Call { object }.as_expr()),
            _ => stdlib::Compact.compile(state, context, arguments),
        }
    }
}

#[derive(Clone, Debug)]
struct Call {
    object: Literal,
}

impl FunctionExpression for Call {
    fn resolve(&self, context: &mut Context) -> Resolved {
        let filled = self.object.filled(context)?;
        Ok(filled.unwrap_or_else(|| Value::Object(ObjectMap::new())))
    }

    fn type_def(&self, _state: &TypeState) -> TypeDef {
        TypeDef::object(Collection::any())
    }
}
