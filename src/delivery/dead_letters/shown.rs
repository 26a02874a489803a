//! The metrics of dead letters on disk: they are there after a restart too, and follow what other processes do.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use metrics::{Unit, describe_counter, describe_gauge, gauge};

use super::{count_letters, folder::LetterFolder};

/// Shows what is on disk.
#[derive(Debug, Default)]
pub(super) struct Shown(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// How many letters a file had, when it was of this size and time.
    counted: HashMap<PathBuf, (u64, SystemTime, u64)>,
    /// Components that were shown: one whose letters are gone has none from then on.
    components: Vec<String>,
}

/// Says what the metrics are.
pub(super) fn describe() {
    describe_counter!(
        "o365_dead_letters_total",
        Unit::Count,
        "Events and records written to the dead letters."
    );
    describe_counter!(
        "o365_dead_letters_dropped_total",
        Unit::Count,
        "Dead letters removed to make room for younger ones: events lost."
    );
    describe_gauge!("o365_dead_letters", Unit::Count, "Dead letters on disk.");
    describe_gauge!("o365_dead_letter_files", Unit::Count, "Files of dead letters.");
    describe_gauge!("o365_dead_letter_bytes", Unit::Bytes, "Size of the files of dead letters.");
}

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    files: u64,
    bytes: u64,
    letters: u64,
}

impl Shown {
    /// Looks at all files. Those that did not change are not read again.
    pub(super) fn refresh(&self, folder: &LetterFolder) -> io::Result<()> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sums: BTreeMap<String, Sums> =
            known.components.drain(..).map(|component| (component, Sums::default())).collect();
        let mut counted = HashMap::new();
        for file in folder.files()? {
            let letters = match known.counted.get(&file.path) {
                Some(&(bytes, modified, letters))
                    if (bytes, modified) == (file.bytes, file.modified) =>
                {
                    letters
                }
                // Gone since the folder was listed.
                Some(_) | None => count_letters(&file.path).unwrap_or_default(),
            };
            counted.insert(file.path, (file.bytes, file.modified, letters));
            let sums = sums.entry(file.component_id).or_default();
            sums.files += 1;
            sums.bytes += file.bytes;
            sums.letters += letters;
        }
        for (component_id, sums) in sums {
            let label = [("component_id", component_id.clone())];
            gauge!("o365_dead_letter_files", &label).set(to_f64(sums.files));
            gauge!("o365_dead_letter_bytes", &label).set(to_f64(sums.bytes));
            gauge!("o365_dead_letters", &label).set(to_f64(sums.letters));
            known.components.push(component_id);
        }
        known.counted = counted;
        Ok(())
    }
}

impl Shown {
    /// Letters were added to a component's file. Quicker than looking at it.
    pub(super) fn added(&self, component_id: &str, letters: usize, bytes: usize, files: usize) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.components.iter().any(|other| other == component_id) {
            known.components.push(component_id.to_owned());
        }
        let label = [("component_id", component_id.to_owned())];
        gauge!("o365_dead_letter_files", &label).set(to_f64(files as u64));
        gauge!("o365_dead_letter_bytes", &label).increment(to_f64(bytes as u64));
        gauge!("o365_dead_letters", &label).increment(to_f64(letters as u64));
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn to_f64(count: u64) -> f64 {
    count as f64
}
