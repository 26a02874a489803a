//! Cuts the JSON array of a blob into its elements while the bytes arrive.
//!
//! Pure: no socket, no clock. Memory is one chunk and at most `record_bytes_max` bytes of an element that spans chunks;
//! an element inside one chunk is a slice of it, not a copy. A cut body is never taken for a whole one: only
//! [`RecordSplitter::finish`] says that the array was complete.
//!
//! It finds where elements end, by strings and brackets, and does not validate JSON inside them: whoever parses an
//! element does.

use bytes::Bytes;
use memchr::memchr2;

use crate::excerpt::excerpt;

/// Bytes of an oversized element that its fault carries, enough to tell what it was.
const PREFIX_BYTES: usize = 512;

/// What is wrong with a blob's body, or with one element of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SplitFault {
    #[error("body is not a JSON array, it starts with `{start}`")]
    NotAnArray { start: String },
    #[error("array is not valid JSON at byte {offset}")]
    Syntax { offset: u64 },
    #[error("body ends inside the array, after {records} elements")]
    Truncated { records: u64 },
    #[error("body goes on after the end of the array, at byte {offset}")]
    Trailing { offset: u64 },
    #[error("element {index} has {bytes} bytes, more than the limit")]
    TooLarge { index: u64, bytes: u64, prefix: Bytes },
    #[error("element {index} is not an object")]
    NotAnObject { index: u64, value: Bytes },
}

impl SplitFault {
    /// Whether nothing follows. Otherwise the fault is about one element, and the others follow.
    pub fn is_fatal(&self) -> bool {
        match self {
            SplitFault::NotAnArray { .. }
            | SplitFault::Syntax { .. }
            | SplitFault::Truncated { .. }
            | SplitFault::Trailing { .. } => true,
            SplitFault::TooLarge { .. } | SplitFault::NotAnObject { .. } => false,
        }
    }
}

/// Chunks in, elements out.
#[derive(Debug)]
pub struct RecordSplitter {
    record_bytes_max: usize,
    state: State,
    chunk: Bytes,
    /// The next byte of `chunk` to read.
    at: usize,
    /// Bytes of the body before `chunk`.
    offset: u64,
    /// Elements that ended, good or bad.
    records: u64,
    scan: ValueScan,
    /// What earlier chunks hold of the current element; its first bytes only when that is too large.
    carry: Vec<u8>,
    /// Bytes of the current element in earlier chunks.
    carried_bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the array; so many bytes of a byte order mark were seen.
    Start(usize),
    /// After `[`: a value or `]`.
    Open,
    /// After `,`: a value.
    Next,
    Value,
    /// After a value: `,` or `]`.
    After,
    End,
    Failed,
}

const BYTE_ORDER_MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];

impl RecordSplitter {
    /// Elements of more than `record_bytes_max` bytes are skipped and reported.
    pub fn new(record_bytes_max: usize) -> Self {
        RecordSplitter {
            record_bytes_max,
            state: State::Start(0),
            chunk: Bytes::new(),
            at: 0,
            offset: 0,
            records: 0,
            scan: ValueScan::default(),
            carry: Vec::new(),
            carried_bytes: 0,
        }
    }

    /// Adds the next bytes of the body. Call [`Self::pop`] until it gives `None` first, or what is left is copied.
    pub fn push(&mut self, chunk: Bytes) {
        self.offset += self.at as u64;
        let left = self.chunk.split_off(self.at);
        self.chunk = if left.is_empty() { chunk } else { [left, chunk].concat().into() };
        self.at = 0;
    }

    /// The next element, or `None` when more bytes are needed or nothing follows.
    pub fn pop(&mut self) -> Option<Result<Bytes, SplitFault>> {
        while self.state != State::Failed {
            if self.state == State::Value {
                return self.pop_value();
            }
            let byte = *self.chunk.get(self.at)?;
            match self.step(byte) {
                Ok(State::Value) => self.state = State::Value,
                Ok(state) => {
                    self.state = state;
                    self.at += 1;
                }
                Err(fault) => return Some(Err(self.fail(fault))),
            }
        }
        None
    }

    /// Says, after the last byte, whether the array was complete. A fault that [`Self::pop`] gave is not repeated.
    pub fn finish(&mut self) -> Result<(), SplitFault> {
        match self.state {
            State::End | State::Failed => Ok(()),
            State::Start(_) | State::Open | State::Next | State::Value | State::After => {
                let records = self.records;
                Err(self.fail(SplitFault::Truncated { records }))
            }
        }
    }

    /// Whether the array ended as it should, so far.
    pub fn is_complete(&self) -> bool {
        self.state == State::End
    }

    /// What `byte`, which is between values, leads to. Does not consume the first byte of a value.
    fn step(&mut self, byte: u8) -> Result<State, SplitFault> {
        let is_space = matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        match self.state {
            State::Start(seen) => match byte {
                _ if seen < BYTE_ORDER_MARK.len() && byte == BYTE_ORDER_MARK[seen] => {
                    Ok(State::Start(seen + 1))
                }
                _ if seen > 0 && seen < BYTE_ORDER_MARK.len() => Err(self.not_an_array()),
                b'[' => Ok(State::Open),
                _ if is_space => Ok(State::Start(BYTE_ORDER_MARK.len())),
                _ => Err(self.not_an_array()),
            },
            state @ (State::Open | State::Next | State::After | State::End) if is_space => {
                Ok(state)
            }
            State::Open if byte == b']' => Ok(State::End),
            State::Open | State::Next => {
                self.scan = ValueScan::start(byte).ok_or_else(|| self.syntax(0))?;
                Ok(State::Value)
            }
            State::After => match byte {
                b',' => Ok(State::Next),
                b']' => Ok(State::End),
                _ => Err(self.syntax(0)),
            },
            State::End => Err(SplitFault::Trailing { offset: self.offset + self.at as u64 }),
            state @ (State::Value | State::Failed) => Ok(state),
        }
    }

