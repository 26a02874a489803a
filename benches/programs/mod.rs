//! The programs of the binary, compiled, and records as events, for the benches of what programs cost.

use std::{collections::BTreeMap, io, path::Path, sync::Arc};

use o365flow::program::{
    Place, Program, Source, Surroundings, builtin, compile_source, tables::Tables,
};
use pipeline_core::{Event, EventAck, Origin, Record, Schema};
use vrl::value::{ObjectMap, Value};

/// Six records of the common shapes, some 1.2 KB each.
pub(crate) const RECORDS: &str = include_str!("../records.ndjson");

/// The built-in program `path` with these settings.
pub(crate) fn program(path: &str, settings: &[(&str, &str)]) -> Program {
    let text = builtin(path.as_ref()).expect("a built-in program");
    let nothing = |_: &Path| Err(io::ErrorKind::NotFound.into());
    let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value)));
    let surroundings =
        Surroundings::new(settings.collect::<BTreeMap<String, Value>>(), Tables::default());
    Source::new(text, &Place::File(path.into()), &nothing)
        .and_then(|source| compile_source(source, &Schema::any(), &surroundings))
        .unwrap_or_else(|error| panic!("{}", error.diagnostic))
}

/// The records of a text, a line each, read as the source reads them.
pub(crate) fn events(records: &[&str]) -> Vec<Event> {
    let origin = Origin::new("bench", Value::Object(ObjectMap::new()));
    let event = |record: &&str| {
        let record = Record::read(record.as_bytes()).expect("a JSON object");
        Event::of(record, Arc::clone(&origin), EventAck::unattended())
    };
    records.iter().map(event).collect()
}
