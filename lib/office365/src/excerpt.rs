//! Short, printable pieces of what a peer sent, for messages to people.

/// Characters of an excerpt: enough to recognise an error page by.
const EXCERPT_CHARS_MAX: usize = 200;

/// The start of `bytes` on one line, without control characters.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    // A character has at most four bytes, so this never cuts away what would be shown.
    let start = &bytes[..bytes.len().min(EXCERPT_CHARS_MAX * 4)];
    let mut text = String::new();
    let mut last_is_space = true;
    for char in String::from_utf8_lossy(start).trim_end().chars().take(EXCERPT_CHARS_MAX) {
        let is_space = char.is_whitespace() || char.is_control();
        if !(is_space && last_is_space) {
            text.push(if is_space { ' ' } else { char });
        }
        last_is_space = is_space;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_one_printable_line_of_limited_length() {
        assert_eq!(excerpt(b"  <html>\r\n\t<body>\x1b[31m\0\xff "), "<html> <body> [31m \u{fffd}");
        assert_eq!(excerpt("é".repeat(5000).as_bytes()).chars().count(), EXCERPT_CHARS_MAX);
    }
}
