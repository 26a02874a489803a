//! The values of a pair of which the name is a secret's: `"Name":"Password","NewValue":"…","OldValue":"…"` in JSON.
//!
//! What stands between them, such as a type, stays. Values before the name are not found in texts.

use std::ops::Range;

use super::{
    assigned::is_none,
    plain::{after_digits, blanks},
    quotes::{closed, closing, quote},
};

/// How many keys of an object are looked at behind the name.
const KEYS_MAX: usize = 16;

/// The most bytes of an array or object under another key: each pair in it looks for its end again.
const OTHER_MAX: usize = 1024;

/// The values of the pair whose name ends at `end`.
pub(super) fn values(text: &str, end: usize) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let end = after_digits(bytes, end);
    let mut values = Vec::new();
    let mut at = quote(bytes, end).map_or(bytes.len(), |quote| quote.end);
    for _ in 0..KEYS_MAX {
        let Some((key, value)) = next(bytes, &mut at) else { break };
        let is_value = bytes.get(key).is_some_and(is_value);
        if is_value && text.get(value.clone()).is_some_and(|value| !is_none(value)) {
            values.push(value);
        }
    }
    values
}

/// Whether a key is that of a value beside a name.
pub(super) fn is_value(key: &[u8]) -> bool {
    [&b"Value"[..], b"NewValue", b"OldValue"].iter().any(|name| key.eq_ignore_ascii_case(name))
}

/// The next key behind `at` and its value; `at` is moved behind it.
fn next(bytes: &[u8], at: &mut usize) -> Option<(Range<usize>, Range<usize>)> {
    let comma = blanks(bytes, *at);
    if bytes.get(comma) != Some(&b',') {
        return None;
    }
    let key = quote(bytes, blanks(bytes, comma + 1))?;
    let key_end = closing(bytes, &key);
    let colon = blanks(bytes, key_end + key.len());
    if bytes.get(colon) != Some(&b':') {
        return None;
    }
    let start = blanks(bytes, colon + 1);
    let is_other = !bytes.get(key.end..key_end).is_some_and(is_value);
    let within = if is_other { &bytes[..bytes.len().min(start + OTHER_MAX)] } else { bytes };
    let value = if let Some(opening) = quote(bytes, start) {
        let end = closing(bytes, &opening);
        *at = end + opening.len();
        opening.end..end
    } else {
        let end = match bytes.get(start)? {
            b'[' => closed(within, start, b'[', b']'),
            b'{' => closed(within, start, b'{', b'}'),
            _ => start + bytes[start..].iter().take_while(|byte| is_bare(**byte)).count(),
        };
        if is_other && end == within.len() {
            return None;
        }
        *at = end;
        start..end
    };
    Some((key.end..key_end, value))
}

/// Whether `byte` can be part of a number or a word of JSON.
fn is_bare(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}
