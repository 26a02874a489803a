//! How much of a record an index can take, and what is done with the rest.

use std::collections::HashSet;

use super::path::Path;

/// Fields that nobody described, or named values, in one object. The rest is kept as text.
pub(super) const NAMES_PER_OBJECT_MAX: usize = 256;

/// Such fields in one record. An index has a limit, too, but that is for all records.
const NAMES_PER_RECORD_MAX: usize = 1024;

/// Objects and arrays in each other. An index takes twenty objects.
pub(super) const DEPTH_MAX: usize = 16;

/// What Lucene takes as one term.
pub(super) const TEXT_BYTES_MAX: usize = 32_766;

/// The longest text that is read as JSON. What is longer stays text, and is cut.
pub(super) const JSON_BYTES_MAX: usize = 1 << 20;

/// How many more names a record may have.
#[derive(Debug)]
pub(super) struct Allowance {
    left: usize,
    /// Names in elements of arrays, which may occur in each.
    repeated: HashSet<u64>,
}

impl Default for Allowance {
    fn default() -> Self {
        Allowance { left: NAMES_PER_RECORD_MAX, repeated: HashSet::new() }
    }
}

impl Allowance {
    /// Whether a field may be at `path`, of which `siblings` were allowed before.
    pub(super) fn allows(&mut self, path: &Path<'_>, siblings: usize) -> bool {
        if path.is_ours() {
            return true;
        }
        if path.in_array() && self.repeated.contains(&path.fingerprint()) {
            return true;
        }
        if siblings >= NAMES_PER_OBJECT_MAX || self.left == 0 {
            return false;
        }
        self.left -= 1;
        if path.in_array() {
            self.repeated.insert(path.fingerprint());
        }
        true
    }
}
