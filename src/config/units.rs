//! How durations, sizes and field paths are written in TOML.
//!
//! Each type is for serde's `with`, which takes it for a module; schemars takes the same name for a type, and asks it for
//! what an editor is to accept. No value has such a type.
#![expect(non_camel_case_types, reason = "serde knows them as modules")]

use std::{borrow::Cow, fmt, net::SocketAddr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Unexpected, Visitor},
};
use vrl::path::{OwnedValuePath, parse_value_path};

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
pub enum duration {}

impl duration {
    /// Reads `"30s"`.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        deserializer.deserialize_str(text(
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
pub enum byte_size {}

impl byte_size {
    /// Reads `"10MB"`.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
        let parse = |text: &str| {
            let bytes = text.parse::<bytesize::ByteSize>()?.as_u64();
            usize::try_from(bytes).map_err(|_| "it is larger than memory can be".to_owned())
        };
        deserializer.deserialize_str(text("a size like \"10MB\" or \"8MiB\"", parse))
    }

    /// Writes `"10MB"`.
    pub fn serialize<S: Serializer>(bytes: &usize, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&bytesize::ByteSize(*bytes as u64))
    }
}

/// A part of a whole: a number above 0 and below 1.
pub enum fraction {}

impl fraction {
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
pub enum optional_byte_size {}

impl optional_byte_size {
    /// Reads `"10MB"`.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<usize>, D::Error> {
        byte_size::deserialize(deserializer).map(Some)
    }

    /// Writes `"10MB"`, or nothing.
    pub fn serialize<S: Serializer>(
        bytes: &Option<usize>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match bytes {
            Some(bytes) => byte_size::serialize(bytes, serializer),
            None => serializer.serialize_none(),
        }
    }
}

/// An address to listen at, as `"127.0.0.1:9598"`.
pub enum listen_address {}

impl listen_address {
    /// Reads `"127.0.0.1:9598"`.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
        let expected = "an address with its port, like \"127.0.0.1:9598\"";
        deserializer.deserialize_str(text(expected, str::parse::<SocketAddr>))
    }
}

/// The path of a field in an event, as VRL writes it without the leading dot: `"event.id"`; `""` is the root.
pub enum field_path {}

impl field_path {
    /// Reads `"event.id"`.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<OwnedValuePath, D::Error> {
        deserializer.deserialize_str(text("a field path like \"event.id\"", |text| match text {
            "" => Ok(OwnedValuePath::root()),
            path => parse_value_path(path),
        }))
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
pub enum field_path_option {}

impl field_path_option {
    /// Reads `"event.id"`.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<OwnedValuePath>, D::Error> {
        field_path::deserialize(deserializer).map(Some)
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
pub enum field_paths_option {}

#[derive(Deserialize, Serialize)]
struct FieldPath(#[serde(with = "field_path")] OwnedValuePath);

impl field_paths_option {
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

/// What humantime reads.
const DURATION: &str = r"^\s*(0|([0-9]+(\.[0-9]+)?\s*(nanos|nsec|ns|usec|us|µs|millis|msec|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d|weeks?|wks?|w|months?|M|years?|yrs?|y)\s*)+)\s*$";

/// What bytesize reads.
const BYTE_SIZE: &str = r"^\s*[0-9]+(\.[0-9]+)?\s*([kKmMgGtTpPeE][iI]?)?[bB]?\s*$";

/// Says of each type what an editor is to accept for it.
macro_rules! accepted {
    ($($name:ident: $schema:tt,)*) => { $(
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )* };
}

accepted! {
    duration: {
        "type": "string",
        "pattern": DURATION,
        "examples": ["30s", "5m", "7d"]
    },
    byte_size: {
        "type": "string",
        "pattern": BYTE_SIZE,
        "examples": ["10MB", "8MiB"]
    },
    optional_byte_size: {
        "type": "string",
        "pattern": BYTE_SIZE,
        "examples": ["10MB", "8MiB"]
    },
    fraction: { "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1 },
    listen_address: {
        "type": "string",
        "pattern": r"^([0-9.]+|\[[0-9a-fA-F:.]+\]):[0-9]{1,5}$",
        "examples": ["127.0.0.1:9598"]
    },
    field_path: { "type": "string", "examples": ["event.id"] },
    field_path_option: { "type": "string", "examples": ["event.id"] },
    field_paths_option: { "type": "array", "items": { "type": "string" }, "examples": [["event.id"]] },
}
