//! When it is time to say that a certificate ends. Pure.

use chrono::{DateTime, TimeDelta, Utc};

/// How far ahead the end of a certificate is told of, in days: time to ask for a new one, to hurry, to drop all else.
const NOTICE_DAYS: [i64; 3] = [30, 7, 1];

/// What there is to say about a certificate's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Notice {
    /// It ends within so many days. The more urgent is the greater.
    Within(std::cmp::Reverse<i64>),
    Expired,
}

/// Remembers what was said of one certificate, so that each notice is given once.
#[derive(Debug, Default)]
pub(super) struct Notices {
    last: Option<Notice>,
}

impl Notices {
    /// What has to be said now. A clock that is set back repeats nothing.
    pub(super) fn next(&mut self, not_after: DateTime<Utc>, now: DateTime<Utc>) -> Option<Notice> {
        let notice = notice(not_after - now)?;
        if self.last.is_some_and(|last| last >= notice) {
            return None;
        }
        self.last = Some(notice);
        Some(notice)
    }
}

fn notice(left: TimeDelta) -> Option<Notice> {
    if left <= TimeDelta::zero() {
        return Some(Notice::Expired);
    }
    let within = NOTICE_DAYS.into_iter().rev().find(|days| left <= TimeDelta::days(*days))?;
    Some(Notice::Within(std::cmp::Reverse(within)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The notices of looks so many hours before the end.
    fn check(hours_left: &[i64], expected: &str) {
        let end = DateTime::UNIX_EPOCH;
        let mut notices = Notices::default();
        let given: Vec<String> = hours_left
            .iter()
            .filter_map(|hours| notices.next(end, end - TimeDelta::hours(*hours)))
            .map(|notice| match notice {
                Notice::Within(days) => days.0.to_string(),
                Notice::Expired => "expired".to_owned(),
            })
            .collect();
        assert_eq!(given.join(" "), expected, "{hours_left:?}");
    }

    #[test]
    fn each_notice_is_given_once() {
        check(&[10_000, 721], "");
        check(&[721, 720, 719, 400, 169, 168, 167, 25, 24, 23, 1, 0, -1, -500], "30 7 1 expired");
        check(&[100], "7");
        check(&[20, 20], "1");
        check(&[-5], "expired");
        check(&[20, 200, 700, 20, -1, 20], "1 expired");
    }
}
