//! The one walk over a record, beside the tree of what its fields are.

use bytes::Bytes;
use vrl::prelude::*;

use super::{
    super::{names::safe, pairs::UNNAMED},
    json,
    leaf::{Read, text},
    limits::{Allowance, DEPTH_MAX, TEXT_BYTES_MAX},
    merge::{merge, merge_at},
    path::Path,
    schema::{Leaf, Names, Rule},
};
use crate::fields::Type;

/// Where the names are that are too many, as JSON text.
pub(super) const MORE: &str = "_more";

/// Where values are kept that are not what their field is.
const UNPARSED: &str = "_unparsed";

/// Where it says which values were cut.
const TRUNCATED: &str = "_truncated";

/// What is collected on the way.
#[derive(Debug, Default)]
pub(super) struct Walk {
    unparsed: ObjectMap,
    truncated: Vec<Value>,
    pub(super) allowance: Allowance,
}

impl Walk {
    /// The whole record.
    pub(super) fn record(mut self, value: Value, names: &Names) -> ObjectMap {
        let mut record = match value {
            Value::Object(fields) => self.fields(fields, names, &Path::ROOT),
            other => self.unnamed(other, &Path::ROOT),
        };
        if !self.unparsed.is_empty() {
            let unparsed = std::mem::take(&mut self.unparsed);
            match record.get_mut(UNPARSED) {
                Some(Value::Object(before)) => {
                    for (name, value) in unparsed {
                        merge(before, name, value);
                    }
                }
                _ => {
                    record.insert(UNPARSED.into(), Value::Object(unparsed));
                }
            }
        }
        if !self.truncated.is_empty() {
            match record.get_mut(TRUNCATED) {
                Some(Value::Array(before)) => before.append(&mut self.truncated),
                _ => {
                    record.insert(TRUNCATED.into(), Value::Array(self.truncated));
                }
            }
        }
        record
    }

    /// The fields of one object, of which `names` says what they are.
    pub(super) fn fields(
        &mut self,
        mut object: ObjectMap,
        names: &Names,
        at: &Path<'_>,
    ) -> ObjectMap {
        let mut renamed = Vec::new();
        let mut surplus = ObjectMap::new();
        let mut others = 0;
        for (key, place) in &mut object {
            // What does not stay here is null from now on, which nothing normal is.
            let value = std::mem::replace(place, Value::Null);
            if let Some(rule) = names.get(key.as_str()) {
                *place = self.known(value, rule, &at.field(key)).unwrap_or(Value::Null);
                continue;
            }
            let name = safe(key);
            let here = at.field(&name);
            if !self.allowance.allows(&here, others) {
                surplus.insert(key.clone(), value);
                continue;
            }
            others += usize::from(!here.is_ours());
            let Some(normal) = self.other(value, &here) else { continue };
            if name == key.as_str() {
                *place = normal;
            } else if names.contains_key(&*name) {
                renamed.push((format!("_{name}").into(), normal));
            } else {
                renamed.push((name.into_owned().into(), normal));
            }
        }
        if object.values().any(Value::is_null) {
            object.retain(|_, value| !value.is_null());
        }
        for (name, value) in renamed {
            merge(&mut object, name, value);
        }
        if !surplus.is_empty() {
            if let Some(before) = object.remove(MORE) {
                surplus.insert(MORE.into(), before);
            }
            object.insert(MORE.into(), json::written(&surplus));
        }
        object
    }

    /// The value of a field that is described.
    fn known(&mut self, value: Value, rule: &Rule, at: &Path<'_>) -> Option<Value> {
        if value.is_null() {
            return None;
        }
        match rule {
            Rule::OneOrMany(leaf) if value.is_array() => self.many(value, *leaf, at),
            Rule::One(leaf) | Rule::OneOrMany(leaf) => self.one(value, *leaf, at),
            Rule::Many(leaf) => self.many(value, *leaf, at),
            Rule::Object(names) => filled(self.object(value, names, at)),
            Rule::Objects(names) => self.objects(value, names, at),
            Rule::Pairs => filled(self.pairs(value, at)),
            Rule::Changes => filled(self.changes(value, at)),
        }
    }

    fn one(&mut self, value: Value, leaf: Leaf, at: &Path<'_>) -> Option<Value> {
        let value = match value {
            Value::Array(mut elements) if elements.len() == 1 => {
                return self.one(elements.pop()?, leaf, at);
            }
            value => value,
        };
        match leaf.read(value) {
            Read::Fit(Value::Bytes(text)) if leaf.field_type != Type::MatchOnlyText => {
                Some(Value::Bytes(self.cut(text, at)))
            }
            Read::Fit(value) => Some(value),
            Read::Nothing => None,
            Read::Unfit(value) => {
                if let Some(kept) = self.loose(value, at) {
                    merge_at(&mut self.unparsed, &at.names(), kept);
                }
                None
            }
        }
    }

