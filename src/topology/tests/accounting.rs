//! Any topology accounts for every event exactly once, as following the rules by hand says.
//!
//! Random graphs are run for real; [`Model`] follows each batch through the same graph one node at a time.

use std::fmt::Write;

use pipeline_core::Outcome;
use proptest::{prelude::*, sample::Index, test_runner::RngSeed};

use super::{
    rig::{Play, Played},
    steps::{Action, Word},
};

const SOURCES_MAX: usize = 3;

/// A transform, and what it reads: outputs of what stands before it.
#[derive(Clone, Debug)]
struct Transform {
    /// Real remaps and scripted transforms do the same.
    is_remap: bool,
    action: Action,
    every: u64,
    rest: u64,
    reads: Vec<Index>,
}

#[derive(Clone, Debug)]
struct Sink {
    verdicts: Vec<Word>,
    reads: Vec<Index>,
}

#[derive(Clone, Debug)]
struct Shape {
    /// Batches and events in a batch of each source.
    sources: Vec<(usize, usize)>,
    transforms: Vec<Transform>,
    sinks: Vec<Sink>,
}

/// An output of a component, as `inputs` names it: component by number, sources first, and whether it is `dropped`.
type Port = (usize, bool);

/// The shape with its edges: what each transform and sink reads.
struct Model {
    shape: Shape,
    reads: Vec<Vec<Port>>,
}

/// What a run has to amount to.
#[derive(Default)]
struct Predicted {
    /// By source and event, the worst outcome; nothing while nothing was said.
    fates: Vec<Vec<Option<Outcome>>>,
    got: Vec<Vec<String>>,
    letters: usize,
}

/// Events of one source, by their numbers.
#[derive(Clone)]
struct Batch {
    source: usize,
    numbers: Vec<u64>,
}

impl Model {
    fn new(shape: Shape) -> Model {
        let first = shape.sources.len();
        let mut ports: Vec<Port> = (0..first).map(|source| (source, false)).collect();
        let mut reads = vec![Vec::new(); first];
        let choose = |ports: &[Port], chosen: &[Index]| {
            let mut found: Vec<Port> =
                chosen.iter().map(|index| ports[index.index(ports.len())]).collect();
            found.sort_unstable();
            found.dedup();
            found
        };
        for (number, transform) in shape.transforms.iter().enumerate() {
            reads.push(choose(&ports, &transform.reads));
            ports.extend([(first + number, false), (first + number, true)]);
        }
        for sink in &shape.sinks {
            reads.push(choose(&ports, &sink.reads));
        }
        // All that nothing reads yet goes to the last sink, but for what becomes dead letters.
        let unread = |port: &Port| !port.1 && !reads.iter().flatten().any(|read| read == port);
        let rest: Vec<Port> = ports.iter().copied().filter(unread).collect();
        reads.last_mut().expect("there is a sink").extend(rest);
        Model { shape, reads }
    }

    fn toml(&self) -> String {
        let mut text = String::new();
        let mut write = |line: String| writeln!(text, "{line}").expect("a String takes all");
        let inputs = |node: usize| {
            let name = |&(node, dropped): &Port| {
                format!("'n{node}{}'", if dropped { ".dropped" } else { "" })
            };
            format!(
                "inputs = [{}]",
                self.reads[node].iter().map(name).collect::<Vec<_>>().join(", ")
            )
        };
        for (node, (batches, events)) in self.shape.sources.iter().enumerate() {
            write(format!(
                "[sources.n{node}]\ntype = 'script'\nbatches = {batches}\nevents = {events}"
            ));
        }
        let transforms = self.shape.transforms.iter().enumerate();
        for (node, transform) in transforms.map(|(at, it)| (self.shape.sources.len() + at, it)) {
            write(format!("[transforms.n{node}]\n{}\n{}", inputs(node), transform.toml()));
        }
        for (at, sink) in self.shape.sinks.iter().enumerate() {
            let node = self.reads.len() - self.shape.sinks.len() + at;
            let words: Vec<String> =
                sink.verdicts.iter().map(|word| format!("'{word:?}'").to_lowercase()).collect();
            write(format!(
                "[sinks.n{node}]\ntype = 'script'\n{}\nverdicts = [{}]",
                inputs(node),
                words.join(", ")
            ));
        }
        text
    }

    fn predict(&self) -> Predicted {
        let mut predicted = Predicted {
            fates: self
                .shape
                .sources
                .iter()
                .map(|(batches, events)| vec![None; batches * events])
                .collect(),
            got: vec![Vec::new(); self.reads.len()],
            letters: 0,
        };
        for (source, &(batches, events)) in self.shape.sources.iter().enumerate() {
            for batch in 0..batches {
                let numbers = (batch * events..(batch + 1) * events).map(|number| number as u64);
                let batch = Batch { source, numbers: numbers.collect() };
                self.leave((source, false), &batch, &mut predicted);
            }
        }
        predicted
    }

    fn readers(&self, port: Port) -> Vec<usize> {
        (0..self.reads.len()).filter(|&node| self.reads[node].contains(&port)).collect()
    }

    fn transform(&self, node: usize) -> Option<&Transform> {
        self.shape.transforms.get(node.checked_sub(self.shape.sources.len())?)
    }

    /// Hands a batch to all that read a port.
    fn leave(&self, port: Port, batch: &Batch, predicted: &mut Predicted) {
        let readers = self.readers(port);
        if readers.is_empty() {
            predicted.letters += batch.numbers.len();
            predicted.say(batch, |_| Outcome::Rejected);
        }
        for reader in readers {
            if self.transform(reader).is_some() {
                self.pass(reader, batch, predicted);
                continue;
            }
            let name = |number| format!("n{}{number}", batch.source);
            predicted.got[reader].extend(batch.numbers.iter().map(name));
            let first = self.reads.len() - self.shape.sinks.len();
            let verdicts = &self.shape.sinks[reader - first].verdicts;
            let at = |number: u64| usize::try_from(number).expect("small") % verdicts.len();
            predicted.say(batch, |number| verdicts[at(number)].outcome());
        }
    }

