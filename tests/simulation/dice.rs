//! Chance, by seed: each purpose has its own, so that more draws for one do not change another.

use std::{ops::Range, time::Duration};

use chrono::TimeDelta;

/// What is drawn for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    Shape,
    Content,
    Weather,
    Lives,
    Network,
    Disk,
    Sink,
    Source,
}

pub(crate) fn dice(seed: u64, purpose: Purpose) -> fastrand::Rng {
    let salt = (purpose as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    fastrand::Rng::with_seed(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ salt)
}

/// Whether something of this chance happens.
pub(crate) fn happens(dice: &mut fastrand::Rng, chance: f64) -> bool {
    dice.f64() < chance
}

/// A span of time from `range`, in seconds; short ones are more frequent.
pub(crate) fn span(dice: &mut fastrand::Rng, range: Range<f64>) -> TimeDelta {
    let (low, high) = (range.start.ln(), range.end.ln());
    let secs = (low + (high - low) * dice.f64()).exp();
    TimeDelta::from_std(Duration::from_secs_f64(secs)).unwrap()
}
