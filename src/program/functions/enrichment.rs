//! `get_enrichment_table_record` and `find_enrichment_table_records`: rows of the tables that the configuration
//! declares, as Vector's users know them.
//!
//! Which table, which columns and which of them are wanted is known when a program is compiled. So a misspelt name is a
//! mistake of the program, the result has known kinds, and a look-up is one look into an index.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use vrl::{
    compiler::expression::{Container, Expr, Variant},
    diagnostic::Label,
    prelude::*,
};

use crate::program::{
    Surroundings,
    tables::{self, Case, FileTable, GeoDatabase, Index, Table},
};

const PARAMETERS: &[Parameter] = &[
    Parameter::required("table", kind::BYTES, "The name of the table: text that stands there."),
    Parameter::required(
        "condition",
        kind::OBJECT,
        "The columns to look at, each with what it has to hold, or with `from` and `to`, or one of them, between which a \
         time has to be. For a table of type `geoip` or `mmdb`: the address, under any name.",
    ),
    Parameter::optional(
        "select",
        kind::ARRAY,
        "The names of the columns that are wanted; all by default.",
    ),
    Parameter::optional(
        "case_sensitive",
        kind::BOOLEAN,
        "Whether `A` is another letter than `a`. It is by default.",
    ),
];

/// `get_enrichment_table_record(table, condition)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct GetEnrichmentTableRecord;

impl Function for GetEnrichmentTableRecord {
    fn identifier(&self) -> &'static str {
        "get_enrichment_table_record"
    }

    fn summary(&self) -> &'static str {
        "the row of a table that a condition fits"
    }

    fn usage(&self) -> &'static str {
        "Gives the one row of an enrichment table that fits `condition`, as an object of its columns. It fails where no \
         row does, and where several do."
    }

    fn internal_failure_reasons(&self) -> &'static [&'static str] {
        &["No row fits the condition.", "More than one row fits the condition."]
    }

    fn category(&self) -> &'static str {
        "Enrichment"
    }

    fn return_kind(&self) -> u16 {
        kind::OBJECT
    }

    fn notices(&self) -> &'static [&'static str] {
        &[
            "Text is compared with text: the number 15 fits a cell `15`. Null, and a field that is not there, fit no cell.",
        ]
    }

    fn parameters(&self) -> &'static [Parameter] {
        PARAMETERS
    }

    fn examples(&self) -> &'static [Example] {
        &[
            example! {
                title: "A row",
                source: r#"get_enrichment_table_record!("staff", { "login": "kim@contoso.example" })"#,
                result: Ok(r#"{ "login": "kim@contoso.example", "name": "Kim", "team": "Finance", "badge": 7, "since": t'2021-03-01T00:00:00Z' }"#),
            },
            example! {
                title: "Some of its columns, whatever the case",
                source: r#"get_enrichment_table_record!("staff", { "login": "KIM@contoso.example" }, select: ["team"], case_sensitive: false)"#,
                result: Ok(r#"{ "team": "Finance" }"#),
            },
            example! {
                title: "No row",
                source: r#"get_enrichment_table_record("staff", { "login": "nobody@contoso.example" }) ?? {}"#,
                result: Ok("{}"),
            },
        ]
    }

    fn compile(
        &self,
        state: &TypeState,
        context: &mut FunctionCompileContext,
        arguments: ArgumentList,
    ) -> Compiled {
        Ok(Call { lookup: Lookup::new(state, context, &arguments)?, wanted: Wanted::One }.as_expr())
    }
}

/// `find_enrichment_table_records(table, condition)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct FindEnrichmentTableRecords;

impl Function for FindEnrichmentTableRecords {
    fn identifier(&self) -> &'static str {
        "find_enrichment_table_records"
    }

    fn summary(&self) -> &'static str {
        "the rows of a table that a condition fits"
    }

    fn usage(&self) -> &'static str {
        "Gives the rows of an enrichment table that fit `condition`, in the table's order, each as an object of its \
         columns: an empty array where none does. It counts as fallible, as in Vector, so call it with `!` or `??`."
    }

    fn category(&self) -> &'static str {
        "Enrichment"
    }

    fn return_kind(&self) -> u16 {
        kind::ARRAY
    }

    fn parameters(&self) -> &'static [Parameter] {
        PARAMETERS
    }

    fn examples(&self) -> &'static [Example] {
        &[
            example! {
                title: "Rows",
                source: r#"find_enrichment_table_records!("staff", { "team": "Finance" }, select: ["name"])"#,
                result: Ok(r#"[{ "name": "Kim" }, { "name": "Lee" }]"#),
            },
            example! {
                title: "By a time",
                source: r#"find_enrichment_table_records!("staff", { "team": "Finance", "since": { "from": t'2022-01-01T00:00:00Z' } }, select: ["name"])"#,
                result: Ok(r#"[{ "name": "Lee" }]"#),
            },
        ]
    }

    fn compile(
        &self,
        state: &TypeState,
        context: &mut FunctionCompileContext,
        arguments: ArgumentList,
    ) -> Compiled {
        Ok(Call { lookup: Lookup::new(state, context, &arguments)?, wanted: Wanted::All }.as_expr())
    }
}

