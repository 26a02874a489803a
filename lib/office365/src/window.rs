//! The span of `contentCreated` that one listing covers.

use std::fmt;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

/// From `start` to before `end`, in whole seconds, at most 24 h: wider ones are refused by the API, or worse, answered
/// with a part of what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    start: DateTime<Utc>,
    end: DateTime<Utc>,
}

/// Why two times make no [`Window`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    #[error("window is empty: it starts at {start} and ends at {end}")]
    Empty { start: DateTime<Utc>, end: DateTime<Utc> },
    #[error("window from {start} to {end} is longer than 24 h")]
    TooLong { start: DateTime<Utc>, end: DateTime<Utc> },
}

impl Window {
    pub const LENGTH_MAX: TimeDelta = TimeDelta::hours(24);

    /// Fractions of a second are cut off both ends, so [`Self::end`] is exactly what was asked for: what lies after it
    /// was not listed.
    pub fn new(start: DateTime<Utc>, end: DateTime<Utc>) -> Result<Self, WindowError> {
        let (start, end) = (start.trunc_subsecs(0), end.trunc_subsecs(0));
        if start >= end {
            return Err(WindowError::Empty { start, end });
        }
        if end - start > Self::LENGTH_MAX {
            return Err(WindowError::TooLong { start, end });
        }
        Ok(Window { start, end })
    }

    /// Included.
    pub fn start(&self) -> DateTime<Utc> {
        self.start
    }

    /// Not included.
    pub fn end(&self) -> DateTime<Utc> {
        self.end
    }

    /// The two parameters of a listing.
    pub(crate) fn query(&self) -> String {
        const FORMAT: &str = "%Y-%m-%dT%H:%M:%S";
        format!("startTime={}&endTime={}", self.start.format(FORMAT), self.end.format(FORMAT))
    }
}

impl fmt::Display for Window {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}..{}", self.start.format("%FT%TZ"), self.end.format("%FT%TZ"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse_time;

    fn window(start: &str, end: &str) -> Result<Window, WindowError> {
        Window::new(parse_time(start).unwrap(), parse_time(end).unwrap())
    }

    #[test]
    fn is_at_most_a_day_and_never_empty() {
        assert!(window("2026-01-01T00:00:00.9", "2026-01-02T00:00:00.1").is_ok());
        assert!(matches!(
            window("2026-01-01T00:00:00", "2026-01-02T00:00:01"),
            Err(WindowError::TooLong { .. })
        ));
        for (start, end) in [
            ("2026-01-01T00:00:01", "2026-01-01T00:00:00"),
            ("2026-01-01T00:00:00.1", "2026-01-01T00:00:00.9"),
        ] {
            assert!(matches!(window(start, end), Err(WindowError::Empty { .. })), "{start}");
        }
    }

    #[test]
    fn asks_for_whole_seconds() {
        let window = window("2026-01-01T00:00:00.5", "2026-01-01T01:00:00.5").unwrap();
        assert_eq!(window.query(), "startTime=2026-01-01T00:00:00&endTime=2026-01-01T01:00:00");
        assert_eq!(window.end(), parse_time("2026-01-01T01:00:00").unwrap());
        assert_eq!(window.to_string(), "2026-01-01T00:00:00Z..2026-01-01T01:00:00Z");
    }
}
