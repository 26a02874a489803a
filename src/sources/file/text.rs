//! The text of a file, whatever it is packed and encoded in.
//!
//! Invariants: what comes out is UTF-8 if what went in was valid, without a byte order mark. Memory is one buffer, however
//! large the file. Only plain UTF-8 can be read from an offset, and goes on when the file grows.

use std::{
    fs::File,
    io::{self, BufReader, Cursor, Read, Seek, SeekFrom},
    os::unix::fs::FileExt,
};

use encoding_rs::{Decoder, UTF_16BE, UTF_16LE};
use flate2::read::MultiGzDecoder;

/// Read at a time.
pub(super) const READ_BYTES: usize = 64 * 1024;

const UTF_8_MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];
const UTF_16LE_MARK: [u8; 2] = [0xFF, 0xFE];
const UTF_16BE_MARK: [u8; 2] = [0xFE, 0xFF];
const GZIP_MAGIC: [u8; 2] = [0x1F, 0x8B];

/// A file that is read as text.
pub(super) enum Text {
    /// UTF-8, as it is.
    Plain {
        file: File,
        /// Bytes of the byte order mark.
        mark: u64,
    },
    /// Anything else: from its start to its end.
    Packed { bytes: Box<dyn Read + Send>, decoder: Option<Decoder>, is_done: bool },
}

impl Text {
    /// Reads `file` from its start.
    pub(super) fn open(file: File) -> io::Result<Text> {
        let mut magic = [0; 3];
        let read = file.read_at(&mut magic, 0)?;
        let magic = &magic[..read];
        if !magic.starts_with(&GZIP_MAGIC) && encoding(magic).is_none() {
            let mark = if magic == UTF_8_MARK { UTF_8_MARK.len() as u64 } else { 0 };
            let mut text = Text::Plain { file, mark };
            text.seek(0)?;
            return Ok(text);
        }
        let mut bytes: Box<dyn Read + Send> = if magic.starts_with(&GZIP_MAGIC) {
            Box::new(MultiGzDecoder::new(BufReader::new(file)))
        } else {
            Box::new(BufReader::new(file))
        };
        let mut head = Vec::new();
        (&mut bytes).take(3).read_to_end(&mut head)?;
        let found = encoding(&head);
        let mark = match found {
            Some(_) => UTF_16LE_MARK.len(),
            None if head == UTF_8_MARK => head.len(),
            None => 0,
        };
        let bytes = Box::new(Cursor::new(head.split_off(mark)).chain(bytes));
        Ok(Text::Packed { bytes, decoder: found, is_done: false })
    }

    /// Whether it is plain UTF-8.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self, Text::Plain { .. })
    }

    /// Goes to an offset in the text, which must be plain.
    pub(super) fn seek(&mut self, offset: u64) -> io::Result<()> {
        match self {
            Text::Plain { file, mark } => file.seek(SeekFrom::Start(*mark + offset)).map(drop),
            Text::Packed { .. } => Err(io::ErrorKind::NotSeekable.into()),
        }
    }

    /// Appends what comes next to `buffer`; gives the number of bytes, 0 at the end.
    pub(super) fn read(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Text::Plain { file, .. } => append(file, buffer),
            Text::Packed { bytes, decoder: None, .. } => append(bytes, buffer),
            Text::Packed { bytes, decoder: Some(decoder), is_done } => {
                let before = buffer.len();
                let mut raw = Vec::new();
                while buffer.len() == before && !*is_done {
                    raw.clear();
                    *is_done = append(bytes, &mut raw)? == 0;
                    decode(decoder, &raw, *is_done, buffer);
                }
                Ok(buffer.len() - before)
            }
        }
    }
}

fn encoding(magic: &[u8]) -> Option<Decoder> {
    let encoding = if magic.starts_with(&UTF_16LE_MARK) {
        UTF_16LE
    } else if magic.starts_with(&UTF_16BE_MARK) {
        UTF_16BE
    } else {
        return None;
    };
    Some(encoding.new_decoder_without_bom_handling())
}

fn append(bytes: &mut impl Read, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let before = buffer.len();
    buffer.resize(before + READ_BYTES, 0);
    let read = loop {
        match bytes.read(&mut buffer[before..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => break read,
        }
    };
    buffer.truncate(before + read.as_ref().copied().unwrap_or(0));
    read
}

/// Half a character at the end of `raw` stays in the decoder; what is no character becomes U+FFFD.
fn decode(decoder: &mut Decoder, raw: &[u8], is_last: bool, buffer: &mut Vec<u8>) {
    let before = buffer.len();
    let room = decoder.max_utf8_buffer_length(raw.len()).expect("a buffer is far below all memory");
    buffer.resize(before + room, 0);
    let (_, _, written, _) = decoder.decode_to_utf8(raw, &mut buffer[before..], is_last);
    buffer.truncate(before + written);
}
