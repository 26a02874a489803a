//! Reasons by what they have in common: what they quote and count is left out.

/// Characters of a shape.
const CHARS_MAX: usize = 160;

/// The reason without quoted text and numbers, short, and safe to print.
pub(super) fn shape_of(reason: &str) -> String {
    let mut shape = String::new();
    let mut chars = reason.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\'' | '"' if chars.clone().any(|other| other == char) => {
                while chars.next().is_some_and(|other| other != char) {}
                shape.extend([char, '…', char]);
            }
            '0'..='9' => {
                while chars.next_if(char::is_ascii_digit).is_some() {}
                shape.push('N');
            }
            char if char.is_control() => shape.push(' '),
            char => shape.push(char),
        }
    }
    if shape.chars().count() > CHARS_MAX {
        shape = shape.chars().take(CHARS_MAX - 1).chain(['…']).collect();
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_that_differ_in_what_they_quote_have_one_shape() {
        for (reason, shape) in [
            (
                "failed to parse field [n] of type [long] in document with id 'ab-1'. Preview: 'x'",
                "failed to parse field [n] of type [long] in document with id '…'. Preview: '…'",
            ),
            ("elasticsearch: 400 t: \"a\" at 1:23", "elasticsearch: N t: \"…\" at N:N"),
            ("it doesn't fit", "it doesn't fit"),
            ("two\nlines\u{1b}[1m", "two lines [Nm"),
            ("", ""),
        ] {
            assert_eq!(shape_of(reason), shape);
        }
        assert_eq!(shape_of(&"é".repeat(1000)).chars().count(), CHARS_MAX);
    }
}
