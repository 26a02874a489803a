//! Secrets in a text, by their form and by the names before them.
//!
//! Invariant: the ranges found do not overlap, stand in the order of the text, and lie on the bounds of characters.

use std::ops::{Range, RangeInclusive};

use super::{
    Classes, assigned, mark,
    needles::{self, Found, Needle},
    pair,
};

/// The fewest bytes that a URL's parameter of a common name has if it is a key. Shorter ones are words.
const PARAMETER_MIN: usize = 16;

/// The fewest bytes of a signature in a URL.
const SIGNATURE_MIN: usize = 8;

/// The fewest bytes of each part of a JSON Web Token.
const JWT_PART_MIN: usize = 8;

/// The fewest bytes of a bearer token.
const BEARER_MIN: usize = 16;

/// Bytes of Entra's client secrets before the mark inside.
const CLIENT_SECRET_BEFORE: usize = 4;

/// How many follow it.
const CLIENT_SECRET_AFTER: RangeInclusive<usize> = 31..=34;

/// The fewest bytes of a sharing link's key.
const LINK_MIN: usize = 20;

/// Where the secrets of `classes` stand in `text`.
pub(super) fn secrets(text: &str, classes: Classes) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    let mut from = 0;
    let mut no_token_before = 0;
    while let Some(found) = needles::next(text, from) {
        // A needle is ASCII, so that the next byte begins a character.
        from = found.start + 1;
        if found.needle == Needle::Jwt {
            // What is no token is none from a later letter on: a text of nothing but `eyJ` took forever.
            if found.start < no_token_before {
                continue;
            }
            no_token_before = run(text.as_bytes(), found.start, is_base64url).end;
        }
        let mut secrets: Vec<Range<usize>> = secret(text, found, classes).into_iter().collect();
        if secrets.is_empty() && found.needle == Needle::Name && classes.credentials {
            secrets = pair::values(text, found.end);
        }
        for range in secrets {
            let whole = text.is_char_boundary(range.start) && text.is_char_boundary(range.end);
            let is_done = text.get(range.clone()).is_some_and(mark::is_mark);
            if whole && !range.is_empty() && !is_done {
                from = range.end;
                ranges.push(range);
            }
        }
    }
    ranges
}

fn secret(text: &str, found: Found, classes: Classes) -> Option<Range<usize>> {
    let Found { needle, start, end } = found;
    let bytes = text.as_bytes();
    let wanted = match needle {
        Needle::Link | Needle::GuestAccess => classes.links,
        Needle::Detected => classes.detections,
        Needle::Name
        | Needle::WholeName
        | Needle::Parameter
        | Needle::Jwt
        | Needle::Bearer
        | Needle::ClientSecret
        | Needle::Pem
        | Needle::UserInfo
        | Needle::Webhook => classes.credentials,
    };
    if !wanted {
        return None;
    }
    match needle {
        Needle::Name | Needle::Detected => assigned::value(text, start, end),
        Needle::WholeName if is_word(bytes, start) => assigned::value(text, start, end),
        Needle::WholeName => None,
        Needle::Parameter => parameter(bytes, start, end),
        Needle::Jwt => jwt(bytes, start),
        Needle::Bearer => {
            let range = run(bytes, end, is_token);
            let has_digit = bytes[range.clone()].iter().any(u8::is_ascii_digit);
            (range.len() >= BEARER_MIN && has_digit).then_some(range)
        }
        Needle::ClientSecret => client_secret(bytes, start, end),
        Needle::Pem => pem(text, start),
        Needle::Webhook => Some(run(bytes, end, |byte| is_token(byte) || byte == b'@')),
        Needle::UserInfo => user_info(bytes, end),
        Needle::Link => link(bytes, start, end),
        Needle::GuestAccess => share(bytes, end),
    }
}

/// `sig=`, `code=` and `key=` where they are parameters of a URL and what follows is long.
fn parameter(bytes: &[u8], start: usize, end: usize) -> Option<Range<usize>> {
    let before = &bytes[..start];
    let starts_parameter = before.last().is_some_and(|byte| matches!(byte, b'?' | b'&' | b';'))
        || before.len().checked_sub(3).is_some_and(|from| {
            [b"%3f", b"%26"].iter().any(|code| before[from..].eq_ignore_ascii_case(*code))
        });
    let is_signature =
        bytes[start..].get(..3).is_some_and(|name| name.eq_ignore_ascii_case(b"sig"));
    let bare = is_signature && before.last().is_none_or(|byte| !byte.is_ascii_alphanumeric());
    if !starts_parameter && !bare {
        return None;
    }
    let at = |from: usize| {
        bytes.get(from..from + 3).is_some_and(|code| code.eq_ignore_ascii_case(b"%26"))
    };
    let length = (end..bytes.len()).take_while(|at_| is_token(bytes[*at_]) && !at(*at_)).count();
    let fewest = if is_signature { SIGNATURE_MIN } else { PARAMETER_MIN };
    (length >= fewest).then_some(end..end + length)
}

