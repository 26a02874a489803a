//! `categorize` and `record_type_name`: what the tables of operations and of record types say.

use std::sync::{Arc, LazyLock};

use vrl::prelude::*;

use super::call::Argument;
use crate::program::{
    Surroundings,
    tables::{Operations, RecordTypes, builtin_operations, builtin_record_types},
};

/// `categorize(operation, record_type, workload)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Categorize;

impl Function for Categorize {
    fn identifier(&self) -> &'static str {
        "categorize"
    }

    fn summary(&self) -> &'static str {
        "what kind of thing an operation is"
    }

    fn usage(&self) -> &'static str {
        "Gives what the table of operations says of a record: `kind`, `category` and `type` for `event.kind`, \
         `event.category` and `event.type`, and `outcome`, the outcome where the record itself says none. The most \
         specific row holds: one that names the operation, then the longest beginning of it (`New-*`), then one for any; \
         among those, one that names the record type, then one that names the workload. Rows of \
         `[enrichment_tables.operations]` come before the built-in ones."
    }

    fn category(&self) -> &'static str {
        "Enrichment"
    }

    fn return_kind(&self) -> u16 {
        kind::OBJECT
    }

    fn parameters(&self) -> &'static [Parameter] {
        const PARAMETERS: &[Parameter] = &[
            Parameter::required("operation", kind::ANY, "The operation."),
            Parameter::required(
                "record_type",
                kind::ANY,
                "The record type, as a number or by its name.",
            ),
            Parameter::required("workload", kind::ANY, "The workload."),
        ];
        PARAMETERS
    }

    fn examples(&self) -> &'static [Example] {
        &[example! {
            title: "A sign-in that failed",
            source: r#"categorize(operation: "UserLoginFailed", record_type: 15, workload: "AzureActiveDirectory")"#,
            result: Ok(r#"{ "kind": "event", "category": ["authentication"], "type": ["start"], "outcome": "failure" }"#),
        }]
    }

    fn compile(
        &self,
        _state: &TypeState,
        context: &mut FunctionCompileContext,
        arguments: ArgumentList,
    ) -> Compiled {
        let argument = |name| Argument::new(&arguments, name);
        let (operations, record_types) = tables(context);
        Ok(CategorizeCall {
            operation: argument("operation"),
            record_type: argument("record_type"),
            workload: argument("workload"),
            operations,
            record_types,
        }
        .as_expr())
    }
}

/// The user's tables, each before the built-in one.
fn tables(context: &FunctionCompileContext) -> (Vec<Arc<Operations>>, Vec<Arc<RecordTypes>>) {
    let tables = context.get_external_context::<Surroundings>().map(|it| &it.tables);
    let operations = tables.and_then(|tables| tables.operations().cloned());
    let record_types = tables.and_then(|tables| tables.record_types().cloned());
    (
        operations.into_iter().chain([builtin_operations()]).collect(),
        record_types.into_iter().chain([builtin_record_types()]).collect(),
    )
}

#[derive(Clone, Debug)]
struct CategorizeCall {
    operation: Argument,
    record_type: Argument,
    workload: Argument,
    operations: Vec<Arc<Operations>>,
    record_types: Vec<Arc<RecordTypes>>,
}

impl FunctionExpression for CategorizeCall {
    fn resolve(&self, context: &mut Context) -> Resolved {
        let operation = self.operation.look(context, scalar)?;
        let workload = self.workload.look(context, scalar)?;
        let record_type = match self.record_type.look(context, scalar)? {
            Value::Integer(number) => name(&self.record_types, number).cloned(),
            other => Some(other),
        };
        let record_type = record_type.unwrap_or(Value::Null);
        let found = self.operations.iter().find_map(|operations| {
            let [operation, record_type, workload] = [&operation, &record_type, &workload]
                .map(|value| value.to_str().unwrap_or_default().trim());
            operations.find(operation, record_type, workload)
        });
        Ok(found.unwrap_or(&UNKNOWN).clone())
    }

    fn type_def(&self, _state: &TypeState) -> TypeDef {
        let list = || Kind::array(Collection::from_unknown(Kind::bytes()));
        let fields = Collection::empty()
            .with_known("kind", Kind::bytes())
            .with_known("category", list())
            .with_known("type", list())
            .with_known("outcome", Kind::bytes());
        TypeDef::object(fields).infallible()
    }
}

/// What is said of an operation for which there is no row at all.
static UNKNOWN: LazyLock<Value> = LazyLock::new(|| {
    Value::Object(ObjectMap::from([
        ("kind".into(), "event".into()),
        ("category".into(), Value::Array(Vec::new())),
        ("type".into(), Value::Array(vec!["info".into()])),
        ("outcome".into(), "unknown".into()),
    ]))
});

/// A value that costs nothing to keep; null for all others.
fn scalar(value: &Value) -> Value {
    match value {
        Value::Bytes(_) | Value::String(_) | Value::Integer(_) => value.clone(),
        Value::Regex(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Timestamp(_)
        | Value::Object(_)
        | Value::Array(_)
        | Value::Null => Value::Null,
    }
}

fn name(tables: &[Arc<RecordTypes>], number: i64) -> Option<&Value> {
    tables.iter().find_map(|table| table.name(number))
}

/// `record_type_name(value)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct RecordTypeName;

impl Function for RecordTypeName {
    fn identifier(&self) -> &'static str {
        "record_type_name"
    }

    fn summary(&self) -> &'static str {
        "the name of a record type"
    }

    fn usage(&self) -> &'static str {
        "Gives the name of the record type with this number, by `[enrichment_tables.record_types]` and then by the \
         built-in table; the number as text where it has none, and null for what is no whole number."
    }

    fn category(&self) -> &'static str {
        "Enrichment"
    }

    fn return_kind(&self) -> u16 {
        kind::BYTES | kind::NULL
    }

    fn parameters(&self) -> &'static [Parameter] {
        const PARAMETERS: &[Parameter] = &[Parameter::required("value", kind::ANY, "The number.")];
        PARAMETERS
    }

    fn examples(&self) -> &'static [Example] {
        &[
            example! { title: "A known number", source: "record_type_name(15)", result: Ok("AzureActiveDirectoryStsLogon") },
            example! { title: "A number without a name", source: "record_type_name(99999)", result: Ok("s'99999'") },
            example! { title: "Something else", source: r#"record_type_name("15")"#, result: Ok("null") },
        ]
    }

    fn compile(
        &self,
        _state: &TypeState,
        context: &mut FunctionCompileContext,
        arguments: ArgumentList,
    ) -> Compiled {
        let (_, record_types) = tables(context);
        Ok(NameCall { number: Argument::new(&arguments, "value"), record_types }.as_expr())
    }
}

#[derive(Clone, Debug)]
struct NameCall {
    number: Argument,
    record_types: Vec<Arc<RecordTypes>>,
}

impl FunctionExpression for NameCall {
    fn resolve(&self, context: &mut Context) -> Resolved {
        self.number.look(context, |value| match value {
            Value::Integer(number) => name(&self.record_types, *number)
                .cloned()
                .unwrap_or_else(|| Value::from(number.to_string())),
            _ => Value::Null,
        })
    }

    fn type_def(&self, _state: &TypeState) -> TypeDef {
        TypeDef::bytes().or_null().infallible()
    }
}
