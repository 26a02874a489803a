//! Short, printable pieces of what a peer sent, for messages to people.
//!
//! A peer may echo what it was sent, so whatever has the shape of a credential is masked, before anything is cut.

/// Characters of an excerpt: enough to recognise an error page by.
const EXCERPT_CHARS_MAX: usize = 200;

/// A run of this many characters of a token's alphabet is taken for one. A GUID has 36, a client secret 40.
const CREDENTIAL_CHARS_MIN: usize = 40;

/// The start of `bytes` on one line, without control characters and what looks like a credential.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    // A character has at most four bytes, so this never cuts away what would be shown.
    let start = &bytes[..bytes.len().min(EXCERPT_CHARS_MAX * 4)];
    let mut text = String::new();
    let mut last_is_space = true;
    for char in masked(String::from_utf8_lossy(start).trim_end()).chars().take(EXCERPT_CHARS_MAX) {
        let is_space = char.is_whitespace() || char.is_control();
        if !(is_space && last_is_space) {
            text.push(if is_space { ' ' } else { char });
        }
        last_is_space = is_space;
    }
    text
}

/// `text` without what follows `Bearer` and without long runs of a token's alphabet.
fn masked(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut follows_bearer = false;
    let mut rest = text;
    while !rest.is_empty() {
        let length = rest.find(|char| !is_token_char(char)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(length);
        if !run.is_empty() {
            let is_credential = follows_bearer || length >= CREDENTIAL_CHARS_MIN;
            masked.push_str(if is_credential { "[redacted]" } else { run });
            follows_bearer = run.eq_ignore_ascii_case("bearer");
        }
        let mut after = after.chars();
        masked.extend(after.next());
        rest = after.as_str();
    }
    masked
}

fn is_token_char(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.' | '~' | '+')
}

/// `text` without `secrets`, in case a peer echoed what it was sent.
pub(crate) fn redacted(text: &str, secrets: &[&str]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret, "[redacted]");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_one_printable_line_of_limited_length() {
        assert_eq!(excerpt(b"  <html>\r\n\t<body>\x1b[31m\0\xff "), "<html> <body> [31m \u{fffd}");
        let plain = "tenant 0b7a1f7e-58d9-4c9c-8b1a-9f2f9d6c2d11 does not exist";
        assert_eq!(excerpt(plain.as_bytes()), plain);
        assert_eq!(excerpt("é".repeat(5000).as_bytes()).chars().count(), EXCERPT_CHARS_MAX);
    }
    #[test]
    fn masks_what_looks_like_a_credential() {
        let token = format!("eyJ0{}.eyJh_-{}", "A".repeat(300), "b".repeat(900));
        for body in [token.clone(), format!("token={token}"), format!("\"{token}\"")] {
            let shown = excerpt(body.as_bytes());
            assert!(!shown.contains("AAA") && !shown.contains("bbb"), "{shown}");
        }
        let echoed = excerpt(b"POST /\r\nAuthorization: Bearer hunter2\r\nAccept: */*");
        assert_eq!(echoed, "POST / Authorization: Bearer [redacted] Accept: */*");
    }
}
