//! Records to try programs on: NDJSON or a JSON array, from a file or standard input, packed with gzip or not.
//!
//! Invariant: memory is what was read of one record, and a read. It does not check that a record is one: whoever
//! parses it does.

use std::{
    fmt,
    fs::File,
    io::{self, BufRead, BufReader, Cursor, Read},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use office365::{RecordSplitter, SplitFault};

/// A record of this size is none: Microsoft's are a thousandth of that.
const RECORD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Read at a time.
const READ_BYTES: usize = 64 * 1024;

const UTF_8_MARK: &[u8] = &[0xEF, 0xBB, 0xBF];
const GZIP_MAGIC: &[u8] = &[0x1F, 0x8B];

/// The name of standard input among files.
const STDIN: &str = "-";

/// Why no more records can be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read records from `{}`", path.display())]
pub(super) struct RecordInputError {
    path: PathBuf,
    source: io::Error,
}

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RecordPlace {
    /// In this line, from 1.
    Line(u64),
    /// It is this element of the array, from 1.
    Element(u64),
}

impl fmt::Display for RecordPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecordPlace::Line(number) => write!(formatter, "{number}"),
            RecordPlace::Element(number) => write!(formatter, "[{number}]"),
        }
    }
}

/// What stands where a record is expected.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) place: RecordPlace,
    /// Its bytes, or why it can be no record.
    pub(super) record: Result<Bytes, String>,
}

/// Records of one input, one after another.
pub(super) struct RecordInput {
    path: PathBuf,
    bytes: BufReader<Box<dyn Read>>,
    cutter: Cutter,
}

enum Cutter {
    /// With the number of the line that was read last.
    Lines(u64),
    /// With the number of the element that was read last.
    Array(Box<RecordSplitter>, u64),
    /// After an array that is broken.
    Ended,
}

impl RecordInput {
    /// Opens the file at `path`; `-` is standard input.
    pub(super) fn open(path: &Path) -> Result<RecordInput, RecordInputError> {
        let bytes: io::Result<Box<dyn Read>> = if path == Path::new(STDIN) {
            Ok(Box::new(io::stdin()))
        } else {
            File::open(path).map(|file| Box::new(file) as Box<dyn Read>)
        };
        bytes
            .and_then(RecordInput::start)
            .map(|(bytes, cutter)| RecordInput { path: path.to_owned(), bytes, cutter })
            .map_err(|source| RecordInputError { path: path.to_owned(), source })
    }

    /// Looks at how `bytes` begin.
    fn start(bytes: Box<dyn Read>) -> io::Result<(BufReader<Box<dyn Read>>, Cutter)> {
        let (head, mut bytes) = peeked(bytes, GZIP_MAGIC.len())?;
        if head == GZIP_MAGIC {
            bytes = Box::new(MultiGzDecoder::new(BufReader::new(bytes)));
        }
        let (head, bytes) = peeked(bytes, UTF_8_MARK.len())?;
        let mut bytes = BufReader::with_capacity(READ_BYTES, bytes);
        if head == UTF_8_MARK {
            bytes.read_exact(&mut [0; UTF_8_MARK.len()])?;
        }
        let mut lines_before = 0;
        let first = loop {
            let Some(&byte) = bytes.fill_buf()?.first() else { break None };
            if !byte.is_ascii_whitespace() {
                break Some(byte);
            }
            lines_before += u64::from(byte == b'\n');
            bytes.consume(1);
        };
        let cutter = if first == Some(b'[') {
            Cutter::Array(Box::new(RecordSplitter::new(RECORD_BYTES_MAX)), 0)
        } else {
            Cutter::Lines(lines_before)
        };
        Ok((bytes, cutter))
    }

    /// The name of the input, for messages.
    pub(super) fn name(&self) -> String {
        if self.path == Path::new(STDIN) {
            "standard input".to_owned()
        } else {
            self.path.display().to_string()
        }
    }

