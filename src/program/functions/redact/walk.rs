//! The walk through an event, by reference: what holds no secret is neither copied nor changed.

use std::ops::Range;

use vrl::value::{KeyString, ObjectMap, Value};

use super::{Rules, assigned, mark, names, pair, persons, shapes};

/// How deep the walk goes. JSON as serde reads it ends at 128.
const DEPTH_MAX: usize = 160;

/// What the place of a value says about it.
#[derive(Clone, Copy, Debug)]
enum Place<'a> {
    /// Nothing but the name of the object that it stands in.
    Plain(&'a str),
    /// It is a secret, with all that is in it.
    Secret,
    /// It is what a detection found, with all that is in it, keys included.
    Detected,
    /// It names a person.
    Person,
}

/// The value to take the place of `value`, which stands in a field of a parent of these names; nothing where it holds
/// no secret.
pub(super) fn redacted(
    rules: &Rules,
    (parent, field): (&str, &str),
    value: &Value,
) -> Option<Value> {
    let place = rules.place(parent, field);
    Walk { rules, depth: 0 }.value(value, place)
}

impl Rules {
    /// What the field `name` of an object under `parent` says about its value.
    fn place<'a>(&self, parent: &str, name: &'a str) -> Place<'a> {
        if self.classes.credentials && names::is_secret(name) {
            Place::Secret
        } else if self.classes.detections && names::is_detected(name) {
            Place::Detected
        } else if self.persons.is_some() && names::is_person(parent, name) {
            Place::Person
        } else {
            Place::Plain(name)
        }
    }
}

#[derive(Clone, Copy)]
struct Walk<'a> {
    rules: &'a Rules,
    depth: usize,
}

impl Walk<'_> {
    fn value(self, value: &Value, place: Place<'_>) -> Option<Value> {
        match value {
            Value::Object(fields) => self.object(fields, place),
            Value::Array(elements) => self.array(elements, place),
            Value::Bytes(_) | Value::String(_) => {
                let text = value.to_str()?;
                self.text(text, place).map(Value::from)
            }
            Value::Integer(_) | Value::Float(_) => self.number(value, place),
            Value::Boolean(_) | Value::Timestamp(_) | Value::Regex(_) | Value::Null => None,
        }
    }

    fn deeper(self) -> Option<Self> {
        let depth = self.depth + 1;
        (depth <= DEPTH_MAX).then_some(Walk { depth, ..self })
    }

    fn array(self, elements: &[Value], place: Place<'_>) -> Option<Value> {
        let walk = self.deeper()?;
        let changed = |(index, element)| Some((index, walk.value(element, place)?));
        let replaced: Vec<(usize, Value)> =
            elements.iter().enumerate().filter_map(changed).collect();
        if replaced.is_empty() {
            return None;
        }
        let mut elements = elements.to_vec();
        for (index, element) in replaced {
            elements[index] = element;
        }
        Some(Value::Array(elements))
    }

    fn object(self, fields: &ObjectMap, place: Place<'_>) -> Option<Value> {
        let walk = self.deeper()?;
        let of_secret = self.rules.classes.credentials && is_secret_pair(fields);
        let mut changes: Vec<(&KeyString, Option<String>, Option<Value>)> = Vec::new();
        for (key, value) in fields {
            let place = match place {
                Place::Secret | Place::Detected => place,
                Place::Plain(_) | Place::Person if of_secret && is_value(key) => Place::Secret,
                Place::Plain(parent) => self.rules.place(parent, key),
                Place::Person => self.rules.place("", key),
            };
            let new_key = match place {
                Place::Detected => self.detected_key(key),
                Place::Plain(_) | Place::Secret | Place::Person => None,
            };
            let new_value = walk.value(value, place);
            if new_key.is_some() || new_value.is_some() {
                changes.push((key, new_key, new_value));
            }
        }
        if changes.is_empty() {
            return None;
        }
        let mut redacted = fields.clone();
        for (key, new_key, new_value) in changes {
            match (new_key, redacted.get_mut(key)) {
                (None, Some(value)) => *value = new_value.unwrap_or(Value::Null),
                (Some(new_key), _) => {
                    let before = redacted.remove(key);
                    let value = new_value.or(before).unwrap_or(Value::Null);
                    redacted.insert(new_key.into(), value);
                }
                (None, None) => {}
            }
        }
        Some(Value::Object(redacted))
    }

    /// What takes the place of a key among detected values. Keys of Microsoft's schema stay.
    fn detected_key(self, key: &str) -> Option<String> {
        let is_schema = matches!(key, "Name" | "Key") || is_value(key) || names::is_detected(key);
        (!is_schema && !mark::is_mark(key)).then(|| self.rules.mark.text(key))
    }

    fn text(self, text: &str, place: Place<'_>) -> Option<String> {
        match place {
            Place::Secret | Place::Detected => {
                (!assigned::is_none(text)).then(|| self.rules.mark.text(text))
            }
            Place::Person => {
                let key = self.rules.persons.as_ref()?;
                persons::whole(key, text)
            }
            Place::Plain(_) => {
                let without_secrets = self.without_secrets(text);
                let current = without_secrets.as_deref().unwrap_or(text);
                let without_persons =
                    self.rules.persons.as_ref().and_then(|key| persons::within(key, current));
                without_persons.or(without_secrets)
            }
        }
    }

    fn without_secrets(self, text: &str) -> Option<String> {
        let secrets = shapes::secrets(text, self.rules.classes);
        if secrets.is_empty() {
            return None;
        }
        let mut result = String::with_capacity(text.len());
        let mut done = 0;
        for Range { start, end } in secrets {
            result.push_str(text.get(done..start)?);
            result.push_str(&self.rules.mark.text(text.get(start..end)?));
            done = end;
        }
        result.push_str(text.get(done..)?);
        Some(result)
    }

    fn number(self, number: &Value, place: Place<'_>) -> Option<Value> {
        match place {
            Place::Plain(_) => None,
            Place::Secret | Place::Detected => Some(self.rules.mark.number(&number.to_string())),
            Place::Person => {
                let key = self.rules.persons.as_ref()?;
                Some(Value::Integer(mark::number(key, &number.to_string())))
            }
        }
    }
}

/// Whether an object is the pair of a name that is a secret's with its values.
fn is_secret_pair(fields: &ObjectMap) -> bool {
    let is_name = |key: &str| key.eq_ignore_ascii_case("Name") || key.eq_ignore_ascii_case("Key");
    let mut named = fields.iter().filter(|(key, _)| is_name(key));
    named.any(|(_, name)| name.to_str().is_some_and(names::is_secret))
}

fn is_value(key: &str) -> bool {
    pair::is_value(key.as_bytes())
}
