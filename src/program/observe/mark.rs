//! The hidden function that says which statement begins.

use std::sync::Arc;

use vrl::{
    parser::{
        Span,
        ast::{Expr, FunctionArgument, FunctionCall, Ident, Literal, Node},
    },
    prelude::*,
};

use super::Observations;

/// No program can call it: this is no name that the parser takes for one.
const NAME: &str = "a statement begins";

/// The function, for one program.
#[derive(Clone, Debug)]
pub(in crate::program) struct Mark(pub(in crate::program) Arc<Observations>);

/// A call that says that statement `number`, at `span`, begins.
pub(super) fn call(number: usize, span: Span) -> Node<Expr> {
    let number = Literal::Integer(i64::try_from(number).unwrap_or(i64::MAX));
    let argument = FunctionArgument {
        ident: None,
        expr: Node::new(span, Expr::Literal(Node::new(span, number))),
    };
    let call = FunctionCall {
        ident: Node::new(span, Ident::new(NAME)),
        abort_on_error: false,
        arguments: vec![Node::new(span, argument)],
        closure: None,
    };
    Node::new(span, Expr::FunctionCall(Node::new(span, call)))
}

impl Function for Mark {
    fn identifier(&self) -> &'static str {
        NAME
    }

    fn usage(&self) -> &'static str {
        "Says that a statement begins."
    }

    fn category(&self) -> &'static str {
        Category::Debug.as_ref()
    }

    fn return_kind(&self) -> u16 {
        kind::NULL
    }

    fn parameters(&self) -> &'static [Parameter] {
        const PARAMETERS: &[Parameter] =
            &[Parameter::required("number", kind::INTEGER, "The statement's number.")];
        PARAMETERS
    }

    fn examples(&self) -> &'static [Example] {
        &[]
    }

    fn compile(
        &self,
        state: &TypeState,
        _context: &mut FunctionCompileContext,
        arguments: ArgumentList,
    ) -> Compiled {
        let number = arguments.required_literal("number", state)?.as_integer();
        let number = number.and_then(|number| usize::try_from(number).ok()).unwrap_or_default();
        Ok(Beginning { number, observations: Arc::clone(&self.0) }.as_expr())
    }
}

#[derive(Clone, Debug)]
struct Beginning {
    number: usize,
    observations: Arc<Observations>,
}

impl FunctionExpression for Beginning {
    fn resolve(&self, _context: &mut Context) -> Resolved {
        self.observations.begin(self.number);
        Ok(Value::Null)
    }

    fn type_def(&self, _state: &TypeState) -> TypeDef {
        TypeDef::null().infallible()
    }
}
