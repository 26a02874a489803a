//! Random reloads under load, drawn from a seed: whatever changes, each event reaches the sinks that stay once.
//!
//! `RELOAD_SEED=17` runs one seed alone.

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use tokio::time::sleep;

use super::rig::{Play, Played};

const SEEDS: std::ops::Range<u64> = 0..12;
const RELOADS: usize = 200;

/// Sinks that come, go and change, beside two that stay.
const OTHERS: usize = 3;

/// Where the events of a sink wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Buffer {
    None,
    Memory,
    Disk { mebibytes: usize },
}

#[derive(Clone, Debug)]
struct Sink {
    input: &'static str,
    buffer: Buffer,
    millis: u64,
    tag: u64,
    is_stuck: bool,
}

/// A topology that is right, but for `is_broken`.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that an edit changes")]
struct Model {
    /// Events in a batch of `a`.
    events: usize,
    has_b: bool,
    program: u64,
    /// Whether a second transform follows the first.
    has_more: bool,
    keeps_buffer: bool,
    others: Vec<Option<Sink>>,
    is_broken: bool,
}

impl Model {
    fn new() -> Model {
        Model {
            events: 2,
            has_b: false,
            program: 0,
            has_more: false,
            keeps_buffer: false,
            others: vec![None; OTHERS],
            is_broken: false,
        }
    }

    /// The number of the sink that does not answer, and holds all others back.
    fn stuck(&self) -> Option<usize> {
        self.others.iter().position(|sink| sink.as_ref().is_some_and(|sink| sink.is_stuck))
    }

    /// Draws a change. What would have to be sent again is not drawn: a sink that does not answer is only taken away.
    fn change(&mut self, dice: &mut fastrand::Rng) {
        self.is_broken = false;
        if let Some(stuck) = self.stuck() {
            self.others[stuck] = None;
            return;
        }
        for _ in 0..dice.usize(1..3) {
            match dice.u8(0..12) {
                0 => self.events = dice.usize(1..4),
                1 => self.has_b ^= true,
                2..4 => self.program += 1,
                4 => self.has_more ^= true,
                5 => self.is_broken = true,
                6 => {}
                _ => {
                    let number = dice.usize(0..OTHERS);
                    self.others[number] = self.draw(number, dice);
                }
            }
        }
        if self.others[0].is_none() && dice.u8(0..8) == 0 {
            let stuck =
                Sink { input: "a", buffer: Buffer::None, millis: 0, tag: 0, is_stuck: true };
            self.others[0] = Some(stuck);
        }
    }

