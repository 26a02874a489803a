//! Arrays of named values as objects.

use vrl::prelude::*;

use super::{
    super::{
        names::one_field,
        pairs::{UNNAMED, name_of},
    },
    json,
    merge::merge,
    path::Path,
    walk::{MORE, Walk, filled},
};

/// How the value of a name is made of what stands beside the name, which is under the given key.
type Content = fn(&mut Walk, ObjectMap, &str, &Path<'_>) -> Option<Value>;

impl Walk {
    /// Names and values. What has a name and no value has empty text.
    pub(super) fn pairs(&mut self, value: Value, at: &Path<'_>) -> ObjectMap {
        match value {
            Value::Array(elements) => self.gathered(elements, Walk::value_of_pair, at),
            Value::Object(fields) => self.renamed(fields, Walk::loose, at),
            other => match other.to_str().and_then(json::parsed) {
                Some(parsed) => self.pairs(parsed, at),
                None => self.unnamed(other, at),
            },
        }
    }

    /// Names with values before and after. Each name has an object, even where there is but one value.
    pub(super) fn changes(&mut self, value: Value, at: &Path<'_>) -> ObjectMap {
        match value {
            Value::Array(elements) => self.gathered(elements, Walk::change_of, at),
            Value::Object(fields) => self.renamed(fields, Walk::named_change, at),
            other => match other.to_str().and_then(json::parsed) {
                Some(parsed) => self.changes(parsed, at),
                None => self.unnamed(other, at),
            },
        }
    }

    /// A change that is under its name already.
    fn named_change(&mut self, value: Value, at: &Path<'_>) -> Option<Value> {
        match value {
            Value::Object(sides) => filled(self.renamed(sides, Walk::loose, at)),
            other if at.is_ours() => self.loose(other, at),
            Value::Array(changes) => {
                let changes =
                    changes.into_iter().filter_map(|change| self.named_change(change, at));
                let changes: Vec<Value> = changes.collect();
                (!changes.is_empty()).then_some(Value::Array(changes))
            }
            other => {
                let value = self.loose(other, at)?;
                Some(Value::Object(ObjectMap::from([("Value".into(), value)])))
            }
        }
    }

    fn gathered(&mut self, elements: Vec<Value>, content: Content, at: &Path<'_>) -> ObjectMap {
        let mut object = ObjectMap::new();
        let mut count = 0;
        let mut unnamed = Vec::new();
        let mut surplus = Vec::new();
        for element in elements {
            let (fields, key, name) = match named(element) {
                Ok(named) => named,
                Err(element) => {
                    unnamed.extend(self.nameless(element, at));
                    continue;
                }
            };
            let here = at.field(&name);
            let is_new = !object.contains_key(&name);
            if is_new && !self.allowance.allows(&here, count) {
                surplus.push(fields);
                continue;
            }
            count += usize::from(is_new && !here.is_ours());
            match content(self, fields, key, &here) {
                Some(value) => merge(&mut object, name, value),
                None => unnamed.push(Value::from(name.as_str())),
            }
        }
        if !unnamed.is_empty() {
            merge(&mut object, UNNAMED.into(), Value::Array(unnamed));
        }
        if !surplus.is_empty() {
            merge(&mut object, MORE.into(), json::written(&surplus));
        }
        object
    }

    /// What has no name, as text.
    fn nameless(&mut self, element: Value, at: &Path<'_>) -> Option<Value> {
        let at = at.field(UNNAMED);
        match element {
            nested @ (Value::Object(_) | Value::Array(_)) => {
                self.loose(json::written(&nested), &at)
            }
            scalar => self.loose(scalar, &at),
        }
    }

    fn value_of_pair(&mut self, mut fields: ObjectMap, key: &str, at: &Path<'_>) -> Option<Value> {
        let alone = if fields.len() == 2 { fields.get_mut("Value") } else { None };
        let value = match alone {
            Some(value) => self.loose(std::mem::replace(value, Value::Null), at),
            None => self.change_of(fields, key, at),
        };
        value.or_else(|| Some(Value::from("")))
    }

    fn change_of(&mut self, mut fields: ObjectMap, key: &str, at: &Path<'_>) -> Option<Value> {
        fields.remove(key);
        filled(self.renamed(fields, Walk::loose, at))
    }

    /// The fields of an object under names that are safe, each made by `content`.
    fn renamed(
        &mut self,
        from: ObjectMap,
        content: fn(&mut Walk, Value, &Path<'_>) -> Option<Value>,
        at: &Path<'_>,
    ) -> ObjectMap {
        let mut object = ObjectMap::new();
        let mut count = 0;
        let mut surplus = ObjectMap::new();
        for (key, value) in from {
            let name = one_field(&key);
            let here = at.field(&name);
            if !self.allowance.allows(&here, count) {
                surplus.insert(key, value);
                continue;
            }
            count += usize::from(!here.is_ours());
            if let Some(value) = content(self, value, &here) {
                merge(&mut object, name, value);
            }
        }
        if !surplus.is_empty() {
            merge(&mut object, MORE.into(), json::written(&surplus));
        }
        object
    }
}

/// The fields of an element, the key under which it has its name, and the name; an element that has no name as it is.
fn named(element: Value) -> Result<(ObjectMap, &'static str, KeyString), Value> {
    let Value::Object(fields) = element else { return Err(element) };
    match name_of(&fields).map(|(key, name)| (key, one_field(name))) {
        Some((key, name)) => Ok((fields, key, name)),
        None => Err(Value::Object(fields)),
    }
}
