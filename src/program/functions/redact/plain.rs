//! A value without quotation marks: how far it reaches.
//!
//! A password can hold every sign that elsewhere ends a value. So a sign ends one only if what comes next looks like
//! the next thing: white space, another bracket or mark, or a name with a sign of equality.

/// Ways of signing in that stand before the value of an `Authorization` header.
const SCHEMES: &[&str] = &["basic", "bearer", "digest", "negotiate", "sharedaccesssignature"];

/// The most bytes of a name with blanks, such as `User Id` in `Password=a;User Id=b`.
const NAME_MAX: usize = 32;

/// The most bytes of a tag without attributes. Without a bound, a text of nothing but `<` took forever.
const TAG_MAX: usize = 64;

/// Ends of lines in a row that end a value, whatever follows.
const LINE_ENDS_MAX: usize = 4;

/// The end of the value at `at`; `encoded` in a query string that is percent-encoded as a whole.
pub(super) fn end(text: &str, at: usize, encoded: bool) -> usize {
    let bytes = text.as_bytes();
    let scheme = |word: &str| SCHEMES.iter().any(|scheme| scheme.eq_ignore_ascii_case(word));
    let end = until_delimiter(bytes, at, encoded);
    if text.get(at..end).is_some_and(scheme) {
        return until_delimiter(bytes, blanks(bytes, end), encoded);
    }
    in_connection_string(bytes, at, end).unwrap_or(end)
}

/// Whether what ends before `at` has ended for good: no letter of a word comes next.
pub(super) fn is_end(bytes: &[u8], at: usize) -> bool {
    if bytes.get(at) == Some(&b'\\') {
        return matches!(
            bytes.get(after_slashes(bytes, at)),
            Some(b'"' | b'\'' | b'n' | b'r' | b't')
        );
    }
    bytes
        .get(at)
        .is_none_or(|byte| byte.is_ascii_whitespace() || b",;:()[]{}<>&\"'\\".contains(byte))
}

pub(super) fn blanks(bytes: &[u8], at: usize) -> usize {
    at + bytes.iter().skip(at).take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// Where a number ends that stands at `at`, or `at`.
pub(super) fn after_digits(bytes: &[u8], at: usize) -> usize {
    at + bytes.iter().skip(at).take_while(|byte| byte.is_ascii_digit()).count()
}

/// The first byte from `start` on that ends a value.
pub(super) fn until_delimiter(bytes: &[u8], start: usize, encoded: bool) -> usize {
    let mut at = start;
    while at < bytes.len() && !ends(bytes, at, encoded) {
        // A run of backslashes is looked at once.
        at = if bytes[at] == b'\\' { after_slashes(bytes, at) } else { at + 1 };
    }
    at.min(bytes.len())
}

/// Whether the byte at `at` ends a value.
fn ends(bytes: &[u8], at: usize, encoded: bool) -> bool {
    let rest = &bytes[at + 1..];
    match bytes[at] {
        b'"' | b'\'' | b')' | b']' | b'}' | b'>' => is_end(bytes, at + 1),
        b',' | b';' => is_end(bytes, at + 1) || names_follow(bytes, at + 1),
        b'&' => {
            let over = matches!(rest.first(), None | Some(b'"' | b'\'' | b' '));
            over || names_follow(bytes, at + 1) || is_entity(rest)
        }
        b'<' => is_tag(rest),
        b'\\' => ends_escaped(bytes, at),
        b'%' => encoded && rest.starts_with(b"26"),
        byte => byte.is_ascii_whitespace(),
    }
}

/// In `Server=db;Password=a b;Encrypt=true` a value ends with the `;`, and can hold blanks.
fn in_connection_string(bytes: &[u8], start: usize, end: usize) -> Option<usize> {
    let before = bytes.get(..start)?.trim_ascii_end().strip_suffix(b"=")?;
    if !matches!(bytes.get(end), Some(b' ' | b'\t')) {
        return None;
    }
    let stops = |at: &usize| match bytes[*at] {
        b';' => at + 1 == bytes.len() || names_follow(bytes, at + 1),
        byte => b"\"'\n<=".contains(&byte),
    };
    let stop = (end..bytes.len()).find(stops).unwrap_or(bytes.len());
    let name = before.rsplit(|byte| b";\"'\n\\=".contains(byte)).next()?;
    let follows_another = before[..before.len() - name.len()].last() == Some(&b';');
    let is_it = match bytes.get(stop) {
        Some(b';') => true,
        Some(b'=') => false,
        _ => follows_another,
    };
    is_it.then_some(stop)
}

/// Whether a name and a sign of equality come next: only then have a comma and the like ended a value.
fn names_follow(bytes: &[u8], at: usize) -> bool {
    let rest = &bytes[blanks(bytes, at)..];
    let word = rest.iter().take(NAME_MAX).take_while(|byte| {
        byte.is_ascii_alphanumeric() || matches!(**byte, b'_' | b'-' | b'.' | b'"' | b'\\' | b' ')
    });
    let length = word.count();
    length > 0 && matches!(rest.get(length), Some(b'=' | b':'))
}

/// Whether what follows a `&` is a mark or bracket of HTML.
fn is_entity(rest: &[u8]) -> bool {
    [&b"quot;"[..], b"lt;", b"gt;", b"apos;", b"#34;", b"#39;"]
        .iter()
        .any(|entity| rest.starts_with(entity))
}

/// Whether what follows a `<` is the rest of a tag.
fn is_tag(rest: &[u8]) -> bool {
    let mut inside = rest.iter().take(TAG_MAX).take_while(|byte| !byte.is_ascii_whitespace());
    rest.first() == Some(&b'/') || inside.any(|byte| *byte == b'>')
}

/// Whether the backslash at `at` begins a mark's end inside a JSON string, or a line's.
fn ends_escaped(bytes: &[u8], at: usize) -> bool {
    let mut next = at;
    for _ in 0..LINE_ENDS_MAX {
        if next > at && bytes.get(next) != Some(&b'\\') {
            return next == bytes.len() || names_follow(bytes, next);
        }
        next = after_slashes(bytes, next);
        match bytes.get(next) {
            Some(b'n' | b'r' | b't') => next += 1,
            mark => return matches!(mark, Some(b'"' | b'\'')) && is_end(bytes, next + 1),
        }
    }
    true
}

/// The first byte from `at` on that is no backslash.
fn after_slashes(bytes: &[u8], at: usize) -> usize {
    at + bytes[at..].iter().take_while(|byte| **byte == b'\\').count()
}
