//! What a seed decides once: how many tenants, which feeds, how long blobs live, how the source is set.

use std::time::Duration;

use chrono::TimeDelta;
use fake_tenant::ContentType;
use pipeline_core::Timestamp;

use crate::{
    dice::{Purpose, dice, happens},
    stage::{CONTOSO, FABRIKAM, start},
};

const DAY: TimeDelta = TimeDelta::days(1);

/// After the last trouble there is this much time to make up for everything: a listing of all that the API lists, and the
/// longest wait of a blob.
const CALM: TimeDelta = TimeDelta::hours(16);

#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) seed: u64,
    /// Id and name of each.
    pub(crate) tenants: Vec<(&'static str, &'static str)>,
    /// Of each tenant, what it has content of. The source collects all of it from all.
    pub(crate) content_types: Vec<Vec<ContentType>>,
    pub(crate) blob_life: TimeDelta,
    /// A time without the API that is longer than the life of a blob, and than the API lists.
    pub(crate) long_outage: Option<(Timestamp, Timestamp)>,
    pub(crate) content_from: Timestamp,
    pub(crate) content_until: Timestamp,
    /// Nothing goes wrong from here on.
    pub(crate) calm_from: Timestamp,
    pub(crate) end: Timestamp,
    /// Zero: off.
    pub(crate) dedupe_window: Duration,
    pub(crate) page_size: usize,
    pub(crate) gzip: bool,
}

impl Shape {
    pub(crate) fn draw(seed: u64) -> Shape {
        let mut dice = dice(seed, Purpose::Shape);
        let mut tenants = vec![(CONTOSO, "contoso")];
        if happens(&mut dice, 0.4) {
            tenants.push((FABRIKAM, "fabrikam"));
        }
        let mut collected = ContentType::ALL.to_vec();
        dice.shuffle(&mut collected);
        collected.truncate(dice.usize(1..=3));
        let content_types = tenants
            .iter()
            .map(|_| {
                let mut own = collected.clone();
                dice.shuffle(&mut own);
                own.truncate(dice.usize(1..=2));
                own
            })
            .collect();
        let blob_life =
            if happens(&mut dice, 0.7) { DAY * 7 } else { TimeDelta::hours(dice.i64(30..72)) };
        let week = start() + DAY * 7;
        let long_outage = happens(&mut dice, 0.06).then(|| {
            let from = start() + TimeDelta::hours(dice.i64(1..72));
            (from, from + TimeDelta::hours(dice.i64(172..220)))
        });
        let calm_from = long_outage.map_or(week, |(_, to)| week.max(to + TimeDelta::hours(6)));
        let dedupe_window = match dice.u8(..) {
            0..20 => Duration::ZERO,
            20..120 => Duration::from_hours(30 * 24),
            120.. => Duration::from_hours(7 * 24),
        };
        Shape {
            seed,
            tenants,
            content_types,
            blob_life,
            long_outage,
            content_from: start() - TimeDelta::hours(dice.i64(0..60)),
            // The last late blob has turned up when the calm begins.
            content_until: calm_from - TimeDelta::hours(dice.i64(2..30)),
            calm_from,
            end: calm_from + CALM,
            dedupe_window,
            page_size: dice.usize(2..40),
            gzip: dice.bool(),
        }
    }

    /// What the source is told to collect: of every tenant all that any has.
    pub(crate) fn collected(&self) -> Vec<office365::ContentType> {
        let is_there = |name: &str| {
            self.content_types.iter().flatten().any(|content_type| content_type.name() == name)
        };
        office365::ContentType::ALL.into_iter().filter(|it| is_there(it.name())).collect()
    }
}
