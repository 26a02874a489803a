//! `normalize_record`: a raw audit record as a tree in which each field has one type for ever.
//!
//! One walk over the record and, beside it, over what `vrl/ecs/fields.csv` says of its fields. Invariants: it never
//! fails; nothing that the record says is lost without a mark; two normal records never differ in what a field is; a
//! normal record stays as it is. It gives no value a meaning: that is what the programs do. What is normal is not copied,
//! but stays where it is.

mod asked;
mod codes;
mod json;
mod leaf;
mod limits;
mod merge;
mod named;
mod path;
mod schema;
mod walk;

use vrl::prelude::*;

use self::walk::Walk;
use super::call::Argument;
use crate::program::surroundings::ProgramText;

/// `normalize_record(value)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct NormalizeRecord;

impl Function for NormalizeRecord {
    fn identifier(&self) -> &'static str {
        "normalize_record"
    }

    fn summary(&self) -> &'static str {
        "an audit record whose fields have one type for ever"
    }

    fn usage(&self) -> &'static str {
        "Gives each field of an audit record the type and the shape that `vrl/ecs/fields.csv` says it has, so that a \
         program can use it without asking, and an index never meets it as anything else. Numbers, times and booleans \
         that are text become what they are; arrays of names and values become objects; JSON in text is read where a \
         field is described as `json`. What is no such value is kept under `_unparsed`. Null, and empty arrays and \
         objects, are left out. Names become such as an index takes. What is too much for an index is kept as JSON \
         text under `_more`; text of more than 32,766 bytes is cut, and `_truncated` says so. \
         `normalize_record(del(.))` needs no copy of the record."
    }

    fn category(&self) -> &'static str {
        Category::Object.as_ref()
    }

    fn return_kind(&self) -> u16 {
        kind::OBJECT
    }

    fn parameters(&self) -> &'static [Parameter] {
        const PARAMETERS: &[Parameter] =
            &[Parameter::required("value", kind::ANY, "The record as Microsoft serves it.")];
        PARAMETERS
    }

    fn examples(&self) -> &'static [Example] {
        &[
            example! {
                title: "A number that is text",
                source: r#"normalize_record({ "RecordType": "15", "OperationCount": "1e3" })"#,
                result: Ok(r#"{ "RecordType": 15, "OperationCount": 1000 }"#),
            },
            example! {
                title: "Names and values",
                source: r#"normalize_record({ "Parameters": [{ "Name": "ForwardTo", "Value": "a@contoso.example" }] })"#,
                result: Ok(r#"{ "Parameters": { "ForwardTo": "a@contoso.example" } }"#),
            },
            example! {
                title: "Values before and after",
                source: r#"normalize_record({ "ModifiedProperties": [{ "Name": "Role.DisplayName", "NewValue": "Global Reader", "OldValue": "" }] })"#,
                result: Ok(
                    r#"{ "ModifiedProperties": { "Role_DisplayName": { "NewValue": "Global Reader", "OldValue": "" } } }"#,
                ),
            },
            example! {
                title: "A value that is not what its field is",
                source: r#"normalize_record({ "Operation": "Send", "OperationCount": "many" })"#,
                result: Ok(r#"{ "Operation": "Send", "_unparsed": { "OperationCount": "many" } }"#),
            },
        ]
    }

    fn compile(
        &self,
        _state: &TypeState,
        context: &mut FunctionCompileContext,
        arguments: ArgumentList,
    ) -> Compiled {
        let program = context.get_external_context::<ProgramText>();
        let kinds = schema::kinds(program.map_or("", |text| &text.0));
        let record = Argument::new(&arguments, "value");
        Ok(Call { record, result: TypeDef::object(kinds).infallible() }.as_expr())
    }
}

#[derive(Clone, Debug)]
struct Call {
    record: Argument,
    result: TypeDef,
}

impl FunctionExpression for Call {
    fn resolve(&self, context: &mut Context) -> Resolved {
        self.record.value(context).map(normalize_record)
    }

    fn type_def(&self, _state: &TypeState) -> TypeDef {
        self.result.clone()
    }
}

fn normalize_record(value: Value) -> Value {
    Value::Object(Walk::default().record(value, schema::record()))
}

#[cfg(test)]
mod tests;