/// A call that names what there is not.
#[derive(Debug, thiserror::Error)]
enum LookupError {
    #[error("there is no enrichment table {name:?}")]
    NoTable { name: String, instead: String },
    #[error("the enrichment table {table:?} has no column {column:?}")]
    NoColumn { table: String, column: String, instead: String },
    #[error("an address is looked up by one condition, as in {{ \"ip\": .source.ip }}")]
    OneAddress,
}

impl DiagnosticMessage for LookupError {
    fn code(&self) -> usize {
        // VRL's code for a value that is none of those which can stand there.
        404
    }

    fn labels(&self) -> Vec<Label> {
        let instead = match self {
            LookupError::NoTable { instead, .. } | LookupError::NoColumn { instead, .. } => {
                Some(instead)
            }
            LookupError::OneAddress => None,
        };
        let said = Label::primary(self.to_string(), Span::default());
        let hint = instead.map(|instead| Label::context(instead.clone(), Span::default()));
        std::iter::once(said).chain(hint).collect()
    }
}

#[derive(Clone, Copy, Debug)]
enum Wanted {
    One,
    All,
}

#[derive(Clone, Debug)]
struct Call {
    lookup: Lookup,
    wanted: Wanted,
}

impl FunctionExpression for Call {
    fn resolve(&self, context: &mut Context) -> Resolved {
        let mut rows = self.lookup.rows(context)?;
        match self.wanted {
            Wanted::All => Ok(Value::Array(rows)),
            Wanted::One if rows.len() > 1 => Err("more than one row fits the condition".into()),
            Wanted::One => rows.pop().ok_or_else(|| "no row fits the condition".into()),
        }
    }

    fn type_def(&self, _state: &TypeState) -> TypeDef {
        let row = self.lookup.kind();
        let result = match self.wanted {
            // What never comes fits everywhere, so that nothing else is found to be wrong for want of the table.
            _ if row.is_never() => row,
            Wanted::One => row,
            Wanted::All => Kind::array(Collection::from_unknown(row)),
        };
        TypeDef::from(result).fallible()
    }
}

/// Where to look, and for what.
#[derive(Clone, Debug)]
enum Lookup {
    Rows {
        table: Arc<FileTable>,
        index: Arc<Index>,
        /// What the columns of the index have to hold.
        equal: Vec<Expr>,
        ranges: Vec<Range>,
        /// The columns that are wanted.
        select: Vec<usize>,
    },
    Geo {
        database: Arc<GeoDatabase>,
        address: Box<Expr>,
        select: Option<Vec<String>>,
    },
    /// In a table that could not be read: nothing with a call to it is ever run.
    Unread,
}

/// Between which times a column has to be.
#[derive(Clone, Debug)]
struct Range {
    column: usize,
    from: Option<Expr>,
    to: Option<Expr>,
}

impl Lookup {
    fn new(
        state: &TypeState,
        context: &FunctionCompileContext,
        arguments: &ArgumentList,
    ) -> Result<Lookup, Box<dyn DiagnosticMessage>> {
        let name = arguments.required_literal("table", state)?;
        let name = name.to_str().unwrap_or_default().to_owned();
        let condition = arguments.required_object("condition")?;
        let select = arguments.optional_literal("select", state)?;
        let select = select.as_ref().and_then(Value::as_array).map(|names| {
            names.iter().map(|name| name.to_string_lossy().into_owned()).collect::<Vec<_>>()
        });
        let sensitive = arguments.optional_literal("case_sensitive", state)?;
        let sensitive = sensitive.as_ref().and_then(Value::as_boolean).unwrap_or(true);
        let case = if sensitive { Case::Sensitive } else { Case::Insensitive };
        let tables = context.get_external_context::<Surroundings>();
        let tables = tables.map(|surroundings| surroundings.tables.clone()).unwrap_or_default();
        match tables.find(&name) {
            Some(Table::Rows(table)) => {
                Self::in_rows(&name, table, condition, (select, case)).map_err(|error| error as _)
            }
            Some(Table::Geo(database)) => {
                let mut conditions = condition.into_values();
                let (Some(address), None) = (conditions.next(), conditions.next()) else {
                    return Err(Box::new(LookupError::OneAddress));
                };
                let address = Box::new(address);
                Ok(Lookup::Geo { database: Arc::clone(database), address, select })
            }
            Some(Table::Unread) => Ok(Lookup::Unread),
            None => {
                let instead = tables.instead_of(&name);
                Err(Box::new(LookupError::NoTable { name, instead }))
            }
        }
    }

