//! `setting`: what the user set for a program, as a constant.

use std::fmt;

use vrl::prelude::*;

use crate::program::Surroundings;

/// `setting(name, default)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting;

impl Function for Setting {
    fn identifier(&self) -> &'static str {
        "setting"
    }

    fn summary(&self) -> &'static str {
        "what the transform's `settings` say"
    }

    fn usage(&self) -> &'static str {
        "Gives the value that the transform's `settings` have under this name, or the default. It is a constant of \
         the type that the default has. A setting of another type, one that is none of the `choices`, and one that no \
         program reads are mistakes that `o365flow validate` finds."
    }

    fn category(&self) -> &'static str {
        Category::System.as_ref()
    }

    fn return_kind(&self) -> u16 {
        kind::BYTES | kind::INTEGER | kind::FLOAT | kind::BOOLEAN
    }

    fn parameters(&self) -> &'static [Parameter] {
        const PARAMETERS: &[Parameter] = &[
            Parameter::required("name", kind::BYTES, "The setting's name."),
            Parameter::required(
                "default",
                kind::BYTES | kind::INTEGER | kind::FLOAT | kind::BOOLEAN,
                "What holds where it is not set.",
            ),
            Parameter::optional("choices", kind::ARRAY, "What it can be; anything, by default."),
        ];
        PARAMETERS
    }

    fn examples(&self) -> &'static [Example] {
        &[
            example! {
                title: "A setting that is not set",
                source: r#"setting("keep_original", true)"#,
                result: Ok("true"),
            },
            example! {
                title: "One of a few values",
                source: r#"setting("mode", "copy", choices: ["copy", "rename", "ecs_only"])"#,
                result: Ok("copy"),
            },
        ]
    }

    fn compile(
        &self,
        state: &TypeState,
        context: &mut FunctionCompileContext,
        arguments: ArgumentList,
    ) -> Compiled {
        let name = arguments.required_literal("name", state)?;
        let name = name.to_str().unwrap_or_default().to_owned();
        let default = arguments.required_literal("default", state)?;
        let choices = match arguments.optional_literal("choices", state)? {
            Some(Value::Array(choices)) => choices,
            _ => Vec::new(),
        };
        let surroundings = context.get_external_context::<Surroundings>();
        let value = match surroundings {
            Some(surroundings) => surroundings.setting(&name, &default, &choices),
            None => default,
        };
        Ok(Constant(value).as_expr())
    }
}

#[derive(Clone)]
struct Constant(Value);

impl fmt::Debug for Constant {
    /// Shows no value: it may be a secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Constant")
    }
}

impl FunctionExpression for Constant {
    fn resolve(&self, _context: &mut Context) -> Resolved {
        Ok(self.0.clone())
    }

    fn type_def(&self, _state: &TypeState) -> TypeDef {
        TypeDef::from(Kind::from(&self.0)).infallible()
    }

    fn as_value(&self) -> Option<Value> {
        Some(self.0.clone())
    }
}
