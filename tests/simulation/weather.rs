//! What goes wrong when: spells of trouble, drawn before the simulation begins, so that the proof afterwards knows them.

use std::time::Duration;

use chrono::TimeDelta;
use fake_tenant::{FaultKind, FaultRates};
use pipeline_core::Timestamp;

use crate::{
    dice::{Purpose, dice, happens, span},
    shape::Shape,
    stage::start,
};

/// A kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trouble {
    /// The API refuses connections.
    ApiRefuses,
    /// The API accepts requests and never answers.
    ApiSilent,
    /// The API answers 503.
    ApiUnavailable,
    /// No sign-in.
    SignInDown,
    /// The app's secret is not the right one.
    WrongSecret,
    /// A third of all calls meets one kind of fault.
    Storm(FaultKind),
    /// The ledger refuses everything.
    DiskFull,
    /// The ledger fails every third request, before or after it has done it.
    DiskFlaky,
    /// The ledger takes up to minutes, before or after it has done what was asked.
    DiskSlow,
    /// The sink delivers nothing.
    SinkDown,
    /// The sink fails every fourth event, some of them after it has written it.
    SinkFlaky,
    /// The sink takes nothing, and says nothing of what it has.
    SinkStalled,
    /// The sink takes up to minutes for a batch.
    SinkSlow,
}

/// Each kind of trouble, for counting.
pub(crate) const TROUBLES: [Trouble; 12] = [
    Trouble::ApiRefuses,
    Trouble::ApiSilent,
    Trouble::ApiUnavailable,
    Trouble::SignInDown,
    Trouble::WrongSecret,
    Trouble::DiskFull,
    Trouble::DiskFlaky,
    Trouble::DiskSlow,
    Trouble::SinkDown,
    Trouble::SinkFlaky,
    Trouble::SinkStalled,
    Trouble::SinkSlow,
];

impl Trouble {
    fn draw(dice: &mut fastrand::Rng) -> Trouble {
        if happens(dice, 0.4) {
            return Trouble::Storm(FaultKind::ALL[dice.usize(0..FaultKind::ALL.len() - 1)]);
        }
        TROUBLES[dice.usize(0..TROUBLES.len())]
    }

    /// Whether it can be of one tenant alone; the others are of what tenants share.
    fn can_be_of_one(self) -> bool {
        matches!(
            self,
            Trouble::ApiRefuses
                | Trouble::ApiSilent
                | Trouble::ApiUnavailable
                | Trouble::SignInDown
                | Trouble::WrongSecret
        )
    }
}

/// A span of time with one trouble.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spell {
    pub(crate) trouble: Trouble,
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    /// Only this tenant's; everybody's if not given.
    pub(crate) tenant: Option<usize>,
}

#[derive(Debug)]
pub(crate) struct Weather {
    pub(crate) spells: Vec<Spell>,
    /// How often any fault meets a call outside of storms.
    drizzle: f64,
    calm_from: Timestamp,
    /// When an administrator stops the subscription of which tenant to which of the collected content types.
    stops: Vec<(Timestamp, usize, usize)>,
    /// From when on the local clock is how far ahead of the API's.
    jumps: Vec<(Timestamp, TimeDelta)>,
}