    fn in_rows(
        name: &str,
        table: &Arc<FileTable>,
        condition: BTreeMap<KeyString, Expr>,
        (select, case): (Option<Vec<String>>, Case),
    ) -> Result<Lookup, Box<LookupError>> {
        let column = |column: &str| {
            table.column(column).map_err(|instead| {
                let (table, column) = (name.to_owned(), column.to_owned());
                Box::new(LookupError::NoColumn { table, column, instead })
            })
        };
        let (mut columns, mut equal, mut ranges) = (Vec::new(), Vec::new(), Vec::new());
        for (field, expression) in condition {
            let number = column(&field)?;
            if let Some(range) = range(number, &expression) {
                ranges.push(range);
                continue;
            }
            columns.push(number);
            equal.push(expression);
        }
        let select = match select {
            Some(names) => names.iter().map(|name| column(name)).collect::<Result<_, _>>()?,
            None => (0..table.width()).collect(),
        };
        let index = Arc::new(Index::new(table, &columns, case));
        Ok(Lookup::Rows { table: Arc::clone(table), index, equal, ranges, select })
    }

    fn rows(&self, context: &mut Context<'_>) -> Result<Vec<Value>, ExpressionError> {
        match self {
            Lookup::Rows { table, index, equal, ranges, select } => {
                let mut values = Vec::with_capacity(equal.len());
                for expression in equal {
                    values.push(expression.resolve(context)?);
                }
                let mut found = index.find(&values).to_vec();
                for range in ranges {
                    let (from, to) =
                        (end(range.from.as_ref(), context)?, end(range.to.as_ref(), context)?);
                    found.retain(|&row| {
                        let cell = table.rows().get(row).and_then(|row| row.get(range.column));
                        let time = cell.and_then(Value::as_timestamp);
                        time.is_some_and(|time| {
                            from.is_none_or(|from| from <= *time) && to.is_none_or(|to| *time <= to)
                        })
                    });
                }
                Ok(found.into_iter().map(|row| table.object(row, select)).collect())
            }
            Lookup::Geo { database, address, select } => {
                let address = tables::address(&address.resolve(context)?);
                let mut record = address.and_then(|address| database.record(address));
                if let (Some(select), Some(Value::Object(fields))) = (select, &mut record) {
                    fields.retain(|name, _| select.iter().any(|wanted| wanted == name.as_str()));
                }
                Ok(record.into_iter().collect())
            }
            Lookup::Unread => Ok(Vec::new()),
        }
    }

    /// The kind of a row.
    fn kind(&self) -> Kind {
        match self {
            Lookup::Rows { table, select, .. } => Kind::object(table.kind(select)),
            Lookup::Geo { .. } => Kind::object(Collection::any()),
            Lookup::Unread => Kind::never(),
        }
    }
}

/// Whether a condition is on a time: an object with `from`, `to` or both that stands in the program.
fn range(column: usize, condition: &Expr) -> Option<Range> {
    let Expr::Container(Container { variant: Variant::Object(object) }) = condition else {
        return None;
    };
    let (from, to) = (object.get("from").cloned(), object.get("to").cloned());
    (from.is_some() || to.is_some()).then_some(Range { column, from, to })
}

/// One end of a range; nothing where it is open.
fn end(
    expression: Option<&Expr>,
    context: &mut Context<'_>,
) -> Result<Option<DateTime<Utc>>, ExpressionError> {
    let Some(expression) = expression else { return Ok(None) };
    match expression.resolve(context)? {
        Value::Timestamp(time) => Ok(Some(time)),
        other => Err(format!("`from` and `to` are times, not a {}", other.kind_str()).into()),
    }
}
