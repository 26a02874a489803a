//! Says in the log that events are rejected: at once, and then with a sum every minute; never for each request.
//!
//! Never the reasons: what a server says of an event can quote it.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use pipeline_core::{ComponentId, DeadLetter, LetterKind};
use tokio::time::Instant;
use tracing::{debug, warn};

/// How often a stream of rejections is mentioned.
const TELL_INTERVAL: Duration = Duration::from_mins(1);

/// What was rejected since the log last said so.
#[derive(Debug)]
pub(super) struct Rejections {
    component_id: ComponentId,
    untold: Mutex<Untold>,
}

#[derive(Debug, Default)]
struct Untold {
    counts: [usize; LetterKind::ALL.len()],
    told_at: Option<Instant>,
}

impl Rejections {
    pub(super) fn new(component_id: ComponentId) -> Rejections {
        Rejections { component_id, untold: Mutex::default() }
    }

    /// These events are about to become dead letters.
    pub(super) fn add(&self, letters: &[DeadLetter]) {
        let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
        for (count, kind) in untold.counts.iter_mut().zip(LetterKind::ALL) {
            *count += letters.iter().filter(|letter| letter.kind == kind).count();
        }
        let component_id = &self.component_id;
        if untold.told_at.is_some_and(|at| at.elapsed() < TELL_INTERVAL) {
            debug!(%component_id, events = letters.len(), "events go to the dead letters");
            return;
        }
        let (events, kinds) = (untold.counts.iter().sum::<usize>(), shown(&untold.counts));
        *untold = Untold { told_at: Some(Instant::now()), ..Untold::default() };
        warn!(%component_id, events, kinds, "events can never be delivered and go to the dead letters, each with its reason");
    }
}

/// The counts that are not 0, each with its kind.
fn shown(counts: &[usize; LetterKind::ALL.len()]) -> String {
    let counts = LetterKind::ALL.into_iter().zip(counts).filter(|(_, count)| **count > 0);
    counts.map(|(kind, count)| format!("{}={count}", kind.as_str())).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_shown_with_their_counts() {
        let mut counts = [0; LetterKind::ALL.len()];
        assert_eq!(shown(&counts), "");
        counts[0] = 2;
        counts[5] = 7;
        assert_eq!(shown(&counts), "unreadable=2 mapping_conflict=7");
    }
}