    fn many(&mut self, value: Value, leaf: Leaf, at: &Path<'_>) -> Option<Value> {
        let parsed = value.to_str().and_then(json::parsed);
        let array = match (parsed, value) {
            (Some(Value::Array(elements)), _) | (None, Value::Array(elements)) => {
                elements.into_iter().filter_map(|element| self.one(element, leaf, at)).collect()
            }
            (_, value) => Vec::from_iter(self.one(value, leaf, at)),
        };
        (!array.is_empty()).then_some(Value::Array(array))
    }

    /// A value as an object; what is none goes where names are missing.
    fn object(&mut self, value: Value, names: &Names, at: &Path<'_>) -> ObjectMap {
        match value {
            Value::Object(fields) => self.fields(fields, names, at),
            other => match other.to_str().and_then(json::parsed) {
                Some(Value::Object(fields)) => self.fields(fields, names, at),
                _ => self.unnamed(other, at),
            },
        }
    }

    fn objects(&mut self, value: Value, names: &Names, at: &Path<'_>) -> Option<Value> {
        let parsed = value.to_str().and_then(json::parsed);
        let elements = match parsed.unwrap_or(value) {
            Value::Array(elements) => elements,
            one => vec![one],
        };
        let at = at.element();
        let made = elements.into_iter().filter(|element| !element.is_null());
        let made = made.filter_map(|element| filled(self.object(element, names, &at)));
        let array: Vec<Value> = made.collect();
        (!array.is_empty()).then_some(Value::Array(array))
    }

    /// A value that has no name where names are wanted.
    pub(super) fn unnamed(&mut self, value: Value, at: &Path<'_>) -> ObjectMap {
        let kept = self.loose(value, &at.field(UNNAMED));
        kept.map(|kept| (UNNAMED.into(), kept)).into_iter().collect()
    }

    /// A value of which nobody said what it is, but that it is text most often: numbers are made text, too.
    pub(super) fn loose(&mut self, value: Value, at: &Path<'_>) -> Option<Value> {
        match value {
            Value::Array(elements) if at.depth() < DEPTH_MAX => {
                let at = at.element();
                let made = elements.into_iter().filter_map(|element| self.loose(element, &at));
                let array: Vec<Value> = made.collect();
                (!array.is_empty()).then_some(Value::Array(array))
            }
            nested @ (Value::Array(_) | Value::Object(_) | Value::Null) => self.other(nested, at),
            scalar => Some(Value::Bytes(self.cut(text(scalar)?, at))),
        }
    }

    /// A value of which nobody said what it is.
    pub(super) fn other(&mut self, value: Value, at: &Path<'_>) -> Option<Value> {
        match value {
            Value::Null => None,
            string @ (Value::Bytes(_) | Value::String(_)) => {
                Some(Value::Bytes(self.cut(text(string)?, at)))
            }
            nested @ (Value::Array(_) | Value::Object(_)) if at.depth() >= DEPTH_MAX => {
                self.loose(json::written(&nested), at)
            }
            Value::Array(elements) => {
                let at = at.element();
                let made = elements.into_iter().filter_map(|element| self.other(element, &at));
                let array: Vec<Value> = made.collect();
                (!array.is_empty()).then_some(Value::Array(array))
            }
            Value::Object(fields) => filled(self.fields(fields, &Names::default(), at)),
            scalar @ (Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Timestamp(_)
            | Value::Regex(_)) => Some(scalar),
        }
    }

    /// A text as long as an index takes it.
    fn cut(&mut self, text: Bytes, at: &Path<'_>) -> Bytes {
        // What is under `_more` is many values in one, and is never cut.
        if text.len() <= TEXT_BYTES_MAX || at.is_more() {
            return text;
        }
        let is_inside_letter = |at: &usize| text.get(*at).is_some_and(|byte| byte & 0xc0 == 0x80);
        let end = (0..=TEXT_BYTES_MAX).rev().find(|at| !is_inside_letter(at)).unwrap_or(0);
        let mark = format!("{}: {} bytes", at.names().join("."), text.len());
        self.truncated.push(Value::from(mark));
        text.slice(..end)
    }
}

/// An object that holds anything.
pub(super) fn filled(object: ObjectMap) -> Option<Value> {
    (!object.is_empty()).then_some(Value::Object(object))
}
