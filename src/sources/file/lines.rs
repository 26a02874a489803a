//! Cuts text into lines, or into rows of CSV, whose fields may hold line feeds in quotes.
//!
//! Pure. Invariant: memory is what was pushed and not cut yet, at most `bytes_max` of one line and a read; what is
//! longer is skipped to its end, and told with its start.

use memchr::memchr2;

/// Bytes of a line that is too long which are kept, enough to tell what it was.
const PREFIX_BYTES: usize = 512;

/// A line, without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Whole(Vec<u8>),
    /// Longer than the limit: its start, and its length.
    TooLong {
        prefix: Vec<u8>,
        bytes: u64,
    },
}

/// Text in, lines out.
#[derive(Debug)]
pub(super) struct Lines {
    buffer: Vec<u8>,
    /// Where the next line starts in `buffer`.
    at: usize,
    /// Up to where `buffer` was searched for the line's end.
    searched: usize,
    /// Offset in the text of what is at `at`.
    offset: u64,
    bytes_max: usize,
    /// Whether a line feed in quotes is no end.
    has_quotes: bool,
    is_quoted: bool,
    /// The line under way, where it is too long: its start, and its bytes that are gone.
    skipped: Option<(Vec<u8>, u64)>,
}

impl Lines {
    /// Lines of at most `bytes_max` bytes, from `offset` in the text on.
    pub(super) fn new(offset: u64, bytes_max: usize, has_quotes: bool) -> Lines {
        Lines {
            buffer: Vec::new(),
            at: 0,
            searched: 0,
            offset,
            bytes_max,
            has_quotes,
            is_quoted: false,
            skipped: None,
        }
    }

    /// Offset of the next line.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Where to append what comes next. Take all lines out first, or what is left is moved.
    pub(super) fn space(&mut self) -> &mut Vec<u8> {
        self.buffer.drain(..self.at);
        self.searched -= self.at;
        self.at = 0;
        &mut self.buffer
    }

    /// The next line, or nothing when more text is needed.
    pub(super) fn next(&mut self) -> Option<Line> {
        while let Some(found) = memchr2(b'\n', b'"', &self.buffer[self.searched..]) {
            let end = self.searched + found;
            self.searched = end + 1;
            if self.buffer[end] == b'"' {
                self.is_quoted ^= self.has_quotes;
            } else if !self.is_quoted {
                return Some(self.take(end, end + 1));
            }
        }
        self.searched = self.buffer.len();
        if self.buffer.len() - self.at > self.bytes_max {
            self.skip();
        }
        None
    }

    /// The last line, which has no end.
    pub(super) fn rest(&mut self) -> Option<Line> {
        let is_there = self.buffer.len() > self.at || self.skipped.is_some();
        self.is_quoted = false;
        is_there.then(|| self.take(self.buffer.len(), self.buffer.len()))
    }

    /// The last line, which has no end, as it is now.
    pub(super) fn unended(&self) -> Option<&[u8]> {
        (self.skipped.is_none() && self.buffer.len() > self.at).then(|| &self.buffer[self.at..])
    }

    /// Takes the line that ends at `end`; the next one starts at `next`.
    fn take(&mut self, end: usize, next: usize) -> Line {
        let text = &self.buffer[self.at..end];
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let line = match self.skipped.take() {
            Some((prefix, bytes)) => Line::TooLong { prefix, bytes: bytes + text.len() as u64 },
            None if text.len() > self.bytes_max => Line::TooLong {
                prefix: text[..text.len().min(PREFIX_BYTES)].to_vec(),
                bytes: text.len() as u64,
            },
            None => Line::Whole(text.to_vec()),
        };
        self.offset += (next - self.at) as u64;
        self.at = next;
        self.searched = next;
        line
    }

    /// Lets go of the part of a line that is too long already.
    fn skip(&mut self) {
        let part = &self.buffer[self.at..];
        let bytes = part.len() as u64;
        let (_, skipped) =
            self.skipped.get_or_insert_with(|| (part[..part.len().min(PREFIX_BYTES)].to_vec(), 0));
        *skipped += bytes;
        self.offset += bytes;
        self.at = self.buffer.len();
        self.searched = self.at;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The lines of `text` with their offsets, when it comes in pieces of these lengths.
    fn cut(text: &[u8], pieces: usize, bytes_max: usize, has_quotes: bool) -> Vec<(u64, Line)> {
        let mut lines = Lines::new(0, bytes_max, has_quotes);
        let mut found = Vec::new();
        let mut start = 0;
        for piece in text.chunks(pieces) {
            lines.space().extend_from_slice(piece);
            while let Some(line) = lines.next() {
                found.push((start, line));
                start = lines.offset();
            }
        }
        found.extend(lines.rest().map(|line| (start, line)));
        found
    }

    fn whole(text: &str) -> Line {
        Line::Whole(text.as_bytes().to_vec())
    }

    #[test]
    fn lines_end_with_a_line_feed_and_perhaps_a_carriage_return() {
        let expected = vec![(0, whole("a")), (2, whole("b")), (5, whole("")), (6, whole("c"))];
        for pieces in 1..8 {
            assert_eq!(cut(b"a\nb\r\n\nc", pieces, 10, false), expected);
        }
    }

    #[test]
    fn a_row_goes_on_while_a_quote_is_open() {
        let rows = vec![(0, whole("a,\"b\n\"\"c\",d")), (13, whole("e"))];
        for pieces in 1..15 {
            assert_eq!(cut(b"a,\"b\n\"\"c\",d\r\ne\n", pieces, 20, true), rows);
        }
        assert_eq!(cut(b"a\"\nb\n", 5, 20, false), [(0, whole("a\"")), (3, whole("b"))]);
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped_and_the_next_one_is_whole() {
        let text = format!("{}\nshort\n", "x".repeat(5000));
        for pieces in [1, 7, 512, 6000] {
            let found = cut(text.as_bytes(), pieces, 100, false);
            let prefix_at_least = |line: &Line| match line {
                Line::TooLong { prefix, bytes } => {
                    prefix.len() >= 100 && prefix.len() <= PREFIX_BYTES && *bytes == 5000
                }
                Line::Whole(_) => false,
            };
            assert!(prefix_at_least(&found[0].1), "{found:?}");
            assert_eq!(found[1..], [(5001, whole("short"))]);
        }
    }

    proptest! {
        #[test]
        fn the_pieces_in_which_text_comes_make_no_difference(
            text in "[ab\"\n\r]{0,60}",
            pieces in 1..20_usize,
            has_quotes: bool,
        ) {
            let text = text.as_bytes();
            prop_assert_eq!(cut(text, pieces, 1000, has_quotes), cut(text, 1000, 1000, has_quotes));
        }
    }
}