    fn draw(&self, number: usize, dice: &mut fastrand::Rng) -> Option<Sink> {
        let buffer = match dice.u8(0..8) {
            0 => Buffer::Disk { mebibytes: dice.usize(1..3) },
            1..3 => Buffer::Memory,
            _ => Buffer::None,
        };
        let old = self.others[number].clone();
        match (old, dice.u8(0..4)) {
            (Some(_), 0) => None,
            (Some(old), 1) => Some(Sink { tag: old.tag + 1, ..old }),
            (Some(old), 2) => Some(Sink { buffer, ..old }),
            (old, _) => Some(Sink {
                input: dice.choice(&["a", "map"]).expect("there are two"),
                buffer,
                millis: dice.u64(0..30),
                tag: old.map_or(0, |old| old.tag),
                is_stuck: false,
            }),
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        let source = |id: &str, events| {
            format!("[sources.{id}]\ntype = 'ledger'\nevery_millis = 10\nevents = {events}\n")
        };
        text += &source("a", self.events);
        let mut inputs = "'a'";
        if self.has_b {
            text += &source("b", 1);
            inputs = "'a', 'b'";
        }
        let program = self.program;
        write!(
            text,
            "[transforms.map]\ntype = 'remap'\ninputs = [{inputs}]\nsource = '.v = {program}'\n"
        )
        .expect("text");
        let mut last = "map";
        if self.has_more {
            text +=
                "[transforms.more]\ntype = 'remap'\ninputs = ['map']\nsource = '.more = true'\n";
            last = "more";
        }
        text += &sink("mapped", last, "");
        text += &sink("plain", "a", if self.is_broken { "broken = true\n" } else { "" });
        if self.keeps_buffer {
            text += "[sinks.plain.buffer]\ntype = 'disk'\n";
        }
        for (number, other) in self.others.iter().enumerate() {
            let Some(Sink { input, buffer, millis, tag, is_stuck }) = other else { continue };
            let stuck = if *is_stuck { "ending = 'sticks'\n" } else { "" };
            text += &sink(
                &format!("s{number}"),
                input,
                &format!("millis = {millis}\ntag = '{tag}'\n{stuck}"),
            );
            match buffer {
                Buffer::None => {}
                Buffer::Memory => {
                    write!(text, "[sinks.s{number}.buffer]\nmax_events = 20\n").expect("text");
                }
                Buffer::Disk { mebibytes } => {
                    write!(
                        text,
                        "[sinks.s{number}.buffer]\ntype = 'disk'\nmax_bytes = '{mebibytes}MiB'\n"
                    )
                    .expect("text");
                }
            }
        }
        text
    }
}

fn sink(id: &str, input: &str, rest: &str) -> String {
    format!("[sinks.{id}]\ntype = 'script'\ninputs = ['{input}']\n{rest}")
}

/// What was ordered, and what came of it.
#[derive(Default)]
struct Tally {
    done: usize,
    refused: usize,
    stuck: usize,
}

fn simulate(seed: u64) -> (Played, Tally) {
    let mut dice = fastrand::Rng::with_seed(seed);
    let mut model = Model::new();
    model.keeps_buffer = dice.u8(0..4) == 0;
    let mut tally = Tally::default();
    let folder = tempfile::tempdir().expect("a folder");
    let first = model.text();
    let played = Play::CONTINUOUS.run_in(folder.path(), &first, async |stage, _| {
        for _ in 0..RELOADS {
            sleep(Duration::from_millis(dice.u64(0..150))).await;
            let before = model.clone();
            model.change(&mut dice);
            tally.stuck += usize::from(model.stuck().is_some());
            match stage.reload(&model.text()).await {
                Ok(_) => {
                    assert!(!model.is_broken, "seed {seed}");
                    tally.done += 1;
                }
                Err(error) => {
                    assert!(model.is_broken && error.contains("broken"), "seed {seed}: {error}");
                    tally.refused += 1;
                    model = before;
                    model.is_broken = false;
                }
            }
        }
        // So that nothing is left at a sink that does not answer.
        model.others = vec![None; OTHERS];
        stage.reload(&model.text()).await.expect("it is right");
        sleep(Duration::from_secs(5)).await;
        stage.drain();
    });
    (played, tally)
}

fn times(played: &Played, sink: &str) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for name in played.observed.got(sink) {
        *times.entry(name).or_default() += 1;
    }
    times
}

fn check(seed: u64) -> Tally {
    let (played, tally) = simulate(seed);
    assert_eq!(played.result, Ok(()), "seed {seed}");
    let mut sent = BTreeMap::new();
    for source in ["a", "b"] {
        let (next, done, again) = played
            .observed
            .ledger(source, |ledger| (ledger.next, ledger.done.len(), ledger.sent_again.len()));
        assert_eq!((done, again), (next, 0), "seed {seed}: {source}");
        sent.extend((0..next).map(|number| (format!("{source}{number}"), 1)));
    }
    assert_eq!(times(&played, "mapped"), sent, "seed {seed}");
    sent.retain(|name, _| name.starts_with('a'));
    assert_eq!(times(&played, "plain"), sent, "seed {seed}");
    assert!(sent.len() > 1000, "seed {seed}: {}", sent.len());
    for number in 0..OTHERS {
        let sink = format!("s{number}");
        let twice = times(&played, &sink).into_iter().find(|(_, times)| *times > 1);
        assert_eq!(twice, None, "seed {seed}: {sink}");
    }
    for sink in ["mapped", "plain"] {
        assert_eq!(played.observed.starts(sink), 1, "seed {seed}: {sink}");
    }
    tally
}

#[test]
fn each_event_reaches_the_sinks_that_stay_once_whatever_is_reloaded() {
    let only = std::env::var("RELOAD_SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
    let seeds = only.map_or(SEEDS, |seed| seed..seed + 1);
    let mut all = Tally::default();
    for seed in seeds {
        let Tally { done, refused, stuck } = check(seed);
        all = Tally {
            done: all.done + done,
            refused: all.refused + refused,
            stuck: all.stuck + stuck,
        };
    }
    assert!(
        all.done > RELOADS / 2 && all.refused > 0,
        "{} done, {} refused",
        all.done,
        all.refused
    );
    assert!(only.is_some() || all.stuck > 5, "{}", all.stuck);
}
