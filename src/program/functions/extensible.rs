//! `extensible`: an object to which a program may add what it likes.

use vrl::{prelude::*, value::Kind};

/// `extensible(value)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extensible;

impl Function for Extensible {
    fn identifier(&self) -> &'static str {
        "extensible"
    }

    fn summary(&self) -> &'static str {
        "an object to which fields at any depth can be added"
    }

    fn usage(&self) -> &'static str {
        "Gives the object as it is. The compiler takes a literal object to have no other fields than it shows, and so \
         refuses `.related.user = …` after `. = { … }`, as `.related` is not there. After `. = extensible({ … })` it \
         accepts that, and goes on knowing the types of the fields that are there."
    }

    fn category(&self) -> &'static str {
        Category::Object.as_ref()
    }

    fn return_kind(&self) -> u16 {
        kind::OBJECT
    }

    fn parameters(&self) -> &'static [Parameter] {
        const PARAMETERS: &[Parameter] =
            &[Parameter::required("value", kind::OBJECT, "The object.")];
        PARAMETERS
    }

    fn examples(&self) -> &'static [Example] {
        &[example! {
            title: "An object",
            source: r#"extensible({ "a": 1 })"#,
            result: Ok(r#"{ "a": 1 }"#),
        }]
    }

    fn compile(
        &self,
        _state: &TypeState,
        _context: &mut FunctionCompileContext,
        arguments: ArgumentList,
    ) -> Compiled {
        Ok(Call { value: arguments.required("value") }.as_expr())
    }
}

#[derive(Clone, Debug)]
struct Call {
    value: Box<dyn Expression>,
}

impl FunctionExpression for Call {
    fn resolve(&self, context: &mut Context) -> Resolved {
        self.value.resolve(context)
    }

    fn type_def(&self, state: &TypeState) -> TypeDef {
        let value = self.value.type_def(state);
        let mut fields = value.kind().as_object().cloned().unwrap_or_else(Collection::any);
        fields.set_unknown(Kind::any());
        TypeDef::object(fields).maybe_fallible(value.is_fallible())
    }
}
