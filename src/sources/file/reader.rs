//! One open file, from which records are cut a chunk at a time. Blocking.
//!
//! Invariant: the place behind a chunk covers exactly what was given up to there. Memory is one chunk, and what is read
//! of one record.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use office365::RecordSplitter;

use super::{
    config::Format,
    content::{Header, Item, Items, element_item, format_of, is_noise, unwrapped},
    identity::{Identity, Inode, Sample, State, state},
    lines::{Line, Lines},
    read_error::ReadError,
    text::Text,
};

/// Records of one chunk.
const CHUNK_RECORDS_MAX: usize = 256;

/// A chunk ends with the record that brings it to this size.
const CHUNK_BYTES_MAX: usize = 256 * 1024;

/// Space that a file may begin with before it is taken for lines.
const SPACE_MAX: usize = 1024 * 1024;

/// A place in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Offset in the text, which is UTF-8 without a byte order mark.
    pub(super) offset: u64,
    /// Records before it.
    pub(super) records: u64,
}

/// Records that travel together.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) items: Items,
    pub(super) bytes: usize,
    /// Behind the last of them.
    pub(super) end: Place,
    /// What the file is known by when it was delivered up to there.
    pub(super) identity: Identity,
}

/// What a reader is to do with the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) format: Format,
    pub(super) record_bytes_max: usize,
}

/// How records are cut out.
enum Cutter {
    Ndjson(Lines),
    /// With the header, once it was read.
    Csv(Lines, Option<Header>),
    Array(RecordSplitter),
}

/// An open file.
pub(super) struct Reader {
    pub(super) path: PathBuf,
    pub(super) inode: Inode,
    /// For looking at, never for reading on.
    file: File,
    text: Text,
    head: Sample,
    /// What was read last, where the file can be read on from an offset.
    tail: Option<(u64, Sample)>,
    /// Of a file that cannot be read on from an offset: what it was when it was opened.
    unchanged: Option<State>,
    mark: u64,
    /// Nothing until the format is known.
    cutter: Option<Cutter>,
    rules: Rules,
    place: Place,
    /// Records that were delivered before.
    to_skip: u64,
    /// Bytes from the start of the text, which tell the format.
    start: Vec<u8>,
    /// Why nothing follows what was given last.
    failure: Option<ReadError>,
}

impl Reader {
    /// Opens `path`, to go on behind what `known` says of it, or from its start. Gives nothing if it is empty.
    pub(super) fn open(
        path: &Path,
        rules: Rules,
        known: impl Fn(&File) -> io::Result<Option<Place>>,
    ) -> Result<Option<Reader>, ReadError> {
        let at = |source| ReadError::Io { path: path.display().to_string(), source };
        let opened = || {
            let file = File::open(path)?;
            let metadata = file.metadata()?;
            if metadata.len() == 0 {
                return Ok(None);
            }
            let place = known(&file)?.unwrap_or_default();
            let head = Sample::head(&file)?;
            let text = Text::open(file.try_clone()?)?;
            let mark = if let Text::Plain { mark, .. } = &text { *mark } else { 0 };
            Ok(Some(Reader {
                path: path.to_owned(),
                inode: Inode::of(&metadata),
                file,
                text,
                head,
                tail: None,
                unchanged: Some(state(&metadata)),
                mark,
                cutter: None,
                rules,
                place: Place::default(),
                to_skip: 0,
                start: Vec::new(),
                failure: None,
            })
            .map(|reader| (reader, place)))
        };
        let Some((mut reader, place)) = opened().map_err(at)? else { return Ok(None) };
        if reader.choose()? {
            reader.go_to(place)?;
        }
        Ok(Some(reader))
    }

    /// The file's metadata as it is now.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Up to where the file was read, in bytes of the file, where that can be said.
    pub(super) fn bytes_read(&self) -> Option<u64> {
        self.is_seekable().then_some(self.mark + self.place.offset)
    }

