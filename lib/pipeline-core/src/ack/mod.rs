//! Acknowledgements: the one way in which a source learns what became of its events.
//!
//! A source makes one [`AckGroup`] for the events that it sends together. Each event takes an [`EventAck`]; a copy
//! of the event (fan-out, a split) takes a clone of it. Whoever ends a copy's way says what became of it, once,
//! by consuming the `EventAck`. When the last one of the group is gone, the source's [`Receipt`] resolves with the
//! worst [`Outcome`] that was said of each event.
//!
//! Invariant: an `EventAck` that is dropped without a word (a panic, an aborted task, a forgotten event) says
//! [`Outcome::Errored`]. Silence is never taken for success.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll},
};

use tokio::sync::oneshot;

use crate::Withdrawal;

/// What became of one event. Ordered: where copies of an event fare differently, the greatest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Outcome {
    /// Dropped on purpose by a filter or an `abort`; counts as done.
    Filtered = 1,
    /// A sink's server has it for good.
    Delivered = 2,
    /// A sink can never deliver it; it lies in the dead letters. Counts as done.
    Rejected = 3,
    /// Not delivered: the source must send the event again.
    Errored = 4,
}

impl Outcome {
    /// Every outcome, mildest first.
    pub const ALL: [Outcome; 4] =
        [Outcome::Filtered, Outcome::Delivered, Outcome::Rejected, Outcome::Errored];

    fn from_code(code: u8) -> Outcome {
        match code {
            1 => Outcome::Filtered,
            2 => Outcome::Delivered,
            3 => Outcome::Rejected,
            // 4, and 0 for an event whose acknowledgement was never taken: nobody said that it arrived.
            _ => Outcome::Errored,
        }
    }
}

/// The outcomes of a group, one for each event in the order in which their acknowledgements were made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fates(Box<[Outcome]>);

impl Fates {
    /// The outcome of each event, by its number in the group.
    pub fn outcomes(&self) -> &[Outcome] {
        &self.0
    }

    /// How many events ended with `outcome`.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.0.iter().filter(|&&other| other == outcome).count()
    }

    /// Whether no event of the group has to be sent again.
    pub fn is_settled(&self) -> bool {
        self.count(Outcome::Errored) == 0
    }
}

/// The events that one receipt covers. Hand out one acknowledgement for each event, then drop the group.
#[derive(Debug)]
pub struct AckGroup(Arc<Group>);

#[derive(Debug)]
struct Group {
    /// The worst outcome said so far of each event; 0 while nothing was said.
    worst: Box<[AtomicU8]>,
    report: Option<Report>,
}

/// Whom a group tells what became of its events.
enum Report {
    /// The source that made it.
    Source(oneshot::Sender<Fates>),
    /// An observer of the one event in it, and then the event's acknowledgement as it was before.
    Observer(Box<dyn FnOnce(Outcome) + Send + Sync>, EventAck),
}

impl std::fmt::Debug for Report {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Report::Source(_) => "Source",
            Report::Observer(..) => "Observer",
        })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let mut outcomes =
            self.worst.iter().map(|code| Outcome::from_code(code.load(Ordering::Acquire)));
        match self.report.take() {
            // A source that no longer waits has ended, and will send the events again when it is back.
            Some(Report::Source(report)) => drop(report.send(Fates(outcomes.collect()))),
            Some(Report::Observer(observer, ack)) => {
                let outcome = outcomes.next().unwrap_or(Outcome::Errored);
                observer(outcome);
                ack.settle(outcome);
            }
            None => {}
        }
    }
}

impl AckGroup {
    /// Makes a group of `events` events, and the receipt that resolves when all of them are done with.
    pub fn new(events: usize) -> (AckGroup, Receipt) {
        let (report, receipt) = oneshot::channel();
        let worst = (0..events).map(|_| AtomicU8::new(0)).collect();
        let report = Some(Report::Source(report));
        (AckGroup(Arc::new(Group { worst, report })), Receipt(receipt))
    }

    /// The acknowledgement of event number `index` of the group. An event whose acknowledgement is never made
    /// counts as [`Outcome::Errored`].
    ///
    /// # Panics
    /// When `index` is not below the number that the group was made for.
    pub fn ack(&self, index: usize) -> EventAck {
        assert!(
            index < self.0.worst.len(),
            "event {index} is not in a group of {}",
            self.0.worst.len()
        );
        EventAck { group: Some(Arc::clone(&self.0)), index, withdrawal: None }
    }
}

/// The one right to say what became of one copy of an event. Dropping it says [`Outcome::Errored`].
#[must_use = "dropping an acknowledgement says that the event was not delivered"]
#[derive(Debug)]
pub struct EventAck {
    /// Taken when the word is said.
    group: Option<Arc<Group>>,
    index: usize,
    /// Of the sink that has the copy.
    withdrawal: Option<Withdrawal>,
}

impl EventAck {
    /// An acknowledgement that nobody waits for, for events that no source can send again (tests, previews).
    pub fn unattended() -> EventAck {
        EventAck { group: None, index: 0, withdrawal: None }
    }

    /// Once `withdrawal` is told, this copy of the event leaves without a word instead of saying that it was not
    /// delivered.
    pub(crate) fn bind(&mut self, withdrawal: &Withdrawal) {
        self.withdrawal = Some(withdrawal.clone());
    }

    /// The same acknowledgement, of which `observer` learns what became of this copy of the event and of all copies
    /// that are made of it from here on: once, and before the source can.
    ///
    /// The observer is called by whoever settles the last copy: it must be quick, and must not panic.
    pub fn observed(self, observer: impl FnOnce(Outcome) + Send + Sync + 'static) -> EventAck {
        let report = Some(Report::Observer(Box::new(observer), self));
        let group = Group { worst: Box::new([AtomicU8::new(0)]), report };
        EventAck { group: Some(Arc::new(group)), index: 0, withdrawal: None }
    }

    /// Says what became of this copy of the event.
    pub fn settle(mut self, outcome: Outcome) {
        self.say(outcome);
    }

    /// Gives the share up without a word, for a holder whose clones speak for the event from here on.
    pub(crate) fn leave(mut self) {
        self.group = None;
    }

    fn say(&mut self, outcome: Outcome) {
        let is_unwanted = || self.withdrawal.as_ref().is_some_and(Withdrawal::is_told);
        let Some(group) = self.group.take() else { return };
        if outcome != Outcome::Errored || !is_unwanted() {
            group.worst[self.index].fetch_max(outcome as u8, Ordering::AcqRel);
        }
    }
}

impl Clone for EventAck {
    /// A share for another copy of the same event.
    fn clone(&self) -> EventAck {
        EventAck {
            group: self.group.clone(),
            index: self.index,
            withdrawal: self.withdrawal.clone(),
        }
    }
}

impl Drop for EventAck {
    fn drop(&mut self) {
        self.say(Outcome::Errored);
    }
}

/// Resolves with the fates of a group's events when every copy of every one of them is done with.
#[derive(Debug)]
pub struct Receipt(oneshot::Receiver<Fates>);

impl Future for Receipt {
    type Output = Fates;

    fn poll(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Fates> {
        // The group always reports when it is dropped; an empty answer could only mean that nothing is known.
        Pin::new(&mut self.0).poll(ctx).map(|fates| fates.unwrap_or_else(|_| Fates(Box::new([]))))
    }
}

#[cfg(test)]
mod tests;
