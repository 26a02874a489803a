//! `distinct`: texts from wherever they come, each once, as the lists under `related` want them.

use vrl::prelude::*;

use super::call::Argument;

/// `distinct(value)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Distinct;

impl Function for Distinct {
    fn identifier(&self) -> &'static str {
        "distinct"
    }

    fn summary(&self) -> &'static str {
        "the texts of a list, each once"
    }

    fn usage(&self) -> &'static str {
        "Gathers the texts of a list, and of the lists in it, in their order. A text that occurs again, an empty one, \
         and what is no text are left out. A list without any gives null, so that `|| []` is not needed to drop it by \
         `compact`."
    }

    fn category(&self) -> &'static str {
        Category::Array.as_ref()
    }

    fn return_kind(&self) -> u16 {
        kind::ARRAY | kind::NULL
    }

    fn parameters(&self) -> &'static [Parameter] {
        const PARAMETERS: &[Parameter] =
            &[Parameter::required("value", kind::ANY, "The list, or a single text.")];
        PARAMETERS
    }

    fn examples(&self) -> &'static [Example] {
        &[
            example! {
                title: "Lists and single texts",
                source: r#"distinct(["alice", null, ["bob", "alice", ""], "carol"])"#,
                result: Ok(r#"["alice", "bob", "carol"]"#),
            },
            example! { title: "Nothing", source: r#"distinct([null, ""])"#, result: Ok("null") },
        ]
    }

    fn compile(
        &self,
        _state: &TypeState,
        _context: &mut FunctionCompileContext,
        arguments: ArgumentList,
    ) -> Compiled {
        let texts = Collection::empty().with_unknown(Kind::bytes());
        let result = TypeDef::array(texts).or_null().infallible();
        Ok(Call { list: Argument::new(&arguments, "value"), result }.as_expr())
    }
}

#[derive(Clone, Debug)]
struct Call {
    list: Argument,
    result: TypeDef,
}

impl FunctionExpression for Call {
    fn resolve(&self, context: &mut Context) -> Resolved {
        let mut texts = Vec::new();
        self.list.look_at_each(context, &mut |value| gather(value, &mut texts))?;
        Ok(if texts.is_empty() { Value::Null } else { Value::Array(texts) })
    }

    fn type_def(&self, _state: &TypeState) -> TypeDef {
        self.result.clone()
    }
}

fn gather(value: &Value, texts: &mut Vec<Value>) {
    if let Value::Array(values) = value {
        for value in values {
            gather(value, texts);
        }
        return;
    }
    if value.to_str().is_some_and(|text| !text.is_empty()) && !texts.contains(value) {
        texts.push(value.clone());
    }
}