    /// Takes a batch through a chain of fused transforms. A panic costs all of it that has not left the chain.
    fn pass(&self, first: usize, batch: &Batch, predicted: &mut Predicted) {
        let mut current = batch.clone();
        let mut left: Vec<(Port, Batch)> = Vec::new();
        let mut node = first;
        loop {
            let transform = self.transform(node).expect("a chain is of transforms");
            let is_chosen = |number: &u64| number % transform.every == transform.rest;
            let (chosen, mut others): (Vec<u64>, Vec<u64>) =
                current.numbers.iter().partition(|number| is_chosen(number));
            let chosen = Batch { numbers: chosen, ..current };
            match transform.action {
                Action::Filter => predicted.say(&chosen, |_| Outcome::Filtered),
                Action::Forget => predicted.say(&chosen, |_| Outcome::Errored),
                Action::Drop => left.push(((node, true), chosen)),
                Action::Split => {
                    others.extend(chosen.numbers.iter().flat_map(|&number| [number; 2]));
                }
                Action::Panic if chosen.numbers.is_empty() => {}
                Action::Panic => {
                    predicted.say(&current, |_| Outcome::Errored);
                    for (_, batch) in left {
                        predicted.say(&batch, |_| Outcome::Errored);
                    }
                    return;
                }
            }
            current.numbers = others;
            match self.readers((node, false)).as_slice() {
                &[next] if self.transform(next).is_some() && self.reads[next].len() == 1 => {
                    node = next;
                }
                _ => break,
            }
        }
        left.push(((node, false), current));
        for (port, batch) in left {
            self.leave(port, &batch, predicted);
        }
    }

    fn check(&self, played: &Played) {
        let toml = self.toml();
        let predicted = self.predict();
        assert_eq!(played.result, Ok(()), "{toml}");
        for (source, expected) in predicted.fates.iter().enumerate() {
            let settled = played.observed.settled(&format!("n{source}"));
            assert_eq!(settled.len(), self.shape.sources[source].0, "{toml}");
            let fates: Vec<Outcome> =
                settled.iter().flat_map(|settled| settled.fates.outcomes().to_vec()).collect();
            let expected: Vec<Outcome> =
                expected.iter().map(|fate| fate.expect("every event is accounted for")).collect();
            assert_eq!(fates, expected, "source n{source} of\n{toml}");
        }
        for (node, mut expected) in predicted.got.into_iter().enumerate() {
            let mut got = played.observed.got(&format!("n{node}"));
            got.sort();
            expected.sort();
            assert_eq!(got, expected, "sink n{node} of\n{toml}");
        }
        assert_eq!(played.observed.letters.kept(), predicted.letters, "{toml}");
    }
}

impl Predicted {
    fn say(&mut self, batch: &Batch, outcome: impl Fn(u64) -> Outcome) {
        for &number in &batch.numbers {
            let at = usize::try_from(number).expect("a small number");
            let fate = &mut self.fates[batch.source][at];
            *fate = (*fate).max(Some(outcome(number)));
        }
    }
}

impl Transform {
    fn toml(&self) -> String {
        let Transform { every, rest, action, .. } = self;
        let program = match action {
            Action::Filter => "abort",
            Action::Drop => "to_int!(\"no number\")",
            Action::Split => ". = [., .]",
            Action::Forget | Action::Panic => "",
        };
        if self.is_remap && !program.is_empty() {
            return format!(
                "type = 'remap'\nsource = 'if mod!(.n, {every}) == {rest} {{ {program} }}'"
            );
        }
        let action = format!("{action:?}").to_lowercase();
        format!("type = 'act'\nevery = {every}\nrest = {rest}\naction = '{action}'")
    }
}

fn reads() -> impl Strategy<Value = Vec<Index>> {
    prop::collection::vec(any::<Index>(), 1..=3)
}

fn shapes() -> impl Strategy<Value = Shape> {
    let action = prop::sample::select(vec![
        Action::Filter,
        Action::Drop,
        Action::Split,
        Action::Forget,
        Action::Panic,
    ]);
    let transform = (any::<bool>(), action, 2..12_u64, any::<Index>(), reads()).prop_map(
        |(is_remap, action, every, rest, reads)| {
            let rest = rest.index(usize::try_from(every).expect("a small number")) as u64;
            Transform { is_remap, action, every, rest, reads }
        },
    );
    let words =
        vec![Word::Delivered, Word::Delivered, Word::Rejected, Word::Errored, Word::Silence];
    let verdicts = prop::collection::vec(prop::sample::select(words), 1..=7);
    let sink = (verdicts, reads()).prop_map(|(verdicts, reads)| Sink { verdicts, reads });
    (
        prop::collection::vec((0..12_usize, 1..12_usize), 1..=SOURCES_MAX),
        prop::collection::vec(transform, 0..=6),
        prop::collection::vec(sink, 1..=3),
    )
        .prop_map(|(sources, transforms, sinks)| Shape { sources, transforms, sinks })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, rng_seed: RngSeed::Fixed(365), ..ProptestConfig::default() })]

    #[test]
    fn every_event_is_accounted_for_exactly_once(shape in shapes(), workers_max in 1..5_usize, letters_failing in 0..3_usize) {
        let model = Model::new(shape);
        let play = Play { workers_max, letters_failing, ..Play::PLAIN };
        model.check(&play.run(&model.toml(), async |_, _| {}));
    }
}
