//! `o365flow dead-letter`: what could not be delivered. Shows it, sends it again, throws it away.
//!
//! Invariant: safe beside a running o365flow, which goes on writing letters meanwhile; only those that were there at the
//! start are taken.

mod list;
mod replay;
mod shape;

use std::{io, path::PathBuf, sync::Arc};

use clap::{Args, Subcommand};
use pipeline_core::{Clock, LetterKind, Timestamp};

use super::{
    Failure,
    load::{ConfigFiles, Loaded},
    say,
    scope::listed,
    when::When,
};
use crate::delivery::{LetterFile, LetterFolder, LetterReader, LetterTaker, Selection};

/// Show events that could not be delivered, send them again, or throw them away.
#[derive(Debug, Args)]
pub(super) struct DeadLetter {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    List(list::List),
    Replay(replay::Replay),
    /// Throw letters away. Their events are lost.
    Discard {
        #[command(flatten)]
        which: Which,
        /// Yes, lose them.
        #[arg(long)]
        yes: bool,
    },
}

/// Which letters are meant: all where nothing is named.
#[derive(Clone, Debug, Args)]
struct Which {
    #[command(flatten)]
    config: ConfigFiles,
    /// Only letters of this source, transform or sink, by its id; may be given several times.
    #[arg(long = "component", value_name = "ID")]
    components: Vec<String>,
    /// Only letters of this time and later: a time, a day (UTC), or an age such as 36h or 3d.
    #[arg(long, value_name = "TIME")]
    since: Option<When>,
    /// Only letters of before this time.
    #[arg(long, value_name = "TIME")]
    until: Option<When>,
    /// Only letters of this kind, such as `mapping_conflict`; may be given several times.
    #[arg(long = "kind", value_name = "KIND", value_parser = kind_of)]
    kinds: Vec<LetterKind>,
}

/// A text that names no kind.
#[derive(Debug, thiserror::Error)]
#[error("there is no such kind; there are: {0}")]
struct KindError(String);

/// Why nothing is done.
#[derive(Debug, thiserror::Error)]
enum DeadLetterError {
    #[error("there are no letters of `{name}`; there are some of: {known}")]
    NoLetters { name: String, known: String },
    #[error("what is discarded is lost; add --yes if that is what you want")]
    NotConfirmed,
    #[error("cannot read the dead letters in `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot take dead letters out of `{}`; does another replay run?", path.display())]
    Lock { path: PathBuf, source: io::Error },
    #[error("cannot discard letters of `{}`", path.display())]
    Discard { path: PathBuf, source: io::Error },
}

fn kind_of(name: &str) -> Result<LetterKind, KindError> {
    let known = || LetterKind::ALL.map(LetterKind::as_str).join(", ");
    LetterKind::of_name(name).ok_or_else(|| KindError(known()))
}

impl DeadLetter {
    pub(super) fn execute(self, clock: &Arc<dyn Clock>) -> Result<(), Failure> {
        match self.action {
            Action::List(list) => list.execute(clock.now()),
            Action::Replay(replay) => replay.execute(clock),
            Action::Discard { yes: false, .. } => {
                Err(Failure::usage(DeadLetterError::NotConfirmed))
            }
            Action::Discard { which, yes: true } => discard(&which, clock.now()),
        }
    }
}

impl Which {
    fn load(&self) -> Result<(Loaded, LetterFolder), Failure> {
        let loaded = self.config.load()?;
        let folder = LetterFolder::of(&loaded.letters_dir);
        Ok((loaded, folder))
    }

    fn selection(&self, now: Timestamp) -> Selection {
        Selection {
            since: self.since.map(|since| since.resolve(now)),
            until: self.until.map(|until| until.resolve(now)),
            kinds: self.kinds.clone(),
        }
    }

    /// The files of the components that are meant.
    fn files(&self, folder: &LetterFolder) -> Result<Vec<LetterFile>, Failure> {
        let read = |source| DeadLetterError::Read { path: folder.path().to_owned(), source };
        let mut files = folder.files().map_err(read)?;
        let is_there = |name: &&String| files.iter().any(|file| file.component_id == name.as_str());
        if let Some(name) = self.components.iter().find(|name| !is_there(name)) {
            let known = listed(files.iter().map(|file| file.component_id.clone()));
            let error = DeadLetterError::NoLetters { name: name.clone(), known };
            return Err(Failure::usage(error));
        }
        if !self.components.is_empty() {
            files.retain(|file| self.components.contains(&file.component_id));
        }
        Ok(files)
    }

    /// The components that are meant and have letters.
    fn components(&self, folder: &LetterFolder) -> Result<Vec<String>, Failure> {
        let files = self.files(folder)?.into_iter();
        let mut components: Vec<String> = files.map(|file| file.component_id).collect();
        components.dedup();
        Ok(components)
    }
}

/// Keeps other replays away until the file is dropped.
fn lock(folder: &LetterFolder) -> Result<std::fs::File, DeadLetterError> {
    let failed = |source| DeadLetterError::Lock { path: folder.path().to_owned(), source };
    folder.lock_for_taking().map_err(failed)
}

/// The files with the letters that a component has now, oldest first. No further letter is written to them.
fn take_files(folder: &LetterFolder, component_id: &str) -> Result<Vec<PathBuf>, DeadLetterError> {
    let failed = |source| DeadLetterError::Read { path: folder.path().to_owned(), source };
    folder.move_aside(component_id).map_err(failed)?;
    let files = folder.files().map_err(failed)?.into_iter();
    let taken = files.filter(|file| file.component_id == component_id && file.number.is_some());
    Ok(taken.map(|file| file.path).collect())
}

fn discard(which: &Which, now: Timestamp) -> Result<(), Failure> {
    let (_, folder) = which.load()?;
    let components = which.components(&folder)?;
    if components.is_empty() {
        say("there are no dead letters");
        return Ok(());
    }
    let selection = which.selection(now);
    let _lock = lock(&folder)?;
    for component_id in components {
        let mut discarded = 0;
        for path in take_files(&folder, &component_id)? {
            let failed = |source| DeadLetterError::Discard { path: path.clone(), source };
            let mut reader = LetterReader::open(&path).map_err(failed)?;
            let taker = LetterTaker::open(&path).map_err(failed)?;
            let mut offsets = Vec::new();
            while let Some(line) = reader.next_line().map_err(failed)? {
                if line.letter.is_some_and(|letter| selection.has(&letter)) {
                    offsets.push(line.offset);
                }
            }
            taker.strike_out(&offsets).map_err(failed)?;
            taker.compact(&folder).map_err(failed)?;
            discarded += offsets.len();
        }
        say(format_args!("{component_id}: {discarded} letters discarded"));
    }
    Ok(())
}
