//! Maps a file: records in, what a program makes of them out.
//!
//! Invariant: memory is that of one record. An event that the program splits a record into is one line; a record on
//! which it fails is none, and is told.

use std::{
    fmt,
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use pipeline_core::{Event, EventAck, Origin, Record, write_json};
use vrl::value::{ObjectMap, Value};

use super::profile::Profile;
use crate::{
    cli::{
        Failure, complain,
        record_input::{Found, RecordInput},
    },
    program::{FailureKind, Program, Root, Runner, profile},
};

/// How long a program may work on one record.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What to do.
pub(super) struct Map {
    pub(super) program: Arc<Program>,
    pub(super) input: PathBuf,
    pub(super) output: PathBuf,
    pub(super) profile: bool,
    pub(super) quiet: bool,
}

/// Why nothing can be mapped.
#[derive(Debug, thiserror::Error)]
enum MapError {
    #[error("cannot write to `{}`", path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// What became of the records.
#[derive(Debug, Default)]
struct Tally {
    records: u64,
    events: u64,
    aborted: u64,
    failed: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { records, events, aborted, failed } = self;
        write!(formatter, "{records} records: {events} events, {aborted} aborted, {failed} failed")
    }
}

impl Map {
    pub(super) fn execute(self) -> Result<(), Failure> {
        let mut runner = Runner::new(Arc::clone(&self.program), TIMEOUT);
        let mut input = RecordInput::open(&self.input)?;
        let write = |source| MapError::Write { path: self.output.clone(), source };
        let mut output = BufWriter::new(open_output(&self.output).map_err(write)?);
        let origin = Origin::new(input.name(), Value::Object(ObjectMap::new()));
        let mut tally = Tally::default();
        while let Some(Found { place, record }) = input.next()? {
            tally.records += 1;
            let events = record.and_then(|bytes| map_one(&mut runner, &bytes, &origin));
            let written = match events {
                Ok(Some(events)) => {
                    tally.events += events.len() as u64;
                    write_lines(&mut output, &events)
                }
                Ok(None) => {
                    tally.aborted += 1;
                    Ok(())
                }
                Err(reason) => {
                    tally.failed += 1;
                    complain(format_args!("{}:{place}: {reason}", input.name()));
                    Ok(())
                }
            };
            if is_gone(&written) {
                break;
            }
            written.map_err(write)?;
        }
        let flushed = output.flush();
        if !is_gone(&flushed) {
            flushed.map_err(write)?;
        }
        if !self.quiet {
            complain(&tally);
        }
        if self.profile {
            complain(Profile { costs: &profile(&self.program), records: tally.records });
        }
        if tally.failed == 0 { Ok(()) } else { Err(Failure::Negative) }
    }
}

/// The events that a record becomes; nothing where the program aborts.
fn map_one(
    runner: &mut Runner,
    record: &[u8],
    origin: &Arc<Origin>,
) -> Result<Option<Vec<Value>>, String> {
    let record = Record::read(record.trim_ascii_end()).map_err(|error| error.to_string())?;
    let mut event = Event::of(record, Arc::clone(origin), EventAck::unattended());
    match runner.run(&mut event) {
        Ok(Root::Object) => Ok(Some(vec![event.take_value()])),
        Ok(Root::Objects(events)) => Ok(Some(events)),
        Err(failure) if failure.kind == FailureKind::Abort => Ok(None),
        Err(failure) => Err(failure.message),
    }
}

fn open_output(path: &Path) -> io::Result<Box<dyn Write>> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdout()));
    }
    Ok(Box::new(File::create(path)?))
}

fn write_lines(output: &mut impl Write, events: &[Value]) -> io::Result<()> {
    let mut line = Vec::new();
    for event in events {
        line.clear();
        write_json(event, &mut line);
        line.push(b'\n');
        output.write_all(&line)?;
    }
    Ok(())
}

/// Whether who reads the output has gone away, which is no error.
fn is_gone(written: &io::Result<()>) -> bool {
    written.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
