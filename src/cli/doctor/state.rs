//! The folder with all state: may it be written, is there space, and do dead letters wait in it?

use std::{io, path::Path};

use pipeline_core::Finding;

use crate::delivery::{LetterFolder, count_letters, folder_findings, writable};

/// Looks at `data_dir`, which need not exist yet.
pub(super) fn look_at(data_dir: &Path) -> Vec<Finding> {
    if !data_dir.exists() {
        return vec![not_there(data_dir)];
    }
    let mut findings = folder_findings(data_dir);
    findings.push(letters(&LetterFolder::of(data_dir)));
    findings
}

/// Whether the folder can be made.
fn not_there(data_dir: &Path) -> Finding {
    let above = data_dir.ancestors().skip(1).find(|folder| folder.exists());
    let above = above.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut finding = writable("folder", above);
    finding.found = format!("`{}` will be made; {}", data_dir.display(), finding.found);
    finding
}

fn letters(folder: &LetterFolder) -> Finding {
    const CHECK: &str = "dead-letters";
    let shown = folder.path().display();
    match count(folder) {
        Ok(0) => Finding::ok(CHECK, format!("none in `{shown}`")),
        Ok(letters) => Finding::warn(CHECK, format!("{letters} in `{shown}`"))
            .cause("these events or records could not be delivered; `o365flow dead-letter list` says why")
            .fix("mend the cause, then send them again with `o365flow dead-letter replay`"),
        Err(error) => Finding::warn(CHECK, format!("`{shown}` cannot be read: {error}")),
    }
}

/// How many letters there are in all files of a folder.
fn count(folder: &LetterFolder) -> io::Result<u64> {
    folder.files()?.iter().map(|file| count_letters(&file.path)).sum()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use pipeline_core::Health;

    use super::*;

    fn found(data_dir: &Path, check: &str) -> (Health, String) {
        let finding = look_at(data_dir).into_iter().find(|finding| finding.check == check);
        let finding = finding.unwrap_or_else(|| panic!("nothing about {check}"));
        (finding.health, finding.found)
    }

    #[test]
    fn letters_of_all_files_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(found(folder.path(), "dead-letters").0, Health::Ok);
        let letters = folder.path().join("dead-letters");
        fs::create_dir(&letters).unwrap();
        fs::write(letters.join("map.ndjson"), "{}\n{}\n").unwrap();
        fs::write(letters.join("es.ndjson.1"), "{}\n").unwrap();
        fs::write(letters.join("notes.txt"), "\n\n").unwrap();
        let (health, found) = found(folder.path(), "dead-letters");
        assert_eq!(health, Health::Warn);
        assert!(found.starts_with("3 in "), "{found}");
    }

    #[test]
    fn a_folder_that_is_not_there_yet_can_be_made_or_not() {
        let folder = tempfile::tempdir().unwrap();
        let (health, found) = found(&folder.path().join("a/b"), "folder");
        assert_eq!(health, Health::Ok, "{found}");
        assert!(found.contains("will be made"), "{found}");
    }
}
