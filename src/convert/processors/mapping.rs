//! The mapping that o365beat comes with, which is a program of ours: recognised among processors and taken out of them.

use super::super::{
    Notes,
    yaml::{Map, Yaml},
};

/// Record fields with the names that o365beat's own mapping gives them; the mark of that mapping.
const RENAMED: [(&str, &str); 8] = [
    ("Id", "event.id"),
    ("RecordType", "event.code"),
    ("Operation", "event.action"),
    ("OrganizationId", "cloud.account.id"),
    ("Workload", "event.category"),
    ("ResultStatus", "event.outcome"),
    ("UserId", "user.id"),
    ("ClientIP", "client.ip"),
];

/// What else our program does as well.
const COVERED: [(&str, &str); 6] = [
    ("Severity", "event.severity"),
    ("dissect.clientip", "client.ip"),
    ("dissect.clientport", "client.port"),
    ("Parameters", ""),
    ("ExtendedProperties", ""),
    ("ModifiedProperties", ""),
];

/// The fields that the mapping takes apart.
const DISSECTED: [&str; 2] = ["UserId", "ClientIP"];

/// Whether o365beat's own mapping was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::convert) enum Mapping {
    /// It was, and is not among the processors any more.
    Taken,
    /// It was not.
    Absent,
}

/// Takes the mapping out of `processors`; what a user has added to it stays.
pub(in crate::convert) fn take_mapping(
    processors: &[Yaml],
    notes: &mut Notes,
) -> (Mapping, Vec<Yaml>) {
    let Some(at) = processors.iter().position(is_mapping) else {
        return (Mapping::Absent, processors.to_vec());
    };
    let mut rest = Vec::new();
    for (index, processor) in processors.iter().enumerate() {
        if index == at {
            rest.extend(without_covered(processor));
        } else if index > at {
            rest.push(processor.clone());
        } else if !is_dissect(processor) {
            notes.add("the processors in front of o365beat's own mapping run behind it");
            rest.push(processor.clone());
        }
    }
    (Mapping::Taken, rest)
}

fn is_mapping(processor: &Yaml) -> bool {
    let fields = processor.at("convert.fields").map(Yaml::list).unwrap_or_default();
    RENAMED.iter().all(|pair| fields.iter().any(|field| is_one_of(field, &[*pair])))
}

/// Whether an item of `convert` is one of these.
fn is_one_of(field: &Yaml, pairs: &[(&str, &str)]) -> bool {
    let from = field.text_at("from").unwrap_or_default();
    let to = field.text_at("to").unwrap_or_default();
    pairs.contains(&(from.as_str(), to.as_str()))
}

fn is_dissect(processor: &Yaml) -> bool {
    let Some(dissect) = processor.at("dissect") else { return false };
    let field = dissect.text_at("field").unwrap_or_default();
    DISSECTED.contains(&field.as_str()) && dissect.at("target_prefix").is_none()
}

/// What a `convert` does besides the mapping.
fn without_covered(processor: &Yaml) -> Option<Yaml> {
    let convert = processor.at("convert")?;
    let is_new = |field: &&Yaml| !is_one_of(field, &RENAMED) && !is_one_of(field, &COVERED);
    let fields: Vec<Yaml> =
        processor.at("convert.fields")?.list().iter().filter(is_new).cloned().collect();
    if fields.is_empty() {
        return None;
    }
    let mut settings: Map =
        convert.map().iter().filter(|(key, _)| key != "fields").cloned().collect();
    settings.push(("fields".to_owned(), Yaml::List(fields)));
    Some(Yaml::Map(vec![("convert".to_owned(), Yaml::Map(settings))]))
}
