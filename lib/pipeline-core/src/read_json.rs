//! Values from JSON, also where a text in it was cut inside a letter.
//!
//! .NET counts letters beyond U+FFFF as two and cuts between them; what it then writes, `"\ud83d"`, is no text for any
//! strict reader. Invariant: what is valid JSON is read as `serde_json` reads it.

use vrl::value::Value;

/// Reads a value from JSON. Half a letter, written as an escape, becomes U+FFFD.
///
/// # Errors
/// It is not JSON.
pub fn read_json(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(text).or_else(|error| match whole_letters(text) {
        Some(text) => serde_json::from_str(&text),
        None => Err(error),
    })
}

/// The text with an escape of U+FFFD for each escape of half a letter; none where there is no such half.
fn whole_letters(text: &str) -> Option<String> {
    let unit = |at: usize| {
        let digits = text.get(at..)?.strip_prefix("\\u")?.get(..4)?;
        u16::from_str_radix(digits, 16).ok()
    };
    let mut whole = String::with_capacity(text.len());
    let (mut at, mut done) = (0, 0);
    while let Some(found) = text.get(at..)?.find('\\') {
        at += found;
        match (unit(at), unit(at + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => at += 12,
            (Some(0xd800..=0xdfff), _) => {
                whole.push_str(text.get(done..at)?);
                whole.push_str("\\ufffd");
                at += 6;
                done = at;
            }
            // The letter behind a backslash can be one itself.
            _ => at += 1 + text.get(at + 1..)?.chars().next()?.len_utf8(),
        }
    }
    whole.push_str(text.get(done..)?);
    (done > 0).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_letter_costs_no_more_than_itself() {
        for (written, read) in [
            (r#""a\ud83d""#, "a\u{fffd}"),
            (r#""\ude00\ud83d\ude00\ud83d b""#, "\u{fffd}\u{1f600}\u{fffd} b"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
            (r#""\\ud83d \" \ud83d\\""#, "\\ud83d \" \u{fffd}\\"),
        ] {
            assert_eq!(read_json(written).ok(), Some(Value::from(read)), "{written}");
        }
    }

    #[test]
    fn what_is_no_json_stays_none() {
        for text in ["", r#""\ud83"#, r#""\ud83d"#, r#"{"a":"\ud83d",}"#, "\\", "\"\\é\""] {
            assert!(read_json(text).is_err(), "{text}");
        }
    }
}
