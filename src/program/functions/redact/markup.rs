//! Values in XML and HTML: the text of an element, and what stands between marks that are written as entities.

use std::ops::Range;

/// How `<`, `>` and quotation marks are written where they are not meant as such.
const ENTITIES: &[(&str, &str)] = &[("<", ">"), ("&lt;", "&gt;")];

/// The most bytes of an opening tag on both sides of a name. Longer ones cost too much to look for.
const TAG_MAX: usize = 1024;

/// Quotation marks of HTML, and of word processors, with what closes them.
const MARKS: &[(&str, &str)] = &[
    ("&quot;", "&quot;"),
    ("&#34;", "&#34;"),
    ("&#39;", "&#39;"),
    ("&apos;", "&apos;"),
    ("\u{201c}", "\u{201d}"),
    ("\u{201e}", "\u{201c}"),
    ("\u{2018}", "\u{2019}"),
    ("\u{ab}", "\u{bb}"),
];

/// The text of an element whose name ends at `end`, and holds `start`.
pub(super) fn element(text: &str, start: usize, end: usize) -> Option<Range<usize>> {
    let is_name =
        |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.' | ':');
    let from = text.floor_char_boundary(start.saturating_sub(TAG_MAX));
    let before = text.get(from..start)?.trim_end_matches(is_name);
    let (open, close) = ENTITIES.iter().find(|(open, _)| before.ends_with(open))?;
    let rest = text.get(end..)?;
    if !rest.starts_with(close) && !rest.starts_with(char::is_whitespace) {
        return None;
    }
    let tag = rest.get(..rest.floor_char_boundary(TAG_MAX))?.find(close)?;
    if rest.get(..tag)?.ends_with('/') {
        return None;
    }
    let from = end + tag + close.len();
    let inside = text.get(from..)?;
    let length = match inside.strip_prefix("<![CDATA[") {
        Some(data) => data.find("]]>").map(|length| length + 12),
        None => inside.find(open),
    };
    Some(from..from + length.unwrap_or(inside.len()))
}

/// The length of a quotation mark at `at`.
pub(super) fn mark(text: &str, at: usize) -> usize {
    let opened =
        MARKS.iter().find(|(open, _)| text.get(at..).is_some_and(|it| it.starts_with(open)));
    opened.map_or(0, |(open, _)| open.len())
}

/// What stands between the mark at `at` and the one that closes it.
pub(super) fn marked(text: &str, at: usize) -> Option<Range<usize>> {
    let rest = text.get(at..)?;
    let (open, close) = MARKS.iter().find(|(open, _)| rest.starts_with(open))?;
    let inside = rest.get(open.len()..)?;
    let length = inside.find(close).unwrap_or(inside.len());
    Some(at + open.len()..at + open.len() + length)
}
