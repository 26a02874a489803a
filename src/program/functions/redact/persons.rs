//! Pseudonyms: the same person gets the same one wherever named, in one event and in all.
//!
//! Of an address only what stands before the `@` is replaced: `user.name` stays what it is in `user.email`, and inside
//! and outside stay apart. The case of a name does not matter, as it does not to Microsoft.

use std::ops::Range;

use ring::hmac;

use super::mark;

/// The pseudonym of a whole value that names a person.
pub(super) fn whole(key: &hmac::Key, name: &str) -> Option<String> {
    if name.trim().is_empty() || mark::is_mark(name.split('@').next().unwrap_or(name)) {
        return None;
    }
    match addresses(name).first() {
        Some(local) if local.start == 0 => Some(replaced(key, name)),
        _ => Some(mark::person(key, name)),
    }
}

/// `text` with each person in it replaced who is named by an address or a personal site.
pub(super) fn within(key: &hmac::Key, text: &str) -> Option<String> {
    let has_any = memchr::memchr(b'@', text.as_bytes()).is_some() || text.contains(PERSONAL);
    if !has_any {
        return None;
    }
    let replaced = replaced(key, text);
    (replaced != text).then_some(replaced)
}

/// What stands in a URL before the name of a person, in whose personal site a file lies.
const PERSONAL: &str = "/personal/";

fn replaced(key: &hmac::Key, text: &str) -> String {
    let mut names = addresses(text);
    names.extend(sites(text));
    names.sort_by_key(|range| range.start);
    let mut result = String::with_capacity(text.len() + names.len() * 40);
    let mut done = 0;
    for name in names {
        let Some(person) = text.get(name.clone()).filter(|_| name.start >= done) else { continue };
        result.push_str(&text[done..name.start]);
        if mark::is_mark(person) {
            result.push_str(person);
        } else {
            result.push_str(&mark::person(key, person));
        }
        done = name.end;
    }
    result.push_str(&text[done..]);
    result
}

/// What stands before the `@` of each address in `text`.
fn addresses(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut found: Vec<Range<usize>> = Vec::new();
    for at in memchr::memchr_iter(b'@', bytes) {
        let before = &bytes[..at];
        let length = before.iter().rev().take_while(|byte| is_local(**byte)).count();
        let domain = bytes[at + 1..].iter().take_while(|byte| is_domain(**byte)).count();
        if length > 0 && domain > 0 {
            found.push(at - length..at);
        }
    }
    found
}

/// The name of the person in each address of a personal site.
fn sites(text: &str) -> Vec<Range<usize>> {
    let starts = text.match_indices(PERSONAL).map(|(at, found)| at + found.len());
    let site = |start: usize| {
        let length = text[start..].bytes().take_while(|byte| is_domain(*byte) || *byte == b'_');
        start..start + length.count()
    };
    starts.map(site).filter(|site| !site.is_empty()).collect()
}

/// Whether `byte` can stand before the `@`: what Microsoft allows in names, and the mark of guests (`#EXT#`).
fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || !byte.is_ascii() || b".-_+'#!$&^~".contains(&byte)
}

fn is_domain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || !byte.is_ascii() || matches!(byte, b'.' | b'-')
}
