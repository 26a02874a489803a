//! The programs that come with the binary.

use std::path::Path;

/// Path, as a configuration names it, and text of each program in the binary.
const PROGRAMS: &[(&str, &str)] = &[
    ("vrl/flatten.vrl", include_str!("../../vrl/flatten.vrl")),
    ("vrl/o365beat.vrl", include_str!("../../vrl/o365beat.vrl")),
];

/// The program that stands in for a file `path` that does not exist.
pub fn builtin(path: &Path) -> Option<&'static str> {
    let path = path.strip_prefix(".").unwrap_or(path);
    PROGRAMS.iter().find(|(name, _)| Path::new(name) == path).map(|(_, text)| *text)
}