    /// Where the next record is.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    fn at(&self, source: io::Error) -> ReadError {
        ReadError::Io { path: self.shown(), source }
    }

    fn shown(&self) -> String {
        self.path.display().to_string()
    }

    fn is_seekable(&self) -> bool {
        self.text.is_plain() && !matches!(self.cutter, Some(Cutter::Array(_)))
    }

    /// Finds out the format. Whether that could be done: a file with nothing but space has none yet.
    fn choose(&mut self) -> Result<bool, ReadError> {
        let mut format = self.rules.format;
        if format == Format::Auto {
            // So much space is no start of anything; it is skipped as a line that is too long.
            while format_of(&self.start).is_none() && self.start.len() <= SPACE_MAX {
                let read = self.text.read(&mut self.start);
                if read.map_err(|error| self.at(error))? == 0 {
                    return Ok(false);
                }
            }
            format = format_of(&self.start).unwrap_or(Format::Ndjson);
        }
        let lines = |has_quotes| {
            let mut lines = Lines::new(0, self.rules.record_bytes_max, has_quotes);
            lines.space().extend_from_slice(&self.start);
            lines
        };
        self.cutter = Some(match format {
            Format::Auto | Format::Ndjson => Cutter::Ndjson(lines(false)),
            Format::Csv => Cutter::Csv(lines(true), None),
            Format::Json => {
                let mut splitter = RecordSplitter::new(self.rules.record_bytes_max);
                splitter.push(std::mem::take(&mut self.start).into());
                Cutter::Array(splitter)
            }
        });
        self.start = Vec::new();
        if self.is_seekable() {
            self.unchanged = None;
        }
        Ok(true)
    }

    fn go_to(&mut self, place: Place) -> Result<(), ReadError> {
        if place == Place::default() {
            return Ok(());
        }
        if !self.is_seekable() {
            self.to_skip = place.records;
            return Ok(());
        }
        if matches!(self.cutter, Some(Cutter::Csv(..))) && !self.read_header()? {
            return Err(ReadError::NoHeader { path: self.shown() });
        }
        self.text.seek(place.offset).map_err(|error| self.at(error))?;
        let bytes_max = self.rules.record_bytes_max;
        match &mut self.cutter {
            Some(Cutter::Ndjson(lines)) => *lines = Lines::new(place.offset, bytes_max, false),
            Some(Cutter::Csv(lines, _)) => *lines = Lines::new(place.offset, bytes_max, true),
            Some(Cutter::Array(_)) | None => {}
        }
        self.place = place;
        Ok(())
    }

    /// Reads up to the first row of a CSV file. Whether that could be done: the header may not be all there yet.
    fn read_header(&mut self) -> Result<bool, ReadError> {
        loop {
            let Some(Cutter::Csv(lines, header)) = &mut self.cutter else { return Ok(true) };
            if header.is_some() {
                return Ok(true);
            }
            match lines.next() {
                Some(Line::Whole(line)) if is_noise(&line) => {}
                Some(Line::Whole(line)) => match Header::parse(&line) {
                    Some(found) => *header = Some(found),
                    None => return Err(ReadError::NoHeader { path: self.shown() }),
                },
                Some(Line::TooLong { .. }) => {
                    return Err(ReadError::NoHeader { path: self.shown() });
                }
                None => {
                    let read = self.text.read(lines.space());
                    if read.map_err(|error| self.at(error))? == 0 {
                        return Ok(false);
                    }
                }
            }
        }
    }

    /// The records that come next, as many as a chunk takes; none at the end of the file. `is_whole` says that nothing
    /// will be added to the file, so that its last line needs no end.
    pub(super) fn next_chunk(&mut self, is_whole: bool) -> Result<Option<Chunk>, ReadError> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        if self.cutter.is_none() && !self.choose()? {
            return Ok(None);
        }
        if !self.read_header()? {
            return if is_whole {
                Err(ReadError::NoHeader { path: self.shown() })
            } else {
                Ok(None)
            };
        }
        let (mut items, mut bytes) = (Items::new(), 0);
        while items.len() < CHUNK_RECORDS_MAX && bytes < CHUNK_BYTES_MAX {
            let item = match self.next_item(is_whole) {
                Ok(Some(item)) => item,
                Ok(None) => break,
                Err(failure) if items.is_empty() => return Err(failure),
                Err(failure) => {
                    // What stands before it goes first.
                    self.failure = Some(failure);
                    break;
                }
            };
            self.place.records += 1;
            if self.to_skip > 0 {
                self.to_skip -= 1;
                continue;
            }
            bytes += item.payload.len();
            items.push_back(item);
        }
        if items.is_empty() {
            return Ok(None);
        }
        let identity = self.identity();
        let identity = identity.map_err(|error| self.at(error))?;
        Ok(Some(Chunk { items, bytes, end: self.place, identity }))
    }

    /// Whether the file still holds what was read of it last. Otherwise something else was written into it.
    pub(super) fn is_same_file(&self) -> Result<bool, ReadError> {
        self.known().is(&self.file).map_err(|error| self.at(error))
    }

    fn known(&self) -> Identity {
        Identity {
            inode: self.inode,
            head: self.head.clone(),
            tail: self.tail.clone(),
            unchanged: self.unchanged,
        }
    }

    fn identity(&mut self) -> io::Result<Identity> {
        self.tail = match self.bytes_read() {
            Some(end) => Some((end, Sample::before(&self.file, end)?)),
            None => None,
        };
        Ok(self.known())
    }

    fn next_item(&mut self, is_whole: bool) -> Result<Option<Item>, ReadError> {
        let mut is_at_end = false;
        loop {
            let found = match &mut self.cutter {
                Some(Cutter::Array(splitter)) => match splitter.pop() {
                    Some(element) => {
                        let item = element_item(element, self.place.records);
                        let path = || self.path.display().to_string();
                        Some(item.map_err(|source| ReadError::Array { path: path(), source })?)
                    }
                    None if is_at_end => return Ok(None),
                    None => None,
                },
                Some(Cutter::Ndjson(lines) | Cutter::Csv(lines, _)) => {
                    let offset = lines.offset();
                    let line = match lines.next() {
                        None if is_at_end && is_complete(lines, is_whole) => lines.rest(),
                        None if is_at_end => return Ok(None),
                        line => line,
                    };
                    match line {
                        Some(line) => {
                            self.place.offset = lines.offset();
                            match self.line(line, offset) {
                                Some(item) => Some(item),
                                None => continue,
                            }
                        }
                        None if is_at_end => return Ok(None),
                        None => None,
                    }
                }
                None => return Ok(None),
            };
            if found.is_some() {
                return Ok(found);
            }
            is_at_end = self.read_more()? == 0;
        }
    }

    /// Reads on; gives the number of bytes, 0 at the end of the file.
    fn read_more(&mut self) -> Result<usize, ReadError> {
        let read = match &mut self.cutter {
            Some(Cutter::Ndjson(lines) | Cutter::Csv(lines, _)) => self.text.read(lines.space()),
            Some(Cutter::Array(splitter)) => {
                let mut buffer = Vec::new();
                let read = self.text.read(&mut buffer);
                match read {
                    Ok(0) => {
                        let path = self.path.display().to_string();
                        let finished = splitter.finish();
                        finished.map_err(|source| ReadError::Array { path, source })?;
                    }
                    Ok(_) => splitter.push(buffer.into()),
                    Err(_) => {}
                }
                read
            }
            None => Ok(0),
        };
        read.map_err(|error| self.at(error))
    }

    fn line(&self, line: Line, offset: u64) -> Option<Item> {
        let line = match line {
            Line::Whole(line) if is_noise(&line) => return None,
            Line::Whole(line) => line,
            Line::TooLong { prefix, bytes } => {
                let fault = format!("record has {bytes} bytes, more than the limit");
                return Some(Item { offset, payload: prefix, fault: Some(fault) });
            }
        };
        match &self.cutter {
            Some(Cutter::Csv(_, Some(header))) => header.item(line, offset),
            _ => Some(Item { offset, payload: unwrapped(line), fault: None }),
        }
    }
}

/// Whether a last line that has no end is all of it.
fn is_complete(lines: &Lines, is_whole: bool) -> bool {
    is_whole
        || lines
            .unended()
            .is_some_and(|line| serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok())
}
