//! Times as the API writes them: UTC, with or without saying so, with 0 to 7 digits of fraction.

use chrono::{DateTime, NaiveDateTime, Utc};

/// Reads a time of a listing or a record. One without a zone is UTC; other zones are converted.
pub fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc());
    }
    NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok().map(|time| time.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form_as_utc() {
        for text in [
            "2015-06-29T20:03:19",
            "2015-06-29T20:03:19Z",
            "2015-06-29T20:03:19.000Z",
            "2015-06-29T20:03:19.0000000",
            " 2015-06-29T22:03:19+02:00 ",
        ] {
            assert_eq!(
                parse_time(text).map(|time| time.timestamp()),
                Some(1_435_608_199),
                "{text}"
            );
        }
        let fraction = parse_time("2015-06-29T20:03:19.1234567").unwrap();
        assert_eq!(fraction.timestamp_subsec_nanos(), 123_456_700);
        for text in
            ["", "yesterday", "2015-06-29", "2015-13-29T20:03:19", "99999999-01-01T00:00:00"]
        {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }
}
