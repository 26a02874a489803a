//! NDJSON: one event, one line.

use pipeline_core::Event;

/// Appends `event` as one line of JSON, its line feed included. JSON escapes control characters, so that no event
/// takes more than one line.
pub fn append_line(event: &Event, out: &mut Vec<u8>) {
    event.write_json(out);
    out.push(b'\n');
}
