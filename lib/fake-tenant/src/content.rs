//! The bytes of a blob, in pieces, written as they are sent: no blob is ever held whole.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::fault::BadRecord;
use crate::feed::Repeat;
use crate::guid::{mix, record_id};
use crate::records::{Identity, Org, Writer};
use crate::tenant::ContentType;

/// Size of a piece of a body: large enough to be cheap, small enough to be nothing in memory.
const CHUNK_BYTES: usize = 64 * 1024;

/// The pieces of a body, in order.
pub(crate) type Chunks = Box<dyn Iterator<Item = Bytes> + Send + Sync>;

/// Everything needed to write a blob.
#[derive(Clone, Debug)]
pub(crate) enum BlobContent {
    Generated { content_type: ContentType, org: Arc<Org>, recipe: Recipe, repeats: Vec<Repeat> },
    Records(Arc<[Bytes]>),
    Raw(Bytes),
}

/// What decides the records of a generated blob.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recipe {
    pub(crate) seed: u64,
    pub(crate) created: DateTime<Utc>,
    pub(crate) own: u64,
    /// Smallest size of a record.
    pub(crate) fill: usize,
}

impl BlobContent {
    /// How many records the body holds, as far as is known.
    pub(crate) fn record_count(&self) -> u64 {
        match self {
            BlobContent::Generated { recipe, repeats, .. } => recipe.own + repeats.len() as u64,
            BlobContent::Records(records) => records.len() as u64,
            BlobContent::Raw(_) => 0,
        }
    }

    /// The body in pieces; a bad record goes in front of the sound ones.
    pub(crate) fn chunks(self, bad: Option<BadRecord>) -> Chunks {
        let empty = self.record_count() == 0;
        let opening = bad.map_or_else(|| Bytes::from_static(b"["), |bad| opened_by(bad, empty));
        let rest: Chunks = match self {
            BlobContent::Raw(body) => return Box::new(std::iter::once(body)),
            BlobContent::Records(records) => Box::new(joined(records)),
            BlobContent::Generated { content_type, org, recipe, repeats } => {
                Box::new(Generated::new(Writer::new(content_type, org), recipe, repeats))
            }
        };
        Box::new(
            std::iter::once(opening).chain(rest).chain(std::iter::once(Bytes::from_static(b"]"))),
        )
    }
}

fn joined(records: Arc<[Bytes]>) -> impl Iterator<Item = Bytes> {
    (0..records.len()).flat_map(move |at| {
        let comma = if at == 0 { Bytes::new() } else { Bytes::from_static(b",") };
        [comma, records[at].clone()]
    })
}

/// Writes the records of a generated blob, a piece at a time.
struct Generated {
    writer: Writer,
    recipe: Recipe,
    repeats: std::vec::IntoIter<Repeat>,
    next: u64,
    first: bool,
}

impl Generated {
    fn new(writer: Writer, recipe: Recipe, repeats: Vec<Repeat>) -> Self {
        Generated { writer, recipe, repeats: repeats.into_iter(), next: 0, first: true }
    }

    /// Appends the next record; `false` when there is none.
    fn write_next(&mut self, out: &mut String) -> bool {
        let (source, repeated) = if self.next < self.recipe.own {
            self.next += 1;
            ((self.recipe.seed, self.next - 1, self.recipe.created), false)
        } else if let Some(repeat) = self.repeats.next() {
            ((repeat.seed, repeat.index, repeat.key.0), true)
        } else {
            return false;
        };
        if !self.first {
            out.push(',');
        }
        self.first = false;
        let (seed, index, created) = source;
        let start = out.len();
        let id = record_id(seed, index);
        let dice_seed = mix(seed, index ^ 0x00c0_ffee);
        let identity =
            Identity { id: id.as_str(), created: created.timestamp(), dice_seed, repeated };
        self.writer.write(out, &identity);
        fill(out, start, self.recipe.fill);
        true
    }
}

impl Iterator for Generated {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let mut piece = String::with_capacity(CHUNK_BYTES + 8 * 1024);
        while piece.len() < CHUNK_BYTES && self.write_next(&mut piece) {}
        (!piece.is_empty()).then(|| Bytes::from(piece))
    }
}

/// Adds a field to the record that begins at `start`, so that it has at least `bytes_min` bytes.
fn fill(out: &mut String, start: usize, bytes_min: usize) {
    const FIELD: &str = ",\"Filling\":\"";
    let missing = bytes_min.saturating_sub(out.len() - start);
    if missing > 0 && out.pop() == Some('}') {
        out.push_str(FIELD);
        out.extend(std::iter::repeat_n('x', missing.saturating_sub(FIELD.len() + 1)));
        out.push_str("\"}");
    }
}

/// `[` and a record that no client should trust, with a comma unless nothing follows.
fn opened_by(bad: BadRecord, last: bool) -> Bytes {
    const SOUND: &str =
        r#""RecordType":15,"Operation":"UserLoggedIn","UserId":"eve@contoso.example""#;
    const ID: &str = r#""Id":"bad00000-0000-4000-8000-000000000000""#;
    const TIME: &str = r#""CreationTime":"2026-01-01T00:00:00""#;
    let mut body = match bad {
        BadRecord::NoId => format!("[{{{TIME},{SOUND}}}").into_bytes(),
        BadRecord::NoCreationTime => format!("[{{{ID},{SOUND}}}").into_bytes(),
        BadRecord::NotAnObject => b"[\"not a record\"".to_vec(),
        BadRecord::InvalidUtf8 => {
            let mut body = format!("[{{{TIME},{ID},{SOUND},\"ObjectId\":\"").into_bytes();
            body.extend_from_slice(b"\xff\xfe\"}");
            body
        }
        BadRecord::Huge(bytes) => {
            let mut body = format!("[{{{TIME},{ID},{SOUND},\"Subject\":\"").into_bytes();
            body.resize(body.len().max(bytes.saturating_sub(1)), b'x');
            body.extend_from_slice(b"\"}");
            body
        }
    };
    if !last {
        body.push(b',');
    }
    body.into()
}

/// The same body as a gzip stream.
pub(crate) fn gzipped(chunks: Chunks) -> Chunks {
    let encoder = GzEncoder::new(Vec::with_capacity(CHUNK_BYTES), Compression::fast());
    Box::new(Gzipped { chunks, encoder: Some(encoder) })
}

struct Gzipped {
    chunks: Chunks,
    encoder: Option<GzEncoder<Vec<u8>>>,
}

impl Iterator for Gzipped {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let encoder = self.encoder.as_mut()?;
        for chunk in self.chunks.by_ref() {
            encoder.write_all(&chunk).expect("a vector takes all bytes");
            if encoder.get_ref().len() >= CHUNK_BYTES / 2 {
                return Some(std::mem::take(encoder.get_mut()).into());
            }
        }
        let rest = self.encoder.take()?.finish().expect("a vector takes all bytes");
        Some(rest.into())
    }
}
