//! `o365flow preview`: what would a filter, a redaction or any transform keep of records?

mod groups;
mod way;

use std::{path::PathBuf, sync::Arc};

use clap::{Args, ValueEnum};
use pipeline_core::{Clock, Event, EventAck, Origin, Record};
use vrl::value::{ObjectMap, Value};

use self::{
    groups::{Fate, Groups},
    way::Way,
};
use super::{
    Failure,
    candidate::Candidate,
    complain,
    record_input::{Found, RecordInput},
    say,
};

/// Show what a filter or a program would keep of records.
///
/// By record type and operation: how many events and bytes go in, how many stay, and what part of the bytes that is;
/// those with the most bytes first. An event's bytes are those of its JSON.
///
/// With both, the filter is asked about what the program makes of a record. With `--config` the records go through one
/// transform of that configuration, of any type; what leaves by a port other than `dropped` and `_unmatched` is kept.
#[derive(Debug, Args)]
pub(super) struct Preview {
    /// A condition in VRL, as a transform `filter` has it.
    #[arg(long, value_name = "CONDITION", required_unless_present_any = ["program", "config"])]
    filter: Option<String>,
    /// A VRL program, as a transform `remap` has it.
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    program: Option<PathBuf>,
    /// Records: NDJSON or a JSON array, packed with gzip or not; `-` is standard input.
    #[arg(short, long, value_name = "FILE")]
    input: PathBuf,
    #[command(flatten)]
    candidate: Candidate,
    /// A table for people, or JSON.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    #[default]
    Table,
    Json,
}

impl Preview {
    pub(super) fn execute(self, clock: &Arc<dyn Clock>) -> Result<(), Failure> {
        let mut way = Way::new(&self, clock)?;
        let mut input = RecordInput::open(&self.input)?;
        let origin = Origin::new(input.name(), Value::Object(ObjectMap::new()));
        let mut groups = Groups::default();
        let mut is_good = true;
        while let Some(Found { place, record }) = input.next()? {
            let event = record.and_then(|bytes| {
                let record = Record::read(bytes.trim_ascii()).map_err(|error| error.to_string())?;
                Ok(Event::of(record, Arc::clone(&origin), EventAck::unattended()))
            });
            let outcome = event.and_then(|event| {
                let (key, bytes) = (groups::key(event.value(), way.tables()), event.byte_size());
                match way.take(event) {
                    Ok(kept) => groups.add(key, bytes, Fate::of(&kept)),
                    Err(why) => {
                        groups.add(key, bytes, Fate::Failed);
                        return Err(why);
                    }
                }
                Ok(())
            });
            if let Err(why) = outcome {
                is_good = false;
                complain(format_args!("{}:{place}: {why}", input.name()));
            }
        }
        match self.format {
            Format::Table => say(&groups),
            Format::Json => say(groups.json()),
        }
        if is_good { Ok(()) } else { Err(Failure::Negative) }
    }
}
