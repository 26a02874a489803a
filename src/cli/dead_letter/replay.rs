//! `o365flow dead-letter replay`: sends events on their way again, each from the component that gave it up.
//!
//! A sink's letters go to that sink alone, a transform's through it and what follows, and a source's are read by it once
//! more. They run one component after the other, each as a topology of its own.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use clap::Args;
use pipeline_core::{Clock, Output, RunMode, Shutdown, SourceConfig};

use super::{
    DeadLetterError, Which,
    list::{self, Groups},
    lock, take_files,
};
use crate::{
    cli::{Failure, complain, execute::execute_until, run::block_on, say},
    delivery::{LetterFolder, LetterSource, ReadAgain, Replayed, Selection},
    telemetry::Metrics,
    topology::Intake,
};

/// The folder below `data_dir` for the state of such a run.
const FOLDER: &str = "dead-letter-replay";

/// Send events again: mend the cause first. A letter goes once its event has arrived; one that is refused again stays, with
/// the new reason.
#[derive(Debug, Args)]
pub(super) struct Replay {
    #[command(flatten)]
    which: Which,
    /// Show what would be sent, and send nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Not all has arrived.
#[derive(Debug, thiserror::Error)]
#[error(
    "{rejected} events were refused again, {undelivered} did not arrive, of {unreadable} letters no event can be made; \
     they are dead letters still"
)]
struct LeftError {
    rejected: u64,
    undelivered: u64,
    unreadable: u64,
}

impl Replay {
    pub(super) fn execute(self, clock: &Arc<dyn Clock>) -> Result<(), Failure> {
        let selection = self.which.selection(clock.now());
        if self.dry_run {
            let mut groups = Groups::default();
            list::read(&self.which, &selection, |letter, text| groups.add(letter, text.len()))?;
            say(groups);
            return Ok(());
        }
        let (_, folder) = self.which.load()?;
        let components = self.which.components(&folder)?;
        if components.is_empty() {
            say("there are no dead letters");
            return Ok(());
        }
        let _lock = lock(&folder)?;
        // All at the start: what one component's letters become again is for the next replay.
        let taken: Result<Vec<(String, Vec<PathBuf>)>, DeadLetterError> = components
            .into_iter()
            .map(|component| Ok((component.clone(), take_files(&folder, &component)?)))
            .collect();
        let taken = taken?;
        block_on(self.send_all(taken, &folder, &selection, clock))?
    }

    async fn send_all(
        &self,
        taken: Vec<(String, Vec<PathBuf>)>,
        folder: &LetterFolder,
        selection: &Selection,
        clock: &Arc<dyn Clock>,
    ) -> Result<(), Failure> {
        let (metrics, shutdown) = (Metrics::install()?, Shutdown::new());
        let mut left = LeftError { rejected: 0, undelivered: 0, unreadable: 0 };
        for (component_id, files) in taken {
            if shutdown.is_draining() {
                break;
            }
            let replayed = Arc::default();
            let letters = Letters { folder, files, selection, replayed: Arc::clone(&replayed) };
            let mut loaded = self.which.config.load()?;
            let resumed = loaded.topology.resume(&component_id, |intake| letters.source(intake));
            loaded.topology = resumed.map_err(Failure::usage)?;
            loaded.global.api = None;
            loaded.global.metrics = None;
            loaded.global.dead_letter.lift_bound();
            loaded.global.data_dir = loaded.global.data_dir.join(FOLDER);
            let run = (RunMode::Once, Arc::clone(clock));
            let ended = execute_until(loaded, run, &metrics, &shutdown).await?;
            let replayed: Replayed = *replayed.lock().unwrap_or_else(PoisonError::into_inner);
            show(&component_id, &replayed);
            ended.result?;
            left.rejected += replayed.rejected;
            left.undelivered += replayed.undelivered;
            left.unreadable += replayed.unreadable;
        }
        if left.rejected + left.undelivered + left.unreadable > 0 {
            return Err(left.into());
        }
        Ok(())
    }
}

/// The letters of one component, to be sent.
struct Letters<'a> {
    folder: &'a LetterFolder,
    files: Vec<PathBuf>,
    selection: &'a Selection,
    replayed: Arc<Mutex<Replayed>>,
}

impl Letters<'_> {
    /// The source of what a component takes in.
    fn source(self, intake: Intake) -> Box<dyn SourceConfig> {
        let (outputs, read_again): (Vec<Output>, Arc<ReadAgain>) = match intake {
            Intake::Events(schema) => (vec![Output::main(schema)], Arc::new(event_of)),
            Intake::Records(source) => {
                (source.outputs(), Arc::new(move |record: &[u8]| source.read_record(record)))
            }
        };
        Box::new(LetterSource {
            folder: self.folder.clone(),
            files: self.files,
            selection: self.selection.clone(),
            outputs,
            read_again,
            replayed: self.replayed,
        })
    }
}

fn show(component_id: &str, replayed: &Replayed) {
    let Replayed { delivered, filtered, rejected, undelivered, unreadable } = replayed;
    complain(format_args!(
        "{component_id}: {delivered} delivered, {filtered} filtered out, {rejected} refused again, \
         {undelivered} not delivered, {unreadable} no event"
    ));
}

/// The event in a letter.
fn event_of(letter: &[u8]) -> Option<vrl::value::Value> {
    serde_json::from_slice(letter).ok()
}