impl Weather {
    pub(crate) fn draw(shape: &Shape) -> Weather {
        let mut dice = dice(shape.seed, Purpose::Weather);
        let last = (shape.calm_from - start()).num_seconds();
        let mut spells = Vec::new();
        for _ in 0..dice.usize(4..24) {
            let from = start() + TimeDelta::seconds(dice.i64(0..last));
            let longest = if happens(&mut dice, 0.1) { 60.0 } else { 8.0 };
            let to = (from + span(&mut dice, 60.0..longest * 3600.0)).min(shape.calm_from);
            let tenant = happens(&mut dice, 0.5).then(|| dice.usize(0..shape.tenants.len()));
            let trouble = Trouble::draw(&mut dice);
            let tenant = tenant.filter(|_| trouble.can_be_of_one());
            spells.push(Spell { trouble, from, to, tenant });
        }
        if let Some((from, to)) = shape.long_outage {
            let kinds = [Trouble::ApiRefuses, Trouble::ApiUnavailable, Trouble::SignInDown];
            let trouble = kinds[dice.usize(0..kinds.len())];
            spells.push(Spell { trouble, from, to, tenant: None });
        }
        let mut stops = Vec::new();
        if happens(&mut dice, 0.3) {
            for _ in 0..dice.usize(1..4) {
                let at = start() + TimeDelta::seconds(dice.i64(0..last));
                stops.push((at, dice.usize(0..shape.tenants.len()), dice.usize(0..5)));
            }
            stops.sort_unstable();
        }
        let drizzle = [0.0, 0.001, 0.004, 0.01][dice.usize(0..4)];
        let jumps = jumps(shape, &mut dice);
        Weather { spells, drizzle, calm_from: shape.calm_from, stops, jumps }
    }

    /// The troubles of one moment that concern a tenant, or with none given, those that are not of one tenant.
    pub(crate) fn at(
        &self,
        now: Timestamp,
        tenant: Option<usize>,
    ) -> impl Iterator<Item = Trouble> + '_ {
        let is_on = move |spell: &&Spell| {
            (spell.from..spell.to).contains(&now)
                && spell.tenant.is_none_or(|it| tenant == Some(it))
        };
        self.spells.iter().filter(is_on).map(|spell| spell.trouble)
    }

    pub(crate) fn is_on(&self, trouble: Trouble, now: Timestamp) -> bool {
        let is_it =
            |spell: &Spell| spell.trouble == trouble && (spell.from..spell.to).contains(&now);
        self.spells.iter().any(is_it)
    }

    /// How often the fake tenants' calls meet faults.
    pub(crate) fn rates(&self, now: Timestamp) -> FaultRates {
        let mut rates = FaultRates::default();
        if now < self.calm_from {
            rates = FaultRates::all(self.drizzle);
            for spell in &self.spells {
                if let Trouble::Storm(kind) = spell.trouble
                    && (spell.from..spell.to).contains(&now)
                {
                    rates.set(kind, 0.33);
                }
            }
        }
        FaultRates {
            hang_for: Duration::from_secs(100),
            slow_by: Duration::from_secs(7),
            retry_after: Duration::from_mins(20),
            ..rates
        }
    }

    /// Subscriptions that were stopped by now: which tenant's, and to which content type.
    pub(crate) fn stops(&self, now: Timestamp) -> &[(Timestamp, usize, usize)] {
        &self.stops[..self.stops.partition_point(|(at, ..)| *at <= now)]
    }

    /// How far the local clock is ahead of the API's.
    pub(crate) fn clock_ahead(&self, now: Timestamp) -> TimeDelta {
        let last = self.jumps.iter().rev().find(|(from, _)| *from <= now);
        last.map_or(TimeDelta::zero(), |(_, ahead)| *ahead)
    }

    /// How often the local clock is set.
    pub(crate) fn jumps(&self) -> usize {
        self.jumps.len()
    }
}

fn jumps(shape: &Shape, dice: &mut fastrand::Rng) -> Vec<(Timestamp, TimeDelta)> {
    let mut jumps = Vec::new();
    if happens(dice, 0.5) {
        let last = (shape.calm_from - start()).num_seconds();
        for _ in 0..dice.usize(1..8) {
            let at = start() + TimeDelta::seconds(dice.i64(0..last));
            let ahead = match dice.u8(0..4) {
                0 => TimeDelta::zero(),
                1 => TimeDelta::seconds(dice.i64(-280..280)),
                2 => TimeDelta::minutes(dice.i64(-300..300)),
                _ => TimeDelta::hours(dice.i64(-200..200)),
            };
            jumps.push((at, ahead));
        }
        jumps.sort_unstable();
    }
    jumps
}
