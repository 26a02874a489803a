//! Which index or data stream an event goes to.
//!
//! A name takes fields and date from the event, never from the clock: an event that is sent again tomorrow must meet its
//! first copy, or it is stored twice. What an event makes of a name is checked here, because whoever wrote the event
//! chose it: the server would refuse some names, and a hyphen would lead into another data stream.

use pipeline_core::{Event, Need, Timestamp};
use vrl::path::OwnedValuePath;

use crate::delivery::{RenderError, Template};

/// The longest name that Elasticsearch takes.
const NAME_BYTES_MAX: usize = 255;

/// The longest dataset or namespace of a data stream.
const PART_BYTES_MAX: usize = 100;

/// Characters of a name that a reason shows.
const SHOWN_CHARS_MAX: usize = 100;

/// How an event's index or data stream is named.
#[derive(Clone, Debug)]
pub(super) struct Destination {
    pub target: Target,
    /// Where the date of a name is.
    pub date_field: OwnedValuePath,
}

/// What is written to.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// An index or an alias.
    Index(Template),
    /// A data stream, `<kind>-<dataset>-<namespace>`.
    Stream { kind: String, dataset: Template, namespace: Template },
}

/// What one template makes.
#[derive(Clone, Copy, Debug)]
enum Part {
    Index,
    Dataset,
    Namespace,
}

impl Part {
    fn noun(self) -> &'static str {
        match self {
            Part::Index => "index",
            Part::Dataset => "dataset",
            Part::Namespace => "namespace",
        }
    }

    fn problem(self, name: &str) -> Option<&'static str> {
        match self {
            Part::Index => name_problem(name),
            Part::Dataset | Part::Namespace => part_problem(name),
        }
    }
}

/// Why an event has no place to go.
#[derive(Debug, thiserror::Error)]
pub(super) enum NameError {
    #[error(transparent)]
    Render(#[from] RenderError),
    #[error("the event makes `{name}` its {of}, and {problem}")]
    Refused { name: String, of: &'static str, problem: &'static str },
}

impl Destination {
    /// Appends the name for `event`, or says why there is none; `name` then holds a part of it.
    pub(super) fn write(&self, event: &Event, name: &mut String) -> Result<(), NameError> {
        match &self.target {
            Target::Index(template) => {
                self.write_part(Part::Index, template, event, name)?;
            }
            Target::Stream { kind, dataset, namespace } => {
                name.push_str(kind);
                name.push('-');
                self.write_part(Part::Dataset, dataset, event, name)?;
                name.push('-');
                self.write_part(Part::Namespace, namespace, event, name)?;
            }
        }
        Ok(())
    }

    fn write_part(
        &self,
        part: Part,
        template: &Template,
        event: &Event,
        name: &mut String,
    ) -> Result<(), NameError> {
        if let Some(fixed) = template.fixed() {
            // It was checked before the start.
            name.push_str(fixed);
            return Ok(());
        }
        let start = name.len();
        template.render(event, &self.date_field, part.noun(), name)?;
        let made = &name[start..];
        match part.problem(made) {
            None => Ok(()),
            Some(problem) => {
                let name = made.chars().take(SHOWN_CHARS_MAX).collect();
                Err(NameError::Refused { name, of: part.noun(), problem })
            }
        }
    }

    /// The names that can come of it, with `*` for any text; those of one date, if it is given.
    pub(super) fn pattern(&self, date: Option<Timestamp>) -> String {
        match &self.target {
            Target::Index(template) => template.pattern(date),
            Target::Stream { kind, dataset, namespace } => {
                format!("{kind}-{}-{}", dataset.pattern(date), namespace.pattern(date))
            }
        }
    }

    /// Whether events choose the name, by more than their date.
    pub(super) fn has_fields(&self) -> bool {
        self.templates().iter().any(|(_, template)| template.has_fields())
    }

    pub(super) fn has_date(&self) -> bool {
        self.templates().iter().any(|(_, template)| template.has_date())
    }

    /// The fields that names are made of, besides that of the date.
    pub(super) fn needs(&self) -> Vec<Need> {
        self.templates().into_iter().flat_map(|(option, template)| template.needs(option)).collect()
    }