    /// What comes next, or nothing at the end.
    pub(super) fn next(&mut self) -> Result<Option<Found>, RecordInputError> {
        let next = match &mut self.cutter {
            Cutter::Lines(number) => next_line(&mut self.bytes, number),
            Cutter::Array(splitter, number) => match next_element(&mut self.bytes, splitter) {
                Ok(Some(element)) => {
                    *number += 1;
                    let place = RecordPlace::Element(*number);
                    if element.as_ref().is_err_and(SplitFault::is_fatal) {
                        self.cutter = Cutter::Ended;
                    }
                    Ok(Some(Found { place, record: element.map_err(|fault| fault.to_string()) }))
                }
                Ok(None) => Ok(None),
                Err(error) => Err(error),
            },
            Cutter::Ended => Ok(None),
        };
        next.map_err(|source| RecordInputError { path: self.path.clone(), source })
    }
}

/// The first bytes of `bytes`, and all of them.
fn peeked(mut bytes: Box<dyn Read>, length: usize) -> io::Result<(Vec<u8>, Box<dyn Read>)> {
    let mut head = Vec::new();
    (&mut bytes).take(length as u64).read_to_end(&mut head)?;
    Ok((head.clone(), Box::new(Cursor::new(head).chain(bytes))))
}

/// The next line that is not blank.
fn next_line(bytes: &mut impl BufRead, number: &mut u64) -> io::Result<Option<Found>> {
    loop {
        let mut line = Vec::new();
        let mut limited = (&mut *bytes).take(RECORD_BYTES_MAX as u64 + 1);
        if limited.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        *number += 1;
        let place = RecordPlace::Line(*number);
        if line.len() > RECORD_BYTES_MAX && !line.ends_with(b"\n") {
            bytes.skip_until(b'\n')?;
            let record = Err(format!("line is longer than {RECORD_BYTES_MAX} bytes"));
            return Ok(Some(Found { place, record }));
        }
        if !line.trim_ascii().is_empty() {
            return Ok(Some(Found { place, record: Ok(line.into()) }));
        }
    }
}

/// The next element of the array.
fn next_element(
    bytes: &mut impl BufRead,
    splitter: &mut RecordSplitter,
) -> io::Result<Option<Result<Bytes, SplitFault>>> {
    loop {
        if let Some(element) = splitter.pop() {
            return Ok(Some(element));
        }
        let chunk = Bytes::copy_from_slice(bytes.fill_buf()?);
        if chunk.is_empty() {
            return Ok(splitter.finish().err().map(Err));
        }
        bytes.consume(chunk.len());
        splitter.push(chunk);
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write};

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn check(content: &[u8], expected: &[(&str, Result<&str, &str>)]) {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(content).expect("it is packed");
        let packed = packed.finish().expect("it is packed");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("records");
        for bytes in [content, &packed] {
            fs::write(&path, bytes).expect("a file");
            let mut input = RecordInput::open(&path).expect("it opens");
            let mut seen = Vec::new();
            while let Some(Found { place, record }) = input.next().expect("it can be read") {
                let text = |bytes: Bytes| String::from_utf8_lossy(&bytes).trim().to_owned();
                seen.push((place.to_string(), record.map(text)));
            }
            let owned = |(place, record): &(&str, Result<&str, &str>)| {
                ((*place).to_owned(), record.map(str::to_owned).map_err(str::to_owned))
            };
            assert_eq!(seen, expected.iter().map(owned).collect::<Vec<_>>());
        }
    }

    #[test]
    fn lines_and_arrays_are_told_apart_by_how_they_begin() {
        check(b"", &[]);
        check(b"\n {\"a\":1}\r\n\n{\"b\":2}", &[("2", Ok(r#"{"a":1}"#)), ("4", Ok(r#"{"b":2}"#))]);
        check(b"\xEF\xBB\xBF{}\n", &[("1", Ok("{}"))]);
        check(b" [ {\"a\":[1]},\n {} ]\n", &[("[1]", Ok(r#"{"a":[1]}"#)), ("[2]", Ok("{}"))]);
    }

    #[test]
    fn what_is_no_element_is_told_and_the_end_of_a_broken_array_is_the_end() {
        check(
            b"[1,{}",
            &[
                ("[1]", Err("element 0 is not an object")),
                ("[2]", Ok("{}")),
                ("[3]", Err("body ends inside the array, after 2 elements")),
            ],
        );
        check(
            b"[{}] x",
            &[
                ("[1]", Ok("{}")),
                ("[2]", Err("body goes on after the end of the array, at byte 5")),
            ],
        );
    }
}
