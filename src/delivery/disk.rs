//! Looks at a folder that something is written to: is it there, may it be written, is there space?

use std::{io, path::Path};

use bytesize::ByteSize;
use nix::{
    sys::statvfs::statvfs,
    unistd::{AccessFlags, access},
};
use pipeline_core::Finding;

/// Free space below this deserves a look; below the other nothing useful can be done.
const SPACE_WARN: u64 = 1_000_000_000;
const SPACE_FAIL: u64 = 50_000_000;

/// Looks at `folder`, which must be there, and at the space on its disk.
pub fn folder_findings(folder: &Path) -> Vec<Finding> {
    let shown = folder.display();
    if !folder.is_dir() {
        let finding = Finding::fail("folder", format!("there is no folder `{shown}`"));
        return vec![finding.fix("make it, writable for the user who runs o365flow")];
    }
    vec![writable("folder", folder), space(folder)]
}

/// Whether this process may write to `path`, a folder or a file.
pub fn writable(check: &'static str, path: &Path) -> Finding {
    let shown = path.display();
    match access(path, AccessFlags::W_OK) {
        Ok(()) => Finding::ok(check, format!("`{shown}` can be written")),
        Err(error) => {
            Finding::fail(check, format!("`{shown}` cannot be written: {}", io::Error::from(error)))
                .fix("give it to the user who runs o365flow, or run as the user whose it is")
        }
    }
}

fn space(folder: &Path) -> Finding {
    let disk = match statvfs(folder) {
        Ok(disk) => disk,
        Err(error) => {
            let error = io::Error::from(error);
            return Finding::warn("space", format!("free space is not known: {error}"));
        }
    };
    judged(folder, disk.blocks_available().saturating_mul(disk.fragment_size()))
}

fn judged(folder: &Path, free: u64) -> Finding {
    let found =
        format!("{} free on the disk of `{}`", ByteSize(free).display().si(), folder.display());
    let fix = "make room, or use another disk";
    match free {
        ..SPACE_FAIL => Finding::fail("space", found).fix(fix),
        SPACE_FAIL..SPACE_WARN => Finding::warn("space", found).fix(fix),
        SPACE_WARN.. => Finding::ok("space", found),
    }
}

#[cfg(test)]
mod tests {
    use pipeline_core::Health;

    use super::*;

    #[test]
    fn a_folder_is_there_and_has_space_or_not() {
        let folder = tempfile::tempdir().unwrap();
        let findings = folder_findings(folder.path());
        assert_eq!(findings[0].health, Health::Ok, "{findings:?}");
        let findings = folder_findings(&folder.path().join("none"));
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].health, Health::Fail);
        for (free, health) in
            [(SPACE_FAIL - 1, Health::Fail), (SPACE_FAIL, Health::Warn), (SPACE_WARN, Health::Ok)]
        {
            assert_eq!(judged(folder.path(), free).health, health, "{free}");
        }
    }

    #[test]
    fn what_may_not_be_written_is_told() {
        // Nobody, whoever runs the tests, writes there.
        let finding = writable("folder", Path::new("/proc/version"));
        let missing = writable("folder", Path::new("/nonexistent"));
        assert!(finding.health == Health::Fail || nix::unistd::geteuid().is_root(), "{finding:?}");
        assert_eq!(missing.health, Health::Fail);
    }
}
