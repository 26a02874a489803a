//! How often something happened, over one simulation or many: a simulation in which nothing goes wrong proves nothing.

use std::{collections::BTreeMap, fmt};

#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(BTreeMap<String, usize>);

impl Tally {
    pub(crate) fn add(&mut self, what: &str, times: usize) {
        *self.0.entry(what.to_owned()).or_default() += times;
    }

    pub(crate) fn add_all(&mut self, other: &Tally) {
        for (what, times) in &other.0 {
            self.add(what, *times);
        }
    }

    pub(crate) fn of(&self, what: &str) -> usize {
        self.0.get(what).copied().unwrap_or(0)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, times) in &self.0 {
            writeln!(formatter, "{times:10}  {what}")?;
        }
        Ok(())
    }
}
