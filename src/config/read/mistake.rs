//! What can be wrong with a value, as serde reports it. No message quotes a value that a variable gave.

use std::fmt;

use serde::de;

use crate::config::{fault::Span, tree::Node};

/// What serde says went wrong, with the place as soon as it is known.
#[derive(Debug)]
pub(super) struct ReadError {
    pub(super) at: Option<Span>,
    pub(super) mistake: Mistake,
}

#[derive(Debug)]
pub(super) enum Mistake {
    Unknown {
        name: String,
        expected: &'static [&'static str],
    },
    Missing(&'static str),
    Invalid {
        message: String,
        /// What is said instead where a variable gave the value, which the message may quote.
        of_variable: Option<String>,
    },
    /// A stand-in did not satisfy the type that it stands for; nothing follows from that.
    InStandIn,
}

impl ReadError {
    pub(super) fn new(mistake: Mistake) -> ReadError {
        ReadError { at: None, mistake }
    }

    /// An error whose message quotes nothing of the configuration.
    fn plain(message: String) -> ReadError {
        ReadError::new(Mistake::Invalid { message, of_variable: None })
    }

    /// Says what was expected in the place of a value that a variable gave, and that can't be shown.
    pub(super) fn expecting(mut self, expected: &str) -> ReadError {
        if let Mistake::Invalid { of_variable: Some(instead), .. } = &mut self.mistake {
            *instead = format!("expected {expected}, and the variable's value is something else");
        }
        self
    }

    /// The error as one of `node`, unless it is known to be one of something inside.
    pub(super) fn or_at(mut self, node: &Node) -> ReadError {
        if self.at.is_none() {
            self.at = Some(node.span.clone());
            if let Mistake::Invalid { message, of_variable } = &mut self.mistake
                && let (Some(instead), Some(_), false) =
                    (of_variable.take(), node.as_str(), node.variables.is_empty())
            {
                // What a variable holds may be a secret that ended up in the wrong place.
                *message = instead;
            }
        }
        self
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.mistake {
            Mistake::Unknown { name, .. } => write!(formatter, "unknown option `{name}`"),
            Mistake::Missing(name) => write!(formatter, "`{name}` is missing"),
            Mistake::Invalid { message, .. } => formatter.write_str(message),
            Mistake::InStandIn => formatter.write_str("a stand-in for a missing value"),
        }
    }
}

impl std::error::Error for ReadError {}

impl de::Error for ReadError {
    fn custom<T: fmt::Display>(message: T) -> ReadError {
        ReadError::new(Mistake::Invalid {
            message: message.to_string(),
            of_variable: Some("the variable's value can't be used here".to_owned()),
        })
    }

    // What was found is named by its type alone: a value in the wrong place may be a secret.
    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> ReadError {
        let expected = in_plain_words(&expected.to_string());
        ReadError::plain(format!("expected {expected}, found {}", type_name(&found)))
    }

    fn invalid_value(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> ReadError {
        let expected = in_plain_words(&expected.to_string());
        ReadError::plain(format!("expected {expected}, found another {}", type_name(&found)))
    }

    fn unknown_field(name: &str, expected: &'static [&'static str]) -> ReadError {
        ReadError::new(Mistake::Unknown { name: name.to_owned(), expected })
    }

    fn missing_field(name: &'static str) -> ReadError {
        ReadError::new(Mistake::Missing(name))
    }

    fn unknown_variant(name: &str, expected: &'static [&'static str]) -> ReadError {
        let expected = expected.join(", ");
        ReadError::new(Mistake::Invalid {
            message: format!("`{name}` is not one of: {expected}"),
            of_variable: Some(format!("the variable's value is not one of: {expected}")),
        })
    }
}

/// What serde expects, in a user's words rather than in Rust's.
fn in_plain_words(expected: &str) -> String {
    let words = match expected {
        "a sequence" => "an array, as `[\"…\"]`",
        "a map" => "a table",
        "a boolean" => "`true` or `false`",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "usize" => "a whole number, not negative",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        text if text.starts_with("a nonzero u") => "a whole number from 1 on",
        text if text.starts_with("struct ") || text.contains("tagged enum") => "a table",
        text => text,
    };
    words.to_owned()
}

fn type_name(found: &de::Unexpected<'_>) -> &'static str {
    match found {
        de::Unexpected::Bool(_) => "boolean",
        de::Unexpected::Unsigned(_) | de::Unexpected::Signed(_) => "integer",
        de::Unexpected::Float(_) => "float",
        de::Unexpected::Seq => "array",
        de::Unexpected::Map => "table",
        de::Unexpected::Enum | de::Unexpected::UnitVariant => "name",
        _ => "string",
    }
}
