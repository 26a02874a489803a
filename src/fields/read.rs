//! From the rows of the description to fields, with every mistake at its line.

use super::{Field, Shape, Type};

/// The columns, in their order.
const COLUMNS: [&str; 4] = ["field", "type", "shape", "description"];

/// Why a description of fields cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is no table.
    #[error("the description of fields is no CSV")]
    Csv {
        /// What the reader says.
        #[from]
        source: csv::Error,
    },
    /// The first line is not the columns' names.
    #[error("the columns are `{found}`, and not `field,type,shape,description`")]
    Columns {
        /// What the first line holds.
        found: String,
    },
    /// A row says something that it may not.
    #[error("line {line}: {mistake}")]
    Row {
        /// Where the row starts.
        line: u64,
        /// What is wrong with it.
        mistake: Mistake,
    },
}

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// The name is empty or has an empty part.
    #[error("`{0}` is not the name of a field")]
    Name(String),
    /// The type is none of ours.
    #[error("there is no type `{0}`")]
    Type(String),
    /// The shape is none of ours.
    #[error("there is no shape `{0}`")]
    Shape(String),
    /// The type and the shape cannot go together.
    #[error("type `{0}` cannot have shape `{1}`")]
    Pair(Type, Shape),
    /// Nothing says what the field means.
    #[error("the description is empty")]
    Description,
    /// The rows must be in the order of their names, each name once.
    #[error("`{0}` belongs before the row above it, or stands twice")]
    Order(String),
}

/// Reads a table with the columns `field,type,shape,description`.
///
/// # Errors
/// The first mistake, with its line.
pub fn read(table: &str) -> Result<Vec<Field>, ReadError> {
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let columns = reader.headers()?;
    if columns != COLUMNS.as_slice() {
        return Err(ReadError::Columns { found: columns.iter().collect::<Vec<_>>().join(",") });
    }
    let mut fields: Vec<Field> = Vec::new();
    for row in reader.records() {
        let row = row?;
        let line = row.position().map_or(0, csv::Position::line);
        let field = field(&row).map_err(|mistake| ReadError::Row { line, mistake })?;
        if fields.last().is_some_and(|before| before.name >= field.name) {
            return Err(ReadError::Row { line, mistake: Mistake::Order(field.name) });
        }
        fields.push(field);
    }
    Ok(fields)
}

fn field(row: &csv::StringRecord) -> Result<Field, Mistake> {
    let column = |at: usize| row.get(at).unwrap_or_default();
    let name = column(0).to_owned();
    if name.split('.').any(|step| step.trim() != step || step.is_empty()) {
        return Err(Mistake::Name(name));
    }
    let field_type = Type::ALL.into_iter().find(|known| known.name() == column(1));
    let field_type = field_type.ok_or_else(|| Mistake::Type(column(1).to_owned()))?;
    let shape = Shape::ALL.into_iter().find(|known| known.name() == column(2));
    let shape = shape.ok_or_else(|| Mistake::Shape(column(2).to_owned()))?;
    let holds_fields = matches!(field_type, Type::Object | Type::Flattened);
    // Both an `ip` in an array and a `geo_point` are leaves, whatever JSON they are.
    if holds_fields != shape.is_container() {
        return Err(Mistake::Pair(field_type, shape));
    }
    let description = column(3).to_owned();
    if description.trim().is_empty() {
        return Err(Mistake::Description);
    }
    Ok(Field { name, field_type, shape, description })
}
