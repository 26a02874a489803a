//! Where the time of a program went, as a table.

use std::{fmt, time::Duration};

use crate::program::Cost;

/// The costs of a program's statements, the dearest first, over this many records.
pub(super) struct Profile<'a> {
    pub(super) costs: &'a [Cost],
    pub(super) records: u64,
}

impl fmt::Display for Profile<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total: Duration = self.costs.iter().map(|cost| cost.time).sum();
        writeln!(
            formatter,
            "{:>10}  {:>6}  {:>9}  {:>8}  STATEMENT",
            "TOTAL", "SHARE", "RUNS", "EACH"
        )?;
        for Cost { statement, runs, time } in self.costs {
            let share = 100.0 * ratio(time.as_secs_f64(), total.as_secs_f64());
            writeln!(
                formatter,
                "{:>7.0} µs  {share:>4.1} %  {runs:>9}  {:>5.2} µs  {statement}",
                micros(*time),
                ratio(micros(*time), count(*runs)),
            )?;
        }
        let each = ratio(micros(total), count(self.records));
        write!(
            formatter,
            "{:>7.0} µs for {} records, {each:.1} µs each",
            micros(total),
            self.records
        )
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

#[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
fn count(number: u64) -> f64 {
    number as f64
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { part / whole }
}
