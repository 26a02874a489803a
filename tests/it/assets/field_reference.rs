//! The page `docs/fields.md`: every field of a mapped event, of the one description.

use std::{collections::BTreeMap, fmt::Write};

use o365flow::fields::{self, Field, Shape};

use super::{hold, templates};

const HEAD: &str = "\
<!-- Made of vrl/ecs/fields.csv: change that, and run UPDATE_EXPECT=1 cargo test --test it assets. -->
# Fields

What [`vrl/ecs.vrl`](../vrl/ecs.vrl) makes of a record, of one table, [`vrl/ecs/fields.csv`](../vrl/ecs/fields.csv), from which the index templates are made as well. Fields of the
[Elastic Common Schema](https://www.elastic.co/docs/reference/ecs) come first; `o365.audit.*` are Microsoft's, under Microsoft's names.

- The type is what an index should hold; [the templates](elasticsearch.md#what-is-in-the-templates) say where theirs differs. `code` is a number that stands for a name: a number in the event, a `keyword` in the index.
- `[]` marks an array: always one, even of one value. `[?]` is one value or several, as the record has it.
- A field of Microsoft's that is not here is kept as it is, and is a `keyword` in the index.
";

/// A table begins with a new one of these.
fn group(field: &Field) -> &str {
    match field.name.strip_prefix("o365.") {
        Some(_) => "o365",
        None => field.name.split_once('.').map_or("", |(first, _)| first),
    }
}

/// How the values stand in an event, in as few letters as can be.
fn mark(shape: Shape) -> &'static str {
    match shape {
        Shape::Scalar | Shape::Object => "",
        Shape::Any => " [?]",
        Shape::Array | Shape::Objects => " []",
        Shape::Changes => " of changes by name",
        Shape::Json => " from JSON text",
        Shape::Pairs => " of values by name",
    }
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    let (record, ecs): (Vec<&Field>, Vec<&Field>) =
        fields::fields().iter().partition(|field| templates::is_of_record(field));
    let mut before = None;
    for field in ecs.into_iter().chain(record) {
        let here = group(field);
        if before != Some(here) {
            let title = match here {
                "" => "Of every event",
                "o365" => "`o365`",
                name => &format!("`{name}`"),
            };
            write!(page, "\n## {title}\n\n| field | type | |\n|---|---|---|\n")
                .expect("a String takes all");
            before = Some(here);
        }
        let (name, field_type, mark) = (&field.name, field.field_type, mark(field.shape));
        let said = field.description.replace('|', "\\|");
        writeln!(page, "| `{name}` | {field_type}{mark} | {said} |").expect("a String takes all");
    }
    page
}

#[test]
fn the_reference_is_made_of_the_description_of_the_fields() {
    hold(&BTreeMap::from([("docs/fields.md".to_owned(), page())]));
}
