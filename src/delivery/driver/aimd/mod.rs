//! How many requests at a time a server bears, found out from how it answers. Pure: no clock, no socket.
//!
//! Requests count in rounds: as many answers as the limit allows requests, and some more where it is small. A round in
//! which the limit was reached says something. Answers as quick as they were: one request more. Answers that take much longer than they did, or a word
//! that the server has too much to do: a part less. Additive increase and multiplicative decrease share a server fairly
//! between senders that know nothing of each other.
//!
//! It does not know what a request holds: while few events come the limit is not reached, and nothing is learned.

use std::{num::NonZeroUsize, time::Duration};

/// Answers that take no longer than so many times the best leave room for one request more.
const CALM: f64 = 1.5;

/// Answers that take longer than so many times the best mean that requests wait for each other in the server.
const CROWDED: f64 = 2.0;

/// How much of a difference the best time learns of a round that was quicker.
const LEARN_BETTER: f64 = 0.1;

/// Answers of a round at least: chance must not decide.
const ROUND_ANSWERS_MIN: usize = 8;

/// After so many rounds one goes with a quarter of the requests, to see how quick the server is when it is not crowded. Without
/// it a server that drowns slowly would be taken for one that is slow by nature.
const ROUNDS_PER_LOOK: u32 = 50;

/// The part of the requests that goes when it looks. Half would not do: where twice as many as the server works on take
/// twice as long, half as many again would look like the best.
const LOOK_DIVISOR: usize = 4;

/// Between which limits the limit moves, and how.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AimdSettings {
    /// Where it starts.
    pub initial: NonZeroUsize,
    /// Where it ends at the latest.
    pub max: NonZeroUsize,
    /// What remains of it when the server has too much to do; above 0 and below 1.
    pub decrease_ratio: f64,
}

/// The limit, and what is known of the server.
#[derive(Debug)]
pub(super) struct Aimd {
    settings: AimdSettings,
    limit: usize,
    /// Seconds that the server takes when it is not crowded.
    best: Option<f64>,
    round: Round,
    rounds_until_look: u32,
    /// The limit that holds again after the round that looks.
    looking: Option<usize>,
}

/// A request's round: answers to requests of an earlier one come too late to say anything of the limit now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RoundNumber(u64);

#[derive(Debug)]
struct Round {
    number: RoundNumber,
    is_full: bool,
    answers: u32,
    total: Duration,
}

impl Aimd {
    pub(super) fn new(settings: AimdSettings) -> Aimd {
        let limit = settings.initial.min(settings.max).get();
        Aimd {
            settings,
            limit,
            best: None,
            round: Round::new(RoundNumber(0)),
            rounds_until_look: ROUNDS_PER_LOOK,
            looking: None,
        }
    }

    /// Requests that may be under way.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// A request goes, with which `under_way` are.
    pub(super) fn begun(&mut self, under_way: usize) -> RoundNumber {
        self.round.is_full |= under_way >= self.limit;
        self.round.number
    }

    /// A request of round `number` was answered after `took`.
    pub(super) fn answered(&mut self, number: RoundNumber, took: Duration) {
        if number != self.round.number {
            return;
        }
        self.round.answers += 1;
        self.round.total += took;
        if self.round.answers as usize >= self.limit.max(ROUND_ANSWERS_MIN) {
            self.judge_round();
        }
    }

    /// A request of round `number` was refused because the server has too much to do, or was not answered in time.
    pub(super) fn refused(&mut self, number: RoundNumber) {
        if number == self.round.number {
            self.limit = self.looking.take().unwrap_or(self.limit);
            self.decrease();
            self.begin_round();
        }
    }

    fn judge_round(&mut self) {
        if self.round.is_full {
            let mean = self.round.total.as_secs_f64() / f64::from(self.round.answers);
            self.judge(mean);
        }
        self.begin_round();
    }

    /// `mean` is what answers took in a round that had as many requests as it was allowed.
    fn judge(&mut self, mean: f64) {
        if let Some(limit) = self.looking.take() {
            self.limit = limit;
            self.best = Some(mean);
            return;
        }
        let best = match self.best {
            // A single request waits for no other one of ours.
            Some(best) if self.limit > 1 => best,
            Some(_) | None => *self.best.insert(mean),
        };
        if mean < best {
            self.best = Some(best + (mean - best) * LEARN_BETTER);
        }
        if mean > best * CROWDED {
            self.decrease();
        } else if mean <= best * CALM {
            self.limit = (self.limit + 1).min(self.settings.max.get());
        }
        self.rounds_until_look -= 1;
        if self.rounds_until_look == 0 {
            self.rounds_until_look = ROUNDS_PER_LOOK;
            self.looking = Some(self.limit);
            self.limit = self.limit.div_ceil(LOOK_DIVISOR);
        }
    }

    fn decrease(&mut self) {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a number of requests, and a part of it"
        )]
        let part = (self.limit as f64 * self.settings.decrease_ratio) as usize;
        self.limit = part.min(self.limit - 1).max(1);
    }

    fn begin_round(&mut self) {
        let RoundNumber(number) = self.round.number;
        self.round = Round::new(RoundNumber(number + 1));
    }
}

impl Round {
    fn new(number: RoundNumber) -> Round {
        Round { number, is_full: false, answers: 0, total: Duration::ZERO }
    }
}

#[cfg(test)]
mod tests;
