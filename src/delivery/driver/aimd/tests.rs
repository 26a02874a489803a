//! The limit against servers that are made up, on a clock that is a number.

use std::{cmp::Reverse, collections::BinaryHeap};

use proptest::prelude::*;

use super::*;

/// A server that works on `capacity` requests side by side; what is more shares it. It refuses a request that finds
/// `refuse_above` others there.
#[derive(Clone, Copy)]
struct Server {
    capacity: usize,
    base_millis: f64,
    /// The part by which an answer can be quicker or slower.
    noise: f64,
    refuse_above: usize,
}

impl Server {
    fn took(&self, under_way: usize, random: &mut fastrand::Rng) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a number of requests")]
        let crowding = (under_way as f64 / self.capacity as f64).max(1.0);
        self.base_millis * crowding * (1.0 + self.noise * (2.0 * random.f64() - 1.0))
    }
}

/// What a sender that always has more to send makes of a server.
struct World {
    aimd: Aimd,
    now_micros: u64,
    /// When each request under way ends, when it began, and whether it is refused then.
    under_way: BinaryHeap<Reverse<(u64, u64, u64, bool)>>,
    rounds: Vec<RoundNumber>,
    random: fastrand::Rng,
    answered: u64,
    refused: u64,
}

fn number(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).expect("it is not zero")
}

fn settings() -> AimdSettings {
    AimdSettings { initial: number(2), max: number(32), decrease_ratio: 0.8 }
}

impl World {
    fn new(seed: u64) -> World {
        World {
            aimd: Aimd::new(settings()),
            now_micros: 0,
            under_way: BinaryHeap::new(),
            rounds: Vec::new(),
            random: fastrand::Rng::with_seed(seed),
            answered: 0,
            refused: 0,
        }
    }

    fn begin(&mut self, server: &Server) {
        let others = self.under_way.len();
        let round = self.aimd.begun(others + 1);
        let is_refused = others >= server.refuse_above;
        let millis = if is_refused { 1.0 } else { server.took(others + 1, &mut self.random) };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time")]
        let end = self.now_micros + (millis * 1000.0) as u64;
        self.rounds.push(round);
        let index = self.rounds.len() as u64 - 1;
        self.under_way.push(Reverse((end, self.now_micros, index, is_refused)));
    }

    /// Sends as much as the limit lets until `requests` more have ended; gives how many were answered in a second.
    fn run(&mut self, server: &Server, requests: u64) -> f64 {
        let (from, answered) = (self.now_micros, self.answered);
        for _ in 0..requests {
            while self.under_way.len() < self.aimd.limit() {
                self.begin(server);
            }
            let Some(Reverse((end, begun, index, is_refused))) = self.under_way.pop() else {
                unreachable!("the limit is never 0")
            };
            self.now_micros = end;
            let round = self.rounds[usize::try_from(index).expect("it is an index")];
            if is_refused {
                self.refused += 1;
                self.aimd.refused(round);
            } else {
                self.answered += 1;
                self.aimd.answered(round, Duration::from_micros(end - begun));
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "numbers of requests and microseconds")]
        let rate = (self.answered - answered) as f64 * 1e6 / (self.now_micros - from) as f64;
        rate
    }
}

const CALM_SERVER: Server =
    Server { capacity: 8, base_millis: 100.0, noise: 0.4, refuse_above: usize::MAX };

#[test]
fn it_finds_what_the_server_bears_and_uses_it() {
    for seed in 0..20 {
        for capacity in [1, 4, 8, 16] {
            let server = Server { capacity, ..CALM_SERVER };
            let mut world = World::new(seed);
            world.run(&server, 2000);
            let mut limits = Vec::new();
            let mut rate = 0.0;
            for _ in 0..100 {
                rate += world.run(&server, 20) / 100.0;
                limits.push(world.aimd.limit());
            }
            #[expect(clippy::cast_precision_loss, reason = "a number of requests")]
            let best = capacity as f64 * 10.0;
            assert!(rate > best * 0.9, "seed {seed}: {rate:.1} of {best} requests a second");
            let most = limits.iter().max().copied().unwrap_or_default();
            assert!(most <= capacity * 3 + 1, "seed {seed}: {most} for {capacity}");
        }
    }
}

#[test]
fn a_server_that_refuses_is_seldom_asked_for_too_much() {
    for seed in 0..20 {
        let server = Server { refuse_above: 6, capacity: 100, ..CALM_SERVER };
        let mut world = World::new(seed);
        world.run(&server, 3000);
        assert!(world.aimd.limit() <= 7, "seed {seed}: {}", world.aimd.limit());
        assert!(world.refused * 10 < world.answered, "seed {seed}: {} refused", world.refused);
        assert!(world.run(&server, 1000) > 40.0, "seed {seed}");
    }
}

#[test]
fn a_server_that_slows_down_gets_less_and_later_all_again() {
    for seed in 0..20 {
        let mut world = World::new(seed);
        world.run(&CALM_SERVER, 2000);
        let slow = Server { base_millis: 500.0, capacity: 2, ..CALM_SERVER };
        world.run(&slow, 200);
        assert!(world.aimd.limit() <= 5, "seed {seed}: {}", world.aimd.limit());
        world.run(&CALM_SERVER, 500);
        let rate = world.run(&CALM_SERVER, 500);
        assert!(rate > 72.0, "seed {seed}: {rate:.1} requests a second");
    }
}

#[test]
fn few_events_say_nothing() {
    let mut aimd = Aimd::new(settings());
    for request in 0_u64..1000 {
        let round = aimd.begun(1);
        // Small requests, then a large one.
        aimd.answered(round, Duration::from_millis(if request % 100 == 99 { 900 } else { 5 }));
        assert_eq!(aimd.limit(), 2);
    }
}

#[test]
fn one_overload_takes_one_step_however_many_requests_it_hits() {
    let settings = AimdSettings { initial: number(10), ..settings() };
    let mut aimd = Aimd::new(settings);
    let rounds: Vec<RoundNumber> = (1..=10).map(|under_way| aimd.begun(under_way)).collect();
    for round in rounds {
        aimd.refused(round);
    }
    assert_eq!(aimd.limit(), 8);
}

proptest! {
    #[test]
    fn the_limit_stays_within_its_bounds(
        words in prop::collection::vec((any::<bool>(), 0_u64..10_000), 0..500),
        initial in 1_usize..40,
        max in 1_usize..40,
        decrease_ratio in 0.01_f64..0.99,
    ) {
        let settings = AimdSettings { initial: number(initial), max: number(max), decrease_ratio };
        let mut aimd = Aimd::new(settings);
        for (is_answer, millis) in words {
            let round = aimd.begun(aimd.limit());
            if is_answer {
                aimd.answered(round, Duration::from_millis(millis));
            } else {
                aimd.refused(round);
            }
            prop_assert!((1..=max).contains(&aimd.limit()));
        }
    }
}
