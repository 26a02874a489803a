//! Where in a record the walk is. Lives on the stack: only what leaves a mark is ever written out.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::{super::pairs::UNNAMED, walk::MORE};

/// A place in a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path<'p> {
    parent: Option<&'p Path<'p>>,
    /// The name of the field; none for an element of an array, and for the record itself.
    name: Option<&'p str>,
    depth: usize,
    in_array: bool,
}

impl<'p> Path<'p> {
    pub(super) const ROOT: Path<'static> =
        Path { parent: None, name: None, depth: 0, in_array: false };

    pub(super) fn field(&'p self, name: &'p str) -> Path<'p> {
        Path {
            parent: Some(self),
            name: Some(name),
            depth: self.depth + 1,
            in_array: self.in_array,
        }
    }

    pub(super) fn element(&'p self) -> Path<'p> {
        Path { parent: Some(self), name: None, depth: self.depth + 1, in_array: true }
    }

    /// How many objects and arrays are around this place.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// Whether other places can have the same name.
    pub(super) fn in_array(&self) -> bool {
        self.in_array
    }

    /// Whether the name is one that we give: it takes up no room that a record's own name could have.
    pub(super) fn is_ours(&self) -> bool {
        self.name.is_some_and(|name| [MORE, UNNAMED].contains(&name))
    }

    /// Whether this is where names are kept that are too many.
    pub(super) fn is_more(&self) -> bool {
        self.name == Some(MORE)
    }

    /// The names from the record down to here.
    pub(super) fn names(&self) -> Vec<&'p str> {
        let mut names: Vec<&str> = self.upwards().collect();
        names.reverse();
        names
    }

    /// A number that is the same for all places of the same names.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for name in self.upwards() {
            name.hash(&mut hasher);
        }
        hasher.finish()
    }

    fn upwards(&self) -> impl Iterator<Item = &'p str> {
        let places = std::iter::successors(Some(*self), |place| place.parent.copied());
        places.filter_map(|place| place.name)
    }
}
