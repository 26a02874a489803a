//! How many requests of a sink are under way at the same time, and how many go in a time: the options.

use std::{borrow::Cow, fmt, num::NonZeroU32, num::NonZeroUsize, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Unexpected, Visitor},
};

use super::AimdSettings;

/// Requests under way at the same time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Concurrency {
    /// Always so many.
    Fixed(NonZeroUsize),
    /// As many as the server bears.
    Adaptive(AimdSettings),
}

impl From<NonZeroUsize> for Concurrency {
    fn from(limit: NonZeroUsize) -> Concurrency {
        Concurrency::Fixed(limit)
    }
}

/// The option `concurrency`: a number, or `"adaptive"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConcurrencyOption {
    /// So many.
    Fixed(NonZeroUsize),
    /// What the table `adaptive_concurrency` says.
    Adaptive,
}

const ADAPTIVE: &str = "adaptive";

struct OptionVisitor;

impl Visitor<'_> for OptionVisitor {
    type Value = ConcurrencyOption;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number above 0, or \"adaptive\"")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<ConcurrencyOption, E> {
        let limit = usize::try_from(number).ok().and_then(NonZeroUsize::new);
        limit
            .map(ConcurrencyOption::Fixed)
            .ok_or_else(|| E::invalid_value(Unexpected::Signed(number), &self))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<ConcurrencyOption, E> {
        let limit = usize::try_from(number).ok().and_then(NonZeroUsize::new);
        limit
            .map(ConcurrencyOption::Fixed)
            .ok_or_else(|| E::invalid_value(Unexpected::Unsigned(number), &self))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<ConcurrencyOption, E> {
        if text == ADAPTIVE {
            return Ok(ConcurrencyOption::Adaptive);
        }
        Err(E::custom(format!("`{text}` is not a number above 0, nor \"adaptive\"")))
    }
}

impl<'de> Deserialize<'de> for ConcurrencyOption {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OptionVisitor)
    }
}

impl Serialize for ConcurrencyOption {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            ConcurrencyOption::Fixed(limit) => limit.serialize(serializer),
            ConcurrencyOption::Adaptive => serializer.serialize_str(ADAPTIVE),
        }
    }
}

impl JsonSchema for ConcurrencyOption {
    fn schema_name() -> Cow<'static, str> {
        "ConcurrencyOption".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "integer", "minimum": 1 }, { "const": ADAPTIVE }] })
    }
}

/// So many requests in a time, as `"10/s"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// At most so many.
    pub requests: NonZeroU32,
    /// In any time of this length.
    pub period: Duration,
}

/// A text that is no rate.
#[derive(Debug, thiserror::Error)]
#[error(
    "write a number of requests in a second, a minute or an hour, as \"10/s\", \"300/m\" or \"5000/h\""
)]
pub struct RateError;

const PERIODS: [(&str, Duration); 3] =
    [("s", Duration::from_secs(1)), ("m", Duration::from_mins(1)), ("h", Duration::from_hours(1))];

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Rate, RateError> {
        let (number, unit) = text.split_once('/').ok_or(RateError)?;
        let requests = number.trim().parse().map_err(|_| RateError)?;
        let (_, period) =
            PERIODS.into_iter().find(|(name, _)| *name == unit.trim()).ok_or(RateError)?;
        Ok(Rate { requests, period })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = PERIODS.iter().find(|(_, period)| *period == self.period);
        write!(formatter, "{}/{}", self.requests, unit.map_or("?", |(name, _)| name))
    }
}

impl JsonSchema for Rate {
    fn schema_name() -> Cow<'static, str> {
        "Rate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": r"^\s*[0-9]+\s*/\s*[smh]\s*$", "examples": ["10/s"] })
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error| D::Error::custom(format!("`{text}` is not a rate: {error}")))
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_requests_in_a_unit_of_time() {
        for text in ["1/s", "300/m", "4294967295/h"] {
            assert_eq!(text.parse::<Rate>().expect("a rate").to_string(), text);
        }
        for text in ["", "10", "0/s", "-1/s", "10/d", "1.5/s", "10/", "/s", "4294967296/s"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    #[test]
    fn concurrency_is_a_number_or_adaptive() {
        #[derive(Debug, Deserialize)]
        struct Table {
            concurrency: ConcurrencyOption,
        }
        let read = |value: &str| {
            let table: Result<Table, _> = toml::from_str(&format!("concurrency = {value}"));
            table.map(|table| table.concurrency).map_err(|error| error.message().to_owned())
        };
        assert_eq!(read("\"adaptive\""), Ok(ConcurrencyOption::Adaptive));
        let four = NonZeroUsize::new(4).expect("it is not zero");
        assert_eq!(read("4"), Ok(ConcurrencyOption::Fixed(four)));
        for value in ["0", "-1", "\"fast\"", "true"] {
            let error = read(value).expect_err("it is not a limit");
            assert!(error.contains("a number above 0"), "{error}");
        }
    }

    #[test]
    fn what_remains_of_a_limit_is_a_part_of_it() {
        for (value, is_right) in
            [("0.5", true), ("0.0", false), ("1.0", false), ("-0.5", false), ("nan", false)]
        {
            let table: Result<super::super::AdaptiveConfig, _> =
                toml::from_str(&format!("decrease_ratio = {value}"));
            assert_eq!(table.is_ok(), is_right, "{value}");
        }
    }
}
