//! Undoing what a program did to an event, so that a failed event leaves as it came without a copy of every event
//! being made beforehand.
//!
//! [`Recorded`] stands between the program and the event. Before the first write to a top-level field it puts the
//! field's old value aside; before the first write to the root, the whole root. A program that adds fields, as
//! mappings do, has almost nothing put aside. What `del(.)` takes of an event that nothing has changed since it was read
//! is not put aside at all: it can be read again.

use pipeline_core::{Event, Unread};
use vrl::{
    compiler::{SecretTarget, Target},
    path::{OwnedSegment, OwnedTargetPath, OwnedValuePath, PathPrefix},
    value::{KeyString, Value},
};

/// A root as it was.
#[derive(Debug)]
enum Root {
    Value(Value),
    Unread(Unread),
}

/// What has to be put back. One is reused for many events.
#[derive(Debug, Default)]
pub(super) struct Undo {
    /// Top-level fields written so far, with their value before; nothing where there was none.
    fields: Vec<(KeyString, Option<Value>)>,
    /// The root at its first write. What `fields` holds is older.
    root: Option<Root>,
    metadata: Option<Value>,
}

impl Undo {
    /// Forgets all, for a run that ended well.
    pub(super) fn clear(&mut self) {
        self.fields.clear();
        self.root = None;
        self.metadata = None;
    }

    /// Whether the top-level field `name` is on record.
    fn has(&self, name: &KeyString) -> bool {
        self.fields.iter().any(|(other, _)| other == name)
    }

    /// Puts `event` back to what it was when recording began, and forgets all.
    pub(super) fn apply(&mut self, event: &mut Event) {
        if let Some(metadata) = self.metadata.take() {
            event.set_metadata(&OwnedValuePath::root(), metadata);
        }
        match self.root.take() {
            Some(Root::Value(root)) => put(event, &OwnedTargetPath::event_root(), root),
            Some(Root::Unread(root)) => event.read_again(root),
            None => {}
        }
        for (name, before) in self.fields.drain(..) {
            let path = OwnedTargetPath::event(OwnedValuePath {
                segments: vec![OwnedSegment::Field(name)],
            });
            match before {
                Some(value) => put(event, &path, value),
                // The target of an event has no removal that fails.
                None => drop(event.target().target_remove(&path, false)),
            }
        }
    }
}

fn put(event: &mut Event, path: &OwnedTargetPath, value: Value) {
    // The target of an event has no insertion that fails.
    drop(event.target().target_insert(path, value));
}

/// An event as a program's target, with what the program changes on record.
#[derive(Debug)]
pub(super) struct Recorded<'a> {
    pub(super) event: &'a mut Event,
    pub(super) undo: &'a mut Undo,
}

impl Recorded<'_> {
    /// Puts aside what a write at `path` is about to change.
    fn record(&mut self, path: &OwnedTargetPath) {
        match (path.prefix, path.path.segments.first()) {
            (PathPrefix::Metadata, _) => {
                let metadata = || self.event.metadata().clone();
                self.undo.metadata.get_or_insert_with(metadata);
            }
            (PathPrefix::Event, _) if self.undo.root.is_some() => {}
            (PathPrefix::Event, Some(OwnedSegment::Field(name))) => self.record_field(name),
            (PathPrefix::Event, Some(OwnedSegment::Index(_)) | None) => {
                self.undo.root = Some(Root::Value(self.event.value().clone()));
            }
        }
    }

    fn record_field(&mut self, name: &KeyString) {
        match self.event.value() {
            Value::Object(fields) => {
                if !self.undo.has(name) {
                    self.undo.fields.push((name.clone(), fields.get(name).cloned()));
                }
            }
            // A field of what is no object: the write makes an object of the root.
            other => self.undo.root = Some(Root::Value(other.clone())),
        }
    }

    /// Puts `value` in the place of a top-level field that is there and not on record yet. Gives the value back where
    /// that is not the case.
    fn exchange(&mut self, path: &OwnedTargetPath, value: Value) -> Option<Value> {
        let [OwnedSegment::Field(name)] = path.path.segments.as_slice() else { return Some(value) };
        if path.prefix != PathPrefix::Event || self.undo.root.is_some() || self.undo.has(name) {
            return Some(value);
        }
        let mut target = self.event.target();
        let Ok(Some(field)) = target.target_get_mut(path) else { return Some(value) };
        let before = std::mem::replace(field, value);
        self.undo.fields.push((name.clone(), Some(before)));
        None
    }
}

impl Target for Recorded<'_> {
    fn target_insert(&mut self, path: &OwnedTargetPath, value: Value) -> Result<(), String> {
        if path.prefix == PathPrefix::Event && path.path.is_root() && self.undo.root.is_none() {
            // The old root is moved, not copied; so is the old value of a top-level field.
            self.undo.root = Some(Root::Value(self.event.take_value()));
            return self.event.target().target_insert(path, value);
        }
        let Some(value) = self.exchange(path, value) else { return Ok(()) };
        self.record(path);
        self.event.target().target_insert(path, value)
    }

    fn target_get(&self, path: &OwnedTargetPath) -> Result<Option<&Value>, String> {
        Ok(match path.prefix {
            PathPrefix::Event => self.event.at(&path.path),
            PathPrefix::Metadata => self.event.metadata().get(&path.path),
        })
    }

    fn target_get_mut(&mut self, path: &OwnedTargetPath) -> Result<Option<&mut Value>, String> {
        self.record(path);
        Ok(self.event.at_mut(path))
    }

    fn target_remove(
        &mut self,
        path: &OwnedTargetPath,
        compact: bool,
    ) -> Result<Option<Value>, String> {
        if path.prefix == PathPrefix::Event
            && path.path.is_root()
            && self.undo.root.is_none()
            && let Some((root, unread)) = self.event.unread()
        {
            self.undo.root = Some(Root::Unread(unread));
            return Ok(Some(root));
        }
        self.record(path);
        self.event.target().target_remove(path, compact)
    }
}

impl SecretTarget for Recorded<'_> {
    fn get_secret(&self, _key: &str) -> Option<&str> {
        None
    }

    fn insert_secret(&mut self, _key: &str, _value: &str) {}

    fn remove_secret(&mut self, _key: &str) {}
}
