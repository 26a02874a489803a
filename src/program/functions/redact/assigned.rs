//! The value that follows a name in a text: JSON (also inside a JSON string), query strings (also percent-encoded),
//! connection strings, XML, and PowerShell's parameters.
//!
//! Where it is not certain how far a secret reaches, more is taken rather than less.

use std::ops::Range;

/// Words that stand where a value would, and are none.
const NO_VALUES: &[&str] = &["true", "false", "null", "none", "$true", "$false", "$null"];

/// Ways of signing in that stand before the value of an `Authorization` header.
const SCHEMES: &[&str] = &["basic", "bearer", "digest", "negotiate", "sharedaccesssignature"];

/// Where the value stands whose name ends at `end` and lies in the word that holds `start`.
pub(super) fn value(text: &str, start: usize, end: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let after_name = quote(bytes, end).map_or(end, |quote| quote.end);
    let mut at = blanks(bytes, after_name);
    match separator(bytes, at) {
        Some(length) => at = blanks(bytes, at + length),
        // PowerShell: `-Password value`.
        None if at > after_name && after_name == end && is_parameter(bytes, start) => {}
        None => return None,
    }
    let range = match quote(bytes, at) {
        Some(opening) => opening.end..closing(bytes, &opening),
        None => match *bytes.get(at)? {
            b'(' => at..closed(bytes, at, b'(', b')'),
            b'[' => at..closed(bytes, at, b'[', b']'),
            b'{' => return None,
            b'-' if bytes.get(at + 1).is_some_and(u8::is_ascii_alphabetic)
                && is_parameter(bytes, start) =>
            {
                return secure_string(bytes, start, end, at);
            }
            _ => at..plain(text, at),
        },
    };
    let value = text.get(range.clone())?;
    (!is_none(value)).then_some(range)
}

/// The values of a pair whose name ends at `end`: `"Name":"Password","NewValue":"…","OldValue":"…"` in JSON.
pub(super) fn pair(text: &str, end: usize) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut values = Vec::new();
    let mut at = quote(bytes, end).map_or(bytes.len(), |quote| quote.end);
    while let Some(value) = next_of_pair(bytes, &mut at) {
        if text.get(value.clone()).is_some_and(|value| !is_none(value)) {
            values.push(value);
        }
    }
    values
}

/// The value of the next key of a pair behind `at`, which is moved behind it.
fn next_of_pair(bytes: &[u8], at: &mut usize) -> Option<Range<usize>> {
    let comma = blanks(bytes, *at);
    if bytes.get(comma) != Some(&b',') {
        return None;
    }
    let key = quote(bytes, blanks(bytes, comma + 1))?;
    let key_end = closing(bytes, &key);
    if ![&b"Value"[..], b"NewValue", b"OldValue"].contains(&bytes.get(key.end..key_end)?) {
        return None;
    }
    let colon = blanks(bytes, key_end + key.len());
    if bytes.get(colon) != Some(&b':') {
        return None;
    }
    let opening = quote(bytes, blanks(bytes, colon + 1))?;
    let end = closing(bytes, &opening);
    *at = end + opening.len();
    Some(opening.end..end)
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

/// A quotation mark at `at`, with the backslashes before it that stand for its nesting.
fn quote(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let slashes = bytes.get(at..)?.iter().take_while(|byte| **byte == b'\\').count();
    let mark = at + slashes;
    matches!(bytes.get(mark), Some(b'"' | b'\'')).then_some(at..mark + 1)
}

/// Where the text ends that `opening` opens: at the next such mark of the same nesting.
fn closing(bytes: &[u8], opening: &Range<usize>) -> usize {
    let mark = bytes[opening.end - 1];
    let depth = opening.len() - 1;
    let mut slashes = 0;
    for (at, byte) in bytes.iter().enumerate().skip(opening.end) {
        match *byte {
            b'\\' => slashes += 1,
            byte if byte == mark && slashes <= depth => return at - slashes,
            _ => slashes = 0,
        }
    }
    bytes.len()
}

/// The end of what `open` at `at` opens. What stands in quotation marks opens and closes nothing.
fn closed(bytes: &[u8], at: usize, open: u8, close: u8) -> usize {
    let mut depth = 0_usize;
    let mut at = at;
    while at < bytes.len() {
        if let Some(opening) = quote(bytes, at) {
            at = closing(bytes, &opening) + opening.len();
            continue;
        }
        if bytes[at] == open {
            depth += 1;
        } else if bytes[at] == close {
            depth -= 1;
            if depth == 0 {
                return at + 1;
            }
        }
        at += 1;
    }
    bytes.len()
}

/// The end of a value without quotation marks.
fn plain(text: &str, at: usize) -> usize {
    let bytes = text.as_bytes();
    let scheme = |word: &str| SCHEMES.iter().any(|scheme| scheme.eq_ignore_ascii_case(word));
    let mut end = until_delimiter(bytes, at);
    if text.get(at..end).is_some_and(scheme) {
        end = until_delimiter(bytes, blanks(bytes, end));
    }
    end
}

fn until_delimiter(bytes: &[u8], start: usize) -> usize {
    let ends = |at: usize| match bytes[at] {
        b'&' | b';' | b'"' | b'\'' | b')' | b']' | b'}' | b'<' | b'>' | b'\\' => true,
        b',' => names_follow(bytes, at + 1),
        b'%' => bytes[at..].get(..3).is_some_and(|code| code.eq_ignore_ascii_case(b"%26")),
        byte => byte.is_ascii_whitespace(),
    };
    (start..bytes.len()).find(|at| ends(*at)).unwrap_or(bytes.len())
}

/// Whether a name and a sign of equality come next: only then has a comma ended a value.
fn names_follow(bytes: &[u8], at: usize) -> bool {
    let rest = &bytes[blanks(bytes, at)..];
    let word = rest.iter().take_while(|byte| {
        byte.is_ascii_alphanumeric() || matches!(**byte, b'_' | b'-' | b'.' | b'"' | b'\\')
    });
    let length = word.count();
    length > 0 && matches!(rest.get(length), Some(b'=' | b':'))
}

/// The length of what stands between a name and its value.
fn separator(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes.get(at..)?;
    let starts =
        |code: &[u8]| rest.get(..code.len()).is_some_and(|start| start.eq_ignore_ascii_case(code));
    match rest.first()? {
        b'=' | b':' | b'>' => Some(1),
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

fn blanks(bytes: &[u8], at: usize) -> usize {
    at + bytes.iter().skip(at).take_while(|byte| byte.is_ascii_whitespace()).count()
}
