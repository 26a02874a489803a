//! `categorize` and `record_type_name`: what the tables of operations and of record types say.

use std::{collections::HashMap, sync::LazyLock};

use vrl::prelude::*;

const OPERATIONS: &str = include_str!("../../../vrl/ecs/operations.csv");
const RECORD_TYPES: &str = include_str!("../../../vrl/ecs/record_types.csv");

static NAMES: LazyLock<HashMap<i64, &'static str>> = LazyLock::new(|| {
    let row = |line: &'static str| {
        let (number, name) = line.split_once(',')?;
        Some((number.parse().ok()?, name))
    };
    RECORD_TYPES.lines().skip(1).filter_map(row).collect()
});

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
        "Gives `kind`, `category`, `type` and the usual `outcome` of an operation, by the table of operations."
    }

    fn category(&self) -> &'static str {
        Category::Map.as_ref()
    }

    fn return_kind(&self) -> u16 {
        kind::OBJECT
    }

    fn parameters(&self) -> &'static [Parameter] {
        const PARAMETERS: &[Parameter] = &[
            Parameter::required("operation", kind::ANY, "The operation."),
            Parameter::required("record_type", kind::ANY, "The number of the record type."),
            Parameter::required("workload", kind::ANY, "The workload."),
        ];
        PARAMETERS
    }

    fn examples(&self) -> &'static [Example] {
        &[example! {
            title: "A sign-in",
            source: r#"categorize("UserLoggedIn", 15, "AzureActiveDirectory")"#,
            result: Ok(r#"{ "kind": "event", "category": ["authentication"], "type": ["start"], "outcome": "success" }"#),
        }]
    }

    fn compile(
        &self,
        _state: &TypeState,
        _context: &mut FunctionCompileContext,
        arguments: ArgumentList,
    ) -> Compiled {
        let operation = arguments.required("operation");
        Ok(Call { operation }.as_expr())
    }
}

#[derive(Clone, Debug)]
struct Call {
    operation: Box<dyn Expression>,
}

impl FunctionExpression for Call {
    fn resolve(&self, context: &mut Context) -> Resolved {
        let operation = self.operation.resolve(context)?;
        let operation = operation.to_str().unwrap_or_default().to_owned();
        let rows = || OPERATIONS.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
        let row =
            rows().find(|row| row[0] == operation).or_else(|| rows().find(|row| row[0].is_empty()));
        let row = row.unwrap_or_else(|| vec!["", "", "", "event", "web", "info", "unknown"]);
        let list = |text: &str| Value::from(text.split('|').map(Value::from).collect::<Vec<_>>());
        Ok(Value::Object(ObjectMap::from([
            ("kind".into(), row[3].into()),
            ("category".into(), list(row[4])),
            ("type".into(), list(row[5])),
            ("outcome".into(), row[6].into()),
        ])))
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
        "Gives the name of the record type with this number; the number as text where it has none."
    }

    fn category(&self) -> &'static str {
        Category::Map.as_ref()
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
            example! { title: "A sign-in", source: "record_type_name(15)", result: Ok("AzureActiveDirectoryStsLogon") },
        ]
    }

    fn compile(
        &self,
        _state: &TypeState,
        _context: &mut FunctionCompileContext,
        arguments: ArgumentList,
    ) -> Compiled {
        Ok(super::call::call(&arguments, record_type_name, TypeDef::bytes().or_null()))
    }
}

fn record_type_name(value: &Value) -> Value {
    match value {
        Value::Integer(number) => {
            NAMES.get(number).map_or_else(|| number.to_string().into(), |name| Value::from(*name))
        }
        _ => Value::Null,
    }
}