    fn pop_value(&mut self) -> Option<Result<Bytes, SplitFault>> {
        match self.scan.find_end(&self.chunk[self.at..]) {
            Found::Nothing => {
                let part = self.chunk.slice(self.at..);
                self.at = self.chunk.len();
                self.keep(&part);
                None
            }
            Found::Invalid(length) => {
                let fault = self.syntax(length);
                Some(Err(self.fail(fault)))
            }
            Found::End(length) => {
                let part = self.chunk.slice(self.at..self.at + length);
                self.at += length;
                self.state = State::After;
                Some(self.complete(part))
            }
        }
    }

    /// Keeps the part of an element that goes on in the next chunk, or only counts it when it is too large already.
    fn keep(&mut self, part: &[u8]) {
        self.carried_bytes += part.len() as u64;
        if self.is_too_large(self.carried_bytes) {
            let wanted = PREFIX_BYTES.saturating_sub(self.carry.len()).min(part.len());
            self.carry.extend_from_slice(&part[..wanted]);
            self.carry.truncate(PREFIX_BYTES);
            self.carry.shrink_to_fit();
        } else {
            self.carry.extend_from_slice(part);
        }
    }

    fn complete(&mut self, part: Bytes) -> Result<Bytes, SplitFault> {
        let index = self.records;
        self.records += 1;
        let bytes = self.carried_bytes + part.len() as u64;
        let value = if self.carried_bytes == 0 && !self.is_too_large(bytes) {
            part
        } else {
            self.keep(&part);
            self.carried_bytes = 0;
            Bytes::from(std::mem::take(&mut self.carry))
        };
        if self.is_too_large(bytes) {
            return Err(SplitFault::TooLarge { index, bytes, prefix: value });
        }
        if self.scan.first != b'{' {
            return Err(SplitFault::NotAnObject { index, value });
        }
        Ok(value)
    }

    fn is_too_large(&self, bytes: u64) -> bool {
        bytes > self.record_bytes_max as u64
    }

    fn fail(&mut self, fault: SplitFault) -> SplitFault {
        self.state = State::Failed;
        self.chunk = Bytes::new();
        self.at = 0;
        self.carry = Vec::new();
        fault
    }

    fn not_an_array(&self) -> SplitFault {
        SplitFault::NotAnArray { start: excerpt(&self.chunk[self.at..]) }
    }

    fn syntax(&self, ahead: usize) -> SplitFault {
        SplitFault::Syntax { offset: self.offset + (self.at + ahead) as u64 }
    }
}

/// Where the scan of one value stands, across chunks.
#[derive(Debug, Default)]
struct ValueScan {
    first: u8,
    depth: usize,
    in_string: bool,
    /// The last chunk ended in a backslash inside a string.
    is_escaped: bool,
}

/// What a scan of some bytes found.
enum Found {
    /// The value goes on.
    Nothing,
    /// The value ends before this position.
    End(usize),
    /// The byte at this position cannot be there.
    Invalid(usize),
}

impl ValueScan {
    /// A scan of the value that starts with `first`, if one can.
    fn start(first: u8) -> Option<Self> {
        let starts = matches!(first, b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n');
        starts.then_some(ValueScan { first, depth: 0, in_string: false, is_escaped: false })
    }

    fn find_end(&mut self, bytes: &[u8]) -> Found {
        match self.first {
            b'{' | b'[' | b'"' => self.find_closer(bytes),
            _ => find_scalar_end(bytes),
        }
    }

    fn find_closer(&mut self, bytes: &[u8]) -> Found {
        let mut at = 0;
        if self.is_escaped && !bytes.is_empty() {
            self.is_escaped = false;
            at = 1;
        }
        loop {
            if self.in_string {
                let Some(after) = self.leave_string(bytes, at) else { return Found::Nothing };
                at = after;
                if self.depth == 0 {
                    return Found::End(at);
                }
            }
            let Some(length) = bytes[at..].iter().position(|&byte| IS_STRUCTURE[usize::from(byte)])
            else {
                return Found::Nothing;
            };
            at += length + 1;
            match bytes[at - 1] {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                closer => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        let matches = (closer == b'}') == (self.first == b'{');
                        return if matches { Found::End(at) } else { Found::Invalid(at - 1) };
                    }
                }
            }
        }
    }

    /// The position after the closing quote.
    fn leave_string(&mut self, bytes: &[u8], mut at: usize) -> Option<usize> {
        loop {
            at += memchr2(b'"', b'\\', &bytes[at..])? + 1;
            if bytes[at - 1] == b'"' {
                self.in_string = false;
                return Some(at);
            }
            if at == bytes.len() {
                self.is_escaped = true;
                return None;
            }
            at += 1;
        }
    }
}

/// The bytes outside strings that say where a value ends.
const IS_STRUCTURE: [bool; 256] = {
    let mut table = [false; 256];
    table[b'"' as usize] = true;
    table[b'{' as usize] = true;
    table[b'}' as usize] = true;
    table[b'[' as usize] = true;
    table[b']' as usize] = true;
    table
};

/// A number, `true`, `false` or `null` ends where something else starts.
fn find_scalar_end(bytes: &[u8]) -> Found {
    let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'E' | b'+' | b'-' | b'.');
    match bytes.iter().position(|byte| !is_part(byte)) {
        None => Found::Nothing,
        Some(end) if matches!(bytes[end], b' ' | b'\t' | b'\n' | b'\r' | b',' | b']') => {
            Found::End(end)
        }
        Some(end) => Found::Invalid(end),
    }
}

#[cfg(test)]
mod tests;
