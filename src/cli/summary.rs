//! What a finished run amounts to, as a table.

use std::{fmt, time::Duration};

use crate::telemetry::Snapshot;

/// What was counted in a run, over all tenants and sinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) blobs_listed: u64,
    pub(super) blobs_fetched: u64,
    pub(super) blobs_delivered: u64,
    pub(super) blobs_lost: u64,
    pub(super) records_in: u64,
    pub(super) duplicates: u64,
    pub(super) events_filtered: u64,
    pub(super) dead_letters: u64,
    /// Events that sinks have confirmed; with several sinks, of all of them together.
    pub(super) events_out: u64,
}

impl Totals {
    pub(super) fn of(snapshot: &Snapshot) -> Totals {
        let blobs = |state| snapshot.sum("o365_blobs_total", &[("state", state)]);
        let discarded = |intentional| {
            snapshot.sum("component_discarded_events_total", &[("intentional", intentional)])
        };
        Totals {
            blobs_listed: blobs("listed"),
            blobs_fetched: blobs("fetched"),
            blobs_delivered: blobs("delivered"),
            blobs_lost: blobs("lost"),
            records_in: snapshot.sum("o365_records_total", &[]),
            duplicates: snapshot.sum("o365_duplicate_records_total", &[]),
            events_filtered: discarded("true"),
            dead_letters: discarded("false"),
            events_out: snapshot.sum("component_sent_events_total", &[("component_kind", "sink")]),
        }
    }

    /// One line for a run under way.
    pub(super) fn progress(&self, seconds: f64) -> String {
        #[expect(clippy::cast_precision_loss, reason = "a rate to look at")]
        let rate = self.records_in as f64 / seconds;
        format!(
            "{} of {} blobs delivered, {} records, {rate:.0} records/s",
            grouped(self.blobs_delivered),
            grouped(self.blobs_listed),
            grouped(self.records_in),
        )
    }
}

/// The table that ends a run.
pub(super) struct Summary {
    pub(super) totals: Totals,
    pub(super) took: Duration,
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let totals = &self.totals;
        let rows = [
            ("blobs listed", totals.blobs_listed),
            ("blobs fetched", totals.blobs_fetched),
            ("blobs delivered", totals.blobs_delivered),
            ("blobs lost", totals.blobs_lost),
            ("records in", totals.records_in),
            ("duplicates removed", totals.duplicates),
            ("events filtered", totals.events_filtered),
            ("dead letters", totals.dead_letters),
            ("records out", totals.events_out),
        ];
        for (name, count) in rows {
            writeln!(formatter, "  {name:<20}{:>14}", grouped(count))?;
        }
        write!(formatter, "  {:<20}{:>14.1}", "seconds", self.took.as_secs_f64())
    }
}

/// A number with its thousands set apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
