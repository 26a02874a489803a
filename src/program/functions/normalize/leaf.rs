//! One value as the type that its field has for ever.

use std::net::IpAddr;

use bytes::Bytes;
use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat, Utc};
use vrl::prelude::*;

use super::schema::Leaf;
use crate::{fields::Type, program::functions::time::parse_utc};

/// What came of a value.
#[derive(Debug)]
pub(super) enum Read {
    /// It is of the type, or could be made so without loss.
    Fit(Value),
    /// It says nothing: empty text where there should be a number.
    Nothing,
    /// It is not of the type; the value as it was.
    Unfit(Value),
}

impl Leaf {
    /// Reads one value that is no null. Arrays and objects do not fit.
    pub(super) fn read(self, value: Value) -> Read {
        match self.field_type {
            Type::Keyword
            | Type::ConstantKeyword
            | Type::GeoPoint
            | Type::MatchOnlyText
            | Type::Wildcard
            // A description never has these as the type of a value; text is what they would be.
            | Type::Flattened
            | Type::Object => match value {
                nested @ (Value::Array(_) | Value::Object(_) | Value::Null) => Read::Unfit(nested),
                scalar => text(scalar).map_or(Read::Nothing, |text| Read::Fit(Value::Bytes(text))),
            },
            Type::Boolean => typed(value, boolean),
            Type::Code => typed(value, |value| self.code(value)),
            Type::Date => typed(value, date),
            Type::Float => typed(value, float),
            Type::Ip => typed(value, ip),
            Type::Long => typed(value, |value| integer(value).map(Value::Integer)),
        }
    }

    fn code(self, value: &Value) -> Option<Value> {
        let number = integer(value).or_else(|| {
            let name = value.to_str()?.trim();
            self.codes?.get(name).copied()
        });
        number.map(Value::Integer)
    }
}

fn typed(value: Value, read: impl Fn(&Value) -> Option<Value>) -> Read {
    match &value {
        Value::Bytes(text) if text.trim_ascii().is_empty() => Read::Nothing,
        Value::String(text) if text.trim().is_empty() => Read::Nothing,
        _ => read(&value).map_or_else(|| Read::Unfit(value), Read::Fit),
    }
}

/// A value that is not made of others as text, without a copy where it is text.
pub(super) fn text(value: Value) -> Option<Bytes> {
    match value {
        Value::Bytes(text) => Some(text),
        Value::String(text) => Some(text.into_bytes()),
        Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Timestamp(_)
        | Value::Regex(_) => Some(value.to_string_lossy().into_owned().into()),
        Value::Array(_) | Value::Object(_) | Value::Null => None,
    }
}

fn boolean(value: &Value) -> Option<Value> {
    match value {
        Value::Boolean(_) => return Some(value.clone()),
        Value::Integer(0) => return Some(Value::Boolean(false)),
        Value::Integer(1) => return Some(Value::Boolean(true)),
        _ => {}
    }
    let text = value.to_str()?.trim();
    let is = |word: &str| text.eq_ignore_ascii_case(word);
    if is("true") || text == "1" {
        Some(Value::Boolean(true))
    } else if is("false") || text == "0" {
        Some(Value::Boolean(false))
    } else {
        None
    }
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(number) => Some(*number),
        Value::Float(number) => whole(number.into_inner()),
        other => {
            let text = other.to_str()?.trim();
            // Some services write sizes as `1e9` or `1000.0`.
            text.parse().ok().or_else(|| whole(text.parse().ok()?))
        }
    }
}

fn whole(number: f64) -> Option<i64> {
    /// The first number above those of an `i64`: 2^63.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    let fits = number.fract() == 0.0 && (-LIMIT..LIMIT).contains(&number);
    #[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
    fits.then_some(number as i64)
}

fn float(value: &Value) -> Option<Value> {
    let number = match value {
        Value::Float(number) => number.into_inner(),
        #[expect(clippy::cast_precision_loss, reason = "the field is a float for ever")]
        Value::Integer(number) => *number as f64,
        other => other.to_str()?.trim().parse().ok()?,
    };
    if !number.is_finite() {
        return None;
    }
    NotNan::new(number).ok().map(Value::Float)
}

fn ip(value: &Value) -> Option<Value> {
    let text = value.to_str()?.trim();
    text.parse::<IpAddr>().is_ok().then(|| Value::from(text))
}

/// A time as text that an index reads: as it was where that is so, else in UTC.
fn date(value: &Value) -> Option<Value> {
    if let Value::Timestamp(time) = value {
        return written(*time);
    }
    let text = value.to_str()?;
    if is_iso(text) && parse_utc(text).is_some() {
        return Some(value.clone());
    }
    let text = text.trim();
    let time = parse_utc(text).or_else(|| day(text)).or_else(|| invariant(text));
    written(time.or_else(|| json_date(text))?)
}

/// Whether a text that is a time is written in a way that needs no change: `T`, a fraction of at most nine digits, and
/// no zone, `Z`, or hours and minutes.
fn is_iso(text: &str) -> bool {
    let Some((date_time, rest)) = text.split_at_checked(19) else { return false };
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => match digits(fraction) {
            length @ 1..=9 => fraction.get(length..).unwrap_or_default(),
            _ => return false,
        },
        None => rest,
    };
    let is_zone = matches!(zone.as_bytes(), [] | [b'Z'] | [b'+' | b'-', _, _, b':', _, _]);
    is_zone && date_time.as_bytes().get(10) == Some(&b'T')
}

fn day(text: &str) -> Option<DateTime<Utc>> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(date.and_hms_opt(0, 0, 0)?.and_utc())
}

/// The form in which .NET writes times that are for no country.
fn invariant(text: &str) -> Option<DateTime<Utc>> {
    ["%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %H:%M:%S"]
        .into_iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
        .map(|time| time.and_utc())
}

/// The form in which .NET once wrote times in JSON: `/Date(1580000000000)/`.
fn json_date(text: &str) -> Option<DateTime<Utc>> {
    let milliseconds = text.strip_prefix("/Date(")?.strip_suffix(")/")?;
    DateTime::from_timestamp_millis(milliseconds.parse().ok()?)
}

fn written(time: DateTime<Utc>) -> Option<Value> {
    let text = time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    // Years of more or less than four digits have a sign, which an index does not read.
    text.starts_with(|first: char| first.is_ascii_digit()).then(|| Value::from(text))
}
