//! The value that follows a name in a text: JSON (also inside a JSON string), query strings (also percent-encoded),
//! connection strings, XML, and PowerShell's parameters.
//!
//! Where it is not certain how far a secret reaches, more is taken rather than less.

use std::ops::Range;

use super::{
    markup,
    plain::{self, after_digits, blanks},
    quotes::{closed, closing, quote},
};

/// The most signs between a name and its value, as in `=>` and `:=`.
const SIGNS_MAX: usize = 2;

/// Words that stand where a value would, and are none.
const NO_VALUES: &[&str] = &["true", "false", "null", "none", "$true", "$false", "$null"];

/// Where the value stands whose name ends at `end` and lies in the word that holds `start`.
pub(super) fn value(text: &str, start: usize, end: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let range = markup::element(text, start, end).or_else(|| {
        // `Password2` is as good as `Password`.
        let end = after_digits(bytes, end);
        let after_name = quote(bytes, end).map_or(end + markup::mark(text, end), |quote| quote.end);
        let at = blanks(bytes, after_name);
        match separator(bytes, at) {
            Some(length) => {
                let encoded = bytes[at] == b'%';
                stated(text, blanks(bytes, at + length), encoded)
            }
            // PowerShell: `-Password value`.
            None if at > after_name && after_name == end && is_parameter(bytes, start) => {
                if bytes.get(at) == Some(&b'-')
                    && bytes.get(at + 1).is_some_and(u8::is_ascii_alphabetic)
                {
                    return secure_string(bytes, start, end, at);
                }
                stated(text, at, false)
            }
            None => None,
        }
    })?;
    let value = text.get(range.clone())?;
    (!is_none(value)).then_some(range)
}

/// The value that begins at `at`.
fn stated(text: &str, at: usize, encoded: bool) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let (start, end, next) = if let Some(opening) = quote(bytes, at) {
        let end = closing(bytes, &opening);
        (opening.end, end, end + opening.len())
    } else if let Some(marked) = markup::marked(text, at) {
        return Some(marked);
    } else {
        let end = match *bytes.get(at)? {
            b'(' => closed(bytes, at, b'(', b')'),
            b'[' => closed(bytes, at, b'[', b']'),
            b'{' => closed(bytes, at, b'{', b'}'),
            _ => plain::end(text, at, encoded),
        };
        (at, end, end)
    };
    // What goes on without a gap, as in `"hun"ter2`, belongs to it.
    let goes_on = next < bytes.len() && !plain::is_end(bytes, next) && bytes[next] != b'%';
    Some(if goes_on { at..plain::until_delimiter(bytes, next, encoded) } else { start..end })
}

/// Whether `value` only says that there is none.
pub(super) fn is_none(value: &str) -> bool {
    let value = value.trim();
    value.bytes().all(|byte| byte == b'*')
        || NO_VALUES.iter().any(|word| word.eq_ignore_ascii_case(value))
        || super::mark::is_mark(value)
}

/// `ConvertTo-SecureString -String value -AsPlainText`: the value can stand before or behind any switch.
fn secure_string(bytes: &[u8], start: usize, end: usize, at: usize) -> Option<Range<usize>> {
    let is_it = bytes.get(start..end)?.eq_ignore_ascii_case(b"securestring");
    is_it.then(|| at..memchr::memchr(b')', &bytes[at..]).map_or(bytes.len(), |found| at + found))
}

/// The length of what stands between a name and its value.
fn separator(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes.get(at..)?;
    let starts =
        |code: &[u8]| rest.get(..code.len()).is_some_and(|start| start.eq_ignore_ascii_case(code));
    match rest.first()? {
        b'=' | b':' | b'>' => {
            let signs = rest.iter().take(SIGNS_MAX).take_while(|byte| b"=:>".contains(byte));
            Some(signs.count())
        }
        b'%' if starts(b"%3d") || starts(b"%3a") => Some(3),
        b'&' if starts(b"&gt;") => Some(4),
        _ => None,
    }
}

/// Whether the word that holds `start` begins with a dash that itself begins a word.
fn is_parameter(bytes: &[u8], start: usize) -> bool {
    let word = bytes[..start].iter().rev().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let dash = start - word;
    if dash == 0 || bytes[dash - 1] != b'-' {
        return false;
    }
    // `ConvertTo-SecureString` is the one command that takes a secret without a parameter's name.
    bytes[start..].get(..12).is_some_and(|name| name.eq_ignore_ascii_case(b"securestring"))
        || bytes[..dash - 1].last().is_none_or(|before| !before.is_ascii_alphanumeric())
}
