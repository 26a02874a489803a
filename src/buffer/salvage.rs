//! Getting what is whole out of a damaged file, whatever the state of its tree.
//!
//! The file is searched for the beginnings of records, page by page. How `SQLite` lays out a long value from there on is part
//! of its documented format (<https://www.sqlite.org/fileformat.html>, 1.6): so many bytes in the page, then a chain of
//! overflow pages. A record's own checksums decide whether what was put together so is believed. Nothing is written here.
//!
//! Pages that were freed can still hold batches that were settled long ago. Their numbers are below that of the first batch
//! that was not, which the state says, or any later record.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, Read},
    os::unix::fs::FileExt,
    path::Path,
};

use memchr::memmem;

use super::record::{Amount, BATCH_MAGIC, HEADER_BYTES, Header, STATE_MAGIC, State};

/// Size of the file's pages: fixed, so that it is known where the file's header is damaged.
pub(super) const PAGE_BYTES: usize = 8192;

/// In front of a record in its cell's payload: the header's size, the type of the number, which is kept elsewhere, and the
/// type of the record itself, a varint.
const TYPES_BYTES: usize = 2;

/// Where the record of a batch begins.
#[derive(Clone, Copy, Debug)]
struct Place {
    header: Header,
    at: u64,
}

/// What was found in a file.
#[derive(Debug)]
pub(super) struct Wreck {
    file: File,
    /// By number. Of a batch there can be several copies, of which any whole one will do.
    places: BTreeMap<u64, Vec<Place>>,
    /// The state, if its record is whole.
    pub(super) state: Option<State>,
}

impl Wreck {
    /// Searches the file.
    pub(super) fn search(path: &Path) -> io::Result<Wreck> {
        let file = File::open(path)?;
        let mut wreck = Wreck { file, places: BTreeMap::new(), state: None };
        let mut pages = BufReader::with_capacity(PAGE_BYTES * 64, File::open(path)?);
        let mut page = Vec::with_capacity(PAGE_BYTES);
        let mut start = 0;
        loop {
            page.clear();
            let read = pages.by_ref().take(PAGE_BYTES as u64).read_to_end(&mut page)?;
            if read == 0 {
                return Ok(wreck);
            }
            wreck.search_page(&page, start);
            start += read as u64;
        }
    }

    fn search_page(&mut self, page: &[u8], start: u64) {
        for at in memmem::find_iter(page, &BATCH_MAGIC) {
            if let Some(header) = Header::read(&page[at..]) {
                let place = Place { header, at: start + at as u64 };
                self.places.entry(header.number).or_default().push(place);
            }
        }
        for at in memmem::find_iter(page, &STATE_MAGIC) {
            let found = State::read(&page[at..]);
            // The latest, should there be several.
            self.state = self.state.into_iter().chain(found).max_by_key(|state| state.next);
        }
    }

    /// The number of the first batch that was not settled, as far as that can be known.
    pub(super) fn first(&self) -> u64 {
        let headers = self.places.values().flatten().map(|place| place.header.first);
        headers.chain(self.state.map(|state| state.first)).max().unwrap_or(1)
    }

    /// The numbers of the batches from `first` on, in order.
    pub(super) fn numbers(&self, first: u64) -> impl Iterator<Item = u64> {
        self.places.range(first..).map(|(number, _)| *number)
    }

    /// What the header of this batch says is in it.
    pub(super) fn claimed(&self, number: u64) -> Amount {
        let place = self.places.get(&number).and_then(|places| places.first());
        place.map(|place| place.header.amount()).unwrap_or_default()
    }

    /// The batch of this number, if it is whole.
    pub(super) fn content(&self, number: u64) -> io::Result<Option<(Header, Vec<u8>)>> {
        for place in self.places.get(&number).into_iter().flatten() {
            if let Some(content) = self.content_at(place)? {
                return Ok(Some((place.header, content)));
            }
        }
        Ok(None)
    }

    fn content_at(&self, place: &Place) -> io::Result<Option<Vec<u8>>> {
        let file_bytes = self.file.metadata()?.len();
        let length = place.header.record_bytes();
        // A header that is whole and yet claims more than there is was not written here.
        if length as u64 > file_bytes {
            return Ok(None);
        }
        let in_page = bytes_in_page(length);
        let mut record = vec![0; in_page];
        if !read_at(&self.file, &mut record, place.at)? {
            return Ok(None);
        }
        let mut next_at = place.at + in_page as u64;
        while record.len() < length {
            let mut number = [0; 4];
            if !read_at(&self.file, &mut number, next_at)? {
                return Ok(None);
            }
            let Some(index) = u64::from(u32::from_be_bytes(number)).checked_sub(1) else {
                return Ok(None);
            };
            next_at = index * PAGE_BYTES as u64;
            let filled = record.len();
            record.resize(length.min(filled + PAGE_BYTES - 4), 0);
            if !read_at(&self.file, &mut record[filled..], next_at + 4)? {
                return Ok(None);
            }
        }
        record.drain(..HEADER_BYTES);
        Ok(place.header.fits(&record).then_some(record))
    }
}

/// Bytes of a record of `length` that stand in the page where it begins.
fn bytes_in_page(length: usize) -> usize {
    let prefix = TYPES_BYTES + varint_bytes(2 * length as u64 + 12);
    let payload = prefix + length;
    let fits_max = PAGE_BYTES - 35;
    if payload <= fits_max {
        return length;
    }
    let stays_min = (PAGE_BYTES - 12) * 32 / 255 - 23;
    let wanted = stays_min + (payload - stays_min) % (PAGE_BYTES - 4);
    let in_page = if wanted <= fits_max { wanted } else { stays_min };
    in_page - prefix
}

fn varint_bytes(value: u64) -> usize {
    let bits = (64 - value.leading_zeros()).max(1) as usize;
    bits.div_ceil(7).min(9)
}

/// Whether that many bytes were there.
fn read_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<bool> {
    match file.read_exact_at(bytes, at) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
