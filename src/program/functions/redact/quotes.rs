//! Quotation marks and brackets: where what they open ends.
//!
//! Marks can stand inside JSON strings, with a backslash more for each nesting.

use std::ops::Range;

/// A quotation mark at `at`, with the backslashes before it that stand for its nesting.
pub(super) fn quote(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let slashes = bytes.get(at..)?.iter().take_while(|byte| **byte == b'\\').count();
    let mark = at + slashes;
    matches!(bytes.get(mark), Some(b'"' | b'\'')).then_some(at..mark + 1)
}

/// Where the text ends that `opening` opens: at the next such mark of the same nesting.
///
/// A mark inside is one with more backslashes, one that stands twice (PowerShell), or one behind a backtick.
pub(super) fn closing(bytes: &[u8], opening: &Range<usize>) -> usize {
    let mark = bytes[opening.end - 1];
    let depth = opening.len() - 1;
    let mut slashes = 0;
    let mut at = opening.end;
    while at < bytes.len() {
        let byte = bytes[at];
        if byte == b'\\' {
            slashes += 1;
        } else if byte == mark && ends(slashes, depth) {
            let is_twice = depth == 0 && bytes.get(at + 1) == Some(&mark);
            let is_escaped = mark == b'"' && at > opening.end && bytes[at - 1] == b'`';
            if !is_twice && !is_escaped {
                return at - slashes.min(depth);
            }
            at += usize::from(is_twice);
            slashes = 0;
        } else {
            slashes = 0;
        }
        at += 1;
    }
    bytes.len()
}

/// Whether a mark behind `slashes` backslashes ends a text of this nesting. Those beyond the nesting stand for
/// backslashes of the text itself, if they are as many as these take.
fn ends(slashes: usize, depth: usize) -> bool {
    slashes <= depth || (slashes - depth).is_multiple_of(2 * (depth + 1))
}

/// The end of what `open` at `at` opens. What stands in quotation marks opens and closes nothing.
pub(super) fn closed(bytes: &[u8], at: usize, open: u8, close: u8) -> usize {
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