/// Two parts at least that are base64url, with dots between, the first of which is JSON's `{"`.
fn jwt(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    if bytes.get(start..start + 3)? != b"eyJ" {
        return None;
    }
    let header = run(bytes, start, is_base64url);
    let payload = run(bytes, header.end + 1, is_base64url);
    let is_jwt = bytes.get(header.end) == Some(&b'.')
        && header.len() >= JWT_PART_MIN
        && payload.len() >= JWT_PART_MIN;
    let rest = run(bytes, start, |byte| is_base64url(byte) || byte == b'.');
    is_jwt.then_some(rest)
}

fn client_secret(bytes: &[u8], start: usize, end: usize) -> Option<Range<usize>> {
    let from = start.checked_sub(CLIENT_SECRET_BEFORE)?;
    let is_part =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'~' | b'.' | b'-');
    let longest = end + CLIENT_SECRET_AFTER.end();
    let rest = run(bytes.get(..longest).unwrap_or(bytes), end, is_part);
    let is_secret = bytes[start] == b'Q'
        && bytes[start - 1].is_ascii_digit()
        && bytes[from..start].iter().all(|byte| is_part(*byte))
        && rest.len() >= *CLIENT_SECRET_AFTER.start();
    is_secret.then_some(from..rest.end)
}

/// A private key, up to the end of its last line, or of the text where it was cut off.
fn pem(text: &str, start: usize) -> Option<Range<usize>> {
    let rest = text.get(start..)?;
    let (label, _) = rest.get(11..)?.split_once("-----")?;
    if !label.to_ascii_uppercase().ends_with("PRIVATE KEY") {
        return None;
    }
    let last_line = format!("-----END {label}-----");
    let end = rest.find(&last_line).map_or(text.len(), |found| start + found + last_line.len());
    Some(start..end)
}

/// The last part of a sharing link such as `https://contoso.example/:x:/g/personal/alice/KEY?e=a1`.
fn link(bytes: &[u8], start: usize, end: usize) -> Option<Range<usize>> {
    let is_link = start >= 3
        && bytes[start - 3..start - 1] == *b"/:"
        && bytes[start - 1].is_ascii_alphabetic();
    let path = run(bytes, end, |byte| is_token(byte) && byte != b'?');
    let last = bytes[path.clone()]
        .iter()
        .rposition(|byte| *byte == b'/')
        .map_or(path.start, |slash| path.start + slash + 1);
    (is_link && path.end - last >= LINK_MIN).then_some(last..path.end)
}

/// The parameter `share` of a link's query that starts at `start`.
fn share(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let query = run(bytes, start, |byte| {
        !byte.is_ascii_whitespace() && !matches!(byte, b'"' | b'\'' | b'<')
    });
    let name = memchr::memmem::find(&bytes[query.clone()], b"share=")?;
    Some(run(bytes, query.start + name + 6, |byte| is_token(byte) && byte != b'&'))
}

/// The password in `https://alice:password@contoso.example/`.
fn user_info(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let authority = run(bytes, start, |byte| {
        !byte.is_ascii_whitespace() && !matches!(byte, b'/' | b'?' | b'#' | b'"' | b'<' | b'\\')
    });
    let at = memchr::memrchr(b'@', &bytes[authority.clone()])?;
    let colon = memchr::memchr(b':', &bytes[authority.start..authority.start + at])?;
    Some(authority.start + colon + 1..authority.start + at)
}

/// The bytes from `start` on for which `is` holds.
fn run(bytes: &[u8], start: usize, is: impl Fn(u8) -> bool) -> Range<usize> {
    let start = start.min(bytes.len());
    let length = bytes[start..].iter().take_while(|byte| is(**byte)).count();
    start..start + length
}

fn is_word(bytes: &[u8], start: usize) -> bool {
    bytes[..start].last().is_none_or(|byte| !byte.is_ascii_alphanumeric())
}

fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// Whether `byte` can be part of a token in a URL or a header.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'+' | b'/' | b'=' | b'%')
}
