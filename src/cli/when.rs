//! Times on the command line, `--since` and `--until`: a point, or so long ago.

use std::{ops::Range, str::FromStr, time::Duration};

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta};
use office365::parse_time;
use pipeline_core::Timestamp;

/// A time as a user writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    At(Timestamp),
    Ago(Duration),
}

/// A text that is no time.
#[derive(Debug, thiserror::Error)]
#[error(
    "write a time such as 2026-03-01T12:00:00Z, a day such as 2026-03-01 (UTC), or an age such as 36h or 3d"
)]
pub(super) struct WhenError;

/// Times that make no span.
#[derive(Debug, thiserror::Error)]
pub(super) enum SpanError {
    #[error("the span is empty: --since is not before --until")]
    Empty,
    #[error("--{0} lies in the future")]
    Future(&'static str),
}

/// From `since` to before `until`, or now.
pub(super) fn span(
    since: When,
    until: Option<When>,
    now: Timestamp,
) -> Result<Range<Timestamp>, SpanError> {
    let since = since.resolve(now);
    let until = until.map_or(now, |until| until.resolve(now));
    if since > now {
        return Err(SpanError::Future("since"));
    }
    if until > now {
        return Err(SpanError::Future("until"));
    }
    if since < until { Ok(since..until) } else { Err(SpanError::Empty) }
}

impl When {
    pub(super) fn resolve(self, now: Timestamp) -> Timestamp {
        match self {
            When::At(time) => time,
            When::Ago(age) => TimeDelta::from_std(age)
                .ok()
                .and_then(|age| now.checked_sub_signed(age))
                .unwrap_or(DateTime::UNIX_EPOCH),
        }
    }
}

impl FromStr for When {
    type Err = WhenError;

    /// A time without a zone is UTC.
    fn from_str(text: &str) -> Result<When, WhenError> {
        let text = text.trim();
        if let Some(time) = parse_time(text) {
            return Ok(When::At(time));
        }
        if let Ok(day) = text.parse::<NaiveDate>() {
            return Ok(When::At(day.and_time(NaiveTime::MIN).and_utc()));
        }
        humantime::parse_duration(text).map(When::Ago).map_err(|_| WhenError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_days_and_ages_are_read() {
        let now: Timestamp = "2026-03-08T12:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z"),
            ("2026-03-01T12:00:00+02:00", "2026-03-01T10:00:00Z"),
            ("2026-03-01T12:00:00", "2026-03-01T12:00:00Z"),
            ("2026-03-01", "2026-03-01T00:00:00Z"),
            ("90m", "2026-03-08T10:30:00Z"),
            ("36h", "2026-03-07T00:00:00Z"),
            ("3d", "2026-03-05T12:00:00Z"),
        ] {
            let expected: Timestamp = expected.parse().unwrap();
            assert_eq!(text.parse::<When>().unwrap().resolve(now), expected, "{text}");
        }
        for text in ["", "yesterday", "2026-13-01", "7"] {
            assert!(text.parse::<When>().is_err(), "{text}");
        }
    }
}
