//! Names of fields as an index can take them.

use std::borrow::Cow;

use vrl::value::KeyString;

/// How many bytes of a name are kept. What Microsoft names has fewer than a hundred.
const NAME_BYTES_MAX: usize = 512;

/// What stands in for a name that is no name.
const NAMELESS: &str = "_";

/// The name of a value in an array of named values: a field of its own, in which a dot would nest and white space is
/// trouble.
pub(super) fn one_field(name: &str) -> KeyString {
    if is_plain(name) {
        return name.into();
    }
    let odd = |letter: char| letter == '.' || letter.is_whitespace() || letter.is_control();
    let name = shortened(name.trim());
    if name.is_empty() {
        return NAMELESS.into();
    }
    if name.contains(odd) { name.replace(odd, "_").into() } else { name.into() }
}

/// The name of a field of a record, changed only where no index could take it: dots would nest, and control characters
/// and names of nothing but white space are refused.
pub(super) fn safe(name: &str) -> Cow<'_, str> {
    if is_plain(name) {
        return Cow::Borrowed(name);
    }
    let odd = |letter: char| letter == '.' || letter.is_control();
    let short = shortened(name);
    if short.chars().all(char::is_whitespace) {
        return Cow::Borrowed(NAMELESS);
    }
    if short.contains(odd) { short.replace(odd, "_").into() } else { Cow::Borrowed(short) }
}

/// Whether nothing can be wrong with a name. Most are like that, and this is the quickest way to see it.
fn is_plain(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'.';
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_plain)
}

fn shortened(name: &str) -> &str {
    name.get(..name.floor_char_boundary(NAME_BYTES_MAX)).unwrap_or(name)
}
