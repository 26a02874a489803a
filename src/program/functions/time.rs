//! `parse_utc`: the date-times of audit records, which carry no zone and mean UTC.
//!
//! VRL's `parse_timestamp` wants one format, fails where it does not fit, and takes the machine's zone where the text
//! has none.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use vrl::prelude::*;

use super::call::call;

/// `parse_utc(value)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct ParseUtc;

impl Function for ParseUtc {
    fn identifier(&self) -> &'static str {
        "parse_utc"
    }

    fn summary(&self) -> &'static str {
        "a date-time that is UTC unless it says otherwise"
    }

    fn usage(&self) -> &'static str {
        "Reads a date-time like `2024-02-07T20:49:49`, with `T` or a space, with or without a fraction of any length \
         (nanoseconds count), with or without a zone (`Z`, `+01:00`). Without one it is UTC. Anything else gives null."
    }

    fn category(&self) -> &'static str {
        Category::Timestamp.as_ref()
    }

    fn return_kind(&self) -> u16 {
        kind::TIMESTAMP | kind::NULL
    }

    fn parameters(&self) -> &'static [Parameter] {
        const PARAMETERS: &[Parameter] =
            &[Parameter::required("value", kind::ANY, "The text to read.")];
        PARAMETERS
    }

    fn examples(&self) -> &'static [Example] {
        &[
            example! {
                title: "Without a zone",
                source: r#"parse_utc("2024-02-07T20:49:49")"#,
                result: Ok("t'2024-02-07T20:49:49Z'"),
            },
            example! {
                title: "With a fraction and a zone",
                source: r#"parse_utc("2024-02-07 21:49:49.1234567+01:00")"#,
                result: Ok("t'2024-02-07T20:49:49.123456700Z'"),
            },
            example! {
                title: "Something else",
                source: r#"parse_utc("yesterday")"#,
                result: Ok("null"),
            },
        ]
    }

    fn compile(
        &self,
        _state: &TypeState,
        _context: &mut FunctionCompileContext,
        arguments: ArgumentList,
    ) -> Compiled {
        Ok(call(&arguments, utc_or_null, TypeDef::timestamp().or_null()))
    }
}

fn utc_or_null(value: &Value) -> Value {
    match value {
        Value::Timestamp(time) => Value::Timestamp(*time),
        other => other
            .to_str()
            .and_then(|text| parse_utc(text.trim()))
            .map_or(Value::Null, Value::Timestamp),
    }
}

/// Reads `YYYY-MM-DD`, `T` or a space, `HH:MM:SS`, perhaps a fraction, perhaps a zone.
pub(super) fn parse_utc(text: &str) -> Option<DateTime<Utc>> {
    // Only ASCII can match, and lets every index below be a character's.
    if !text.is_ascii() || text.len() < 19 {
        return None;
    }
    let (date_time, rest) = text.split_at(19);
    let bytes = date_time.as_bytes();
    let separated = bytes[4] == b'-'
        && bytes[7] == b'-'
        && matches!(bytes[10], b'T' | b't' | b' ')
        && bytes[13] == b':'
        && bytes[16] == b':';
    if !separated {
        return None;
    }
    let number = |range: std::ops::Range<usize>| digits(&date_time[range]);
    let year = i32::try_from(number(0..4)?).ok()?;
    let date = NaiveDate::from_ymd_opt(year, number(5..7)?, number(8..10)?)?;
    let (nanoseconds, zone) = fraction(rest)?;
    let time =
        date.and_hms_nano_opt(number(11..13)?, number(14..16)?, number(17..19)?, nanoseconds)?;
    time.and_utc().checked_sub_signed(offset(zone)?)
}

/// The nanoseconds of a fraction that may stand at the start of `text`, and what follows it.
fn fraction(text: &str) -> Option<(u32, &str)> {
    let Some(fraction) = text.strip_prefix('.') else { return Some((0, text)) };
    let length = fraction.bytes().take_while(u8::is_ascii_digit).count();
    let (fraction, rest) = fraction.split_at(length);
    let counted = &fraction[..length.min(9)];
    let scale = 10_u32.pow(u32::try_from(9 - counted.len()).ok()?);
    Some((digits(counted)? * scale, rest))
}

/// How far a zone's time is ahead of UTC.
fn offset(zone: &str) -> Option<TimeDelta> {
    let sign = match zone.bytes().next() {
        None => return Some(TimeDelta::zero()),
        Some(b'Z' | b'z') if zone.len() == 1 => return Some(TimeDelta::zero()),
        Some(b'+') => 1,
        Some(b'-') => -1,
        Some(_) => return None,
    };
    let (hours, minutes) = match zone.len() {
        6 if zone.as_bytes()[3] == b':' => (digits(&zone[1..3])?, digits(&zone[4..6])?),
        5 => (digits(&zone[1..3])?, digits(&zone[3..5])?),
        3 => (digits(&zone[1..3])?, 0),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then(|| TimeDelta::minutes(sign * i64::from(hours * 60 + minutes)))
}

/// The number that `text` writes in decimal digits alone.
fn digits(text: &str) -> Option<u32> {
    let all_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| text.parse().ok())?
}
