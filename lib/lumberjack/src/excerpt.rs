//! The first bytes of something that was not understood, for people.

use std::fmt;

/// Bytes that a message shows: enough for the first line of an HTTP answer.
const BYTES_MAX: usize = 64;

/// The first bytes of something. What is not printable ASCII is escaped, so that it can't write lines into a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Excerpt(Vec<u8>);

impl Excerpt {
    /// The first bytes of `bytes`.
    pub fn of(bytes: &[u8]) -> Excerpt {
        Excerpt(bytes[..bytes.len().min(BYTES_MAX)].to_vec())
    }

    /// What these bytes are the beginning of, if it is one of the usual mistakes.
    fn guess(&self) -> Option<&'static str> {
        match &*self.0 {
            [0x15, 3, ..] => Some("a TLS alert: the server wants TLS"),
            [0x16, 3, ..] => Some("a TLS handshake"),
            bytes if bytes.starts_with(b"HTTP/") || bytes.starts_with(b"<") => Some("HTTP"),
            [b'1', b'A', ..] => Some("version 1 of the protocol"),
            bytes if bytes.starts_with(b"SSH-") => Some("SSH"),
            _ => None,
        }
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "\"{}\"", self.0.escape_ascii())?;
        match self.guess() {
            Some(guess) => write!(formatter, " ({guess})"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_mistakes_are_named_and_nothing_writes_lines() {
        for (bytes, expected) in [
            (b"HTTP/1.1 400 Bad\r\n".as_slice(), r#""HTTP/1.1 400 Bad\r\n" (HTTP)"#),
            (&[0x15, 3, 3, 0, 2], r#""\x15\x03\x03\x00\x02" (a TLS alert: the server wants TLS)"#),
            (b"1A\0\0\0\x01", r#""1A\x00\x00\x00\x01" (version 1 of the protocol)"#),
            (b"", r#""""#),
        ] {
            assert_eq!(Excerpt::of(bytes).to_string(), expected);
        }
        assert_eq!(Excerpt::of(&[b'x'; 999]).to_string().len(), BYTES_MAX + 2);
    }
}