    fn templates(&self) -> Vec<(&'static str, &Template)> {
        match &self.target {
            Target::Index(name) => vec![("bulk.index", name)],
            Target::Stream { dataset, namespace, .. } => {
                vec![("data_stream.dataset", dataset), ("data_stream.namespace", namespace)]
            }
        }
    }
}

/// What the server would say against a name of an index, if anything.
pub(super) fn name_problem(name: &str) -> Option<&'static str> {
    let is_forbidden = |char: char| {
        matches!(char, '\\' | '/' | '*' | '?' | '"' | '<' | '>' | '|' | ' ' | ',' | '#' | ':')
    };
    if name.is_empty() {
        Some("it is empty")
    } else if name.chars().any(|char| !char.to_lowercase().eq([char])) {
        Some("it has upper-case letters")
    } else if name.chars().any(is_forbidden) {
        Some("it has one of the characters \\ / * ? \" < > | , # : or a space")
    } else if name.chars().any(char::is_control) {
        Some("it has control characters")
    } else if name.starts_with(['-', '_', '+', '.']) {
        Some("it begins with one of - _ + .")
    } else if name.len() > NAME_BYTES_MAX {
        Some("it is longer than 255 bytes")
    } else {
        None
    }
}

/// What is wrong with a part of a data stream's name, if anything.
pub(super) fn part_problem(part: &str) -> Option<&'static str> {
    if let Some(problem) = name_problem(part) {
        Some(problem)
    } else if part.contains('-') {
        Some("it has a hyphen, which separates the parts")
    } else if part.len() > PART_BYTES_MAX {
        Some("it is longer than 100 bytes")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use pipeline_core::testing::batch;
    use vrl::path::parse_value_path;

    use super::*;

    fn template(text: &str) -> Template {
        Template::parse(text).expect("a template")
    }

    fn check(target: Target, record: &str, expected: &str) {
        let date_field = parse_value_path("time").expect("a path");
        let (events, _receipt) = batch(&[record]);
        let mut name = String::new();
        let written = Destination { target, date_field }.write(&events.events()[0], &mut name);
        assert_eq!(written.map_or_else(|error| error.to_string(), |()| name), expected);
    }

    #[test]
    fn an_index_is_named_by_fields_and_date_of_the_event() {
        let check = |text, record, expected| check(Target::Index(template(text)), record, expected);
        check("o365", "{}", "o365");
        check("o365-%Y.%m", r#"{"time":"2026-01-02T23:30:00"}"#, "o365-2026.01");
        check("o365-{{ a }}", r#"{"a":"x"}"#, "o365-x");
        check(
            "o365-{{ a }}",
            r#"{"a":"X"}"#,
            "the event makes `o365-X` its index, and it has upper-case letters",
        );
        check("o365-%Y", "{}", "the event has no date in `time` to make its index of");
    }

    #[test]
    fn no_event_leads_into_another_data_stream() {
        let check = |record, expected| {
            let (dataset, namespace) = (template("o365.{{ a }}"), template("{{ b }}"));
            check(Target::Stream { kind: "logs".to_owned(), dataset, namespace }, record, expected);
        };
        check(r#"{"a":"audit","b":"x"}"#, "logs-o365.audit-x");
        check(
            r#"{"a":"audit-x","b":"x"}"#,
            "the event makes `o365.audit-x` its dataset, and it has a hyphen, which separates the parts",
        );
        check(r#"{"a":"audit"}"#, "the event has nothing in `b` to make its namespace of");
        let long = "x".repeat(101);
        let shown = "x".repeat(100);
        check(
            &format!(r#"{{"a":"audit","b":"{long}"}}"#),
            &format!("the event makes `{shown}` its namespace, and it is longer than 100 bytes"),
        );
    }

    #[test]
    fn names_that_the_server_would_refuse_are_known() {
        for name in ["", "Upper", "\u{1c5}", "a b", "a,b", "a\nb", "-a", "_a", &"a".repeat(256)] {
            assert!(name_problem(name).is_some(), "{name}");
        }
        for name in ["o365", "logs-o365.audit-default", "o365-2026.01.02", "größe"] {
            assert_eq!(name_problem(name), None, "{name}");
        }
    }
}
