//! How durations, sizes and field paths are written in TOML. Each module is for serde's `with`.

use std::fmt;

use serde::de::{Error, Visitor};

/// Reads a string and turns it into a `T`.
struct Text<T, F> {
    expected: &'static str,
    parse: F,
    kind: std::marker::PhantomData<T>,
}

impl<T, E: fmt::Display, F: Fn(&str) -> Result<T, E>> Visitor<'_> for Text<T, F> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.expected)
    }

    fn visit_str<D: Error>(self, text: &str) -> Result<T, D> {
        (self.parse)(text)
            .map_err(|error| D::custom(format!("`{text}` is not {}: {error}", self.expected)))
    }
}

fn text<T, E: fmt::Display, F: Fn(&str) -> Result<T, E>>(
    expected: &'static str,
    parse: F,
) -> Text<T, F> {
    Text { expected, parse, kind: std::marker::PhantomData }
}

/// A duration such as `"30s"`, `"5m"` or `"7d"`.
pub mod duration {
    use std::time::Duration;

    use serde::{Deserializer, Serializer};

    /// Reads `"30s"`.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        deserializer.deserialize_str(super::text(
            "a duration like \"30s\", \"5m\" or \"7d\"",
            humantime::parse_duration,
        ))
    }

    /// Writes `"30s"`.
    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(*duration))
    }
}

/// A number of bytes such as `"10MB"` (10,000,000) or `"8MiB"` (8,388,608).
pub mod byte_size {
    use serde::{Deserializer, Serializer};

    /// Reads `"10MB"`.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
        let parse = |text: &str| {
            let bytes = text.parse::<bytesize::ByteSize>()?.as_u64();
            usize::try_from(bytes).map_err(|_| "it is larger than memory can be".to_owned())
        };
        deserializer.deserialize_str(super::text("a size like \"10MB\" or \"8MiB\"", parse))
    }

    /// Writes `"10MB"`.
    pub fn serialize<S: Serializer>(bytes: &usize, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&bytesize::ByteSize(*bytes as u64))
    }
}

/// A part of a whole: a number above 0 and below 1.
pub mod fraction {
    use serde::{
        Deserialize, Deserializer, Serializer,
        de::{Error, Unexpected},
    };

    /// Reads `0.8`.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        let fraction = f64::deserialize(deserializer)?;
        if fraction > 0.0 && fraction < 1.0 {
            return Ok(fraction);
        }
        Err(D::Error::invalid_value(Unexpected::Float(fraction), &"a number above 0 and below 1"))
    }

    /// Writes `0.8`.
    pub fn serialize<S: Serializer>(fraction: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(*fraction)
    }
}

/// A [`byte_size`] that need not be given.
pub mod optional_byte_size {
    use serde::Deserializer;

    /// Reads `"10MB"`.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<usize>, D::Error> {
        super::byte_size::deserialize(deserializer).map(Some)
    }
}

/// An address to listen at, as `"127.0.0.1:9598"`.
pub mod listen_address {
    use std::net::SocketAddr;

    use serde::Deserializer;

    /// Reads `"127.0.0.1:9598"`.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
        let expected = "an address with its port, like \"127.0.0.1:9598\"";
        deserializer.deserialize_str(super::text(expected, str::parse::<SocketAddr>))
    }
}

/// The path of a field in an event, as VRL writes it without the leading dot: `"event.id"`; `""` is the root.
pub mod field_path {
    use serde::{Deserializer, Serializer};
    use vrl::path::{OwnedValuePath, parse_value_path};

    /// Reads `"event.id"`.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<OwnedValuePath, D::Error> {
        deserializer.deserialize_str(super::text(
            "a field path like \"event.id\"",
            |text| match text {
                "" => Ok(OwnedValuePath::root()),
                path => parse_value_path(path),
            },
        ))
    }

    /// Writes `"event.id"`.
    pub fn serialize<S: Serializer>(
        path: &OwnedValuePath,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(path)
    }
}

/// The path of a field that need not be given: `"event.id"`.
pub mod field_path_option {
    use serde::{Deserializer, Serializer};
    use vrl::path::OwnedValuePath;

    /// Reads `"event.id"`.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<OwnedValuePath>, D::Error> {
        super::field_path::deserialize(deserializer).map(Some)
    }

    /// Writes `"event.id"`.
    pub fn serialize<S: Serializer>(
        path: &Option<OwnedValuePath>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(path.as_ref().unwrap_or(&OwnedValuePath::root()))
    }
}

/// The paths of fields that need not be given: `["event.id"]`.
pub mod field_paths_option {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use vrl::path::OwnedValuePath;

    #[derive(Deserialize, Serialize)]
    struct FieldPath(#[serde(with = "super::field_path")] OwnedValuePath);

    /// Reads `["event.id"]`.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Vec<OwnedValuePath>>, D::Error> {
        let paths = Vec::<FieldPath>::deserialize(deserializer)?;
        Ok(Some(paths.into_iter().map(|FieldPath(path)| path).collect()))
    }

    /// Writes `["event.id"]`.
    pub fn serialize<S: Serializer>(
        paths: &Option<Vec<OwnedValuePath>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(paths.iter().flatten().cloned().map(FieldPath))
    }
}
