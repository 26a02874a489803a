//! YAML as Beats reads it: `a.b: 1` and `a: {b: 1}` are the same, and of a key that stands twice the last one counts.
//!
//! Bounded: aliases that multiply and keys of many steps are refused before they take memory.

use std::{cell::Cell, fmt};

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::Notes;

/// What a file may hold, aliases followed: bytes of text, and some for each value. A configuration has some thousands.
const CONTENT_MAX: usize = 500_000;
const VALUE_COST: usize = 10;

/// The steps of a key with dots.
const STEPS_MAX: usize = 20;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Yaml {
    Null,
    Boolean(bool),
    /// A number, as text.
    Number(String),
    Text(String),
    List(Vec<Yaml>),
    Map(Map),
}

/// Keys and values, in their order.
pub(super) type Map = Vec<(String, Yaml)>;

/// Reads a file's first document; what is odd about it goes to `notes`.
pub(super) fn read(text: &str, notes: &mut Notes) -> Result<Yaml, serde_yaml_ng::Error> {
    let mut documents = serde_yaml_ng::Deserializer::from_str(text);
    let root = match documents.next() {
        Some(document) => AnyYaml { left: &Cell::new(CONTENT_MAX) }.deserialize(document)?,
        None => Yaml::Null,
    };
    Ok(unfold(root, "", notes))
}

impl Yaml {
    /// What stands under `key`, which may be a path with dots.
    pub(super) fn at(&self, key: &str) -> Option<&Yaml> {
        key.split('.').try_fold(self, |value, step| {
            value.map().iter().find(|(name, _)| name == step).map(|(_, value)| value)
        })
    }

    /// The entries of a map; of anything else none.
    pub(super) fn map(&self) -> &[(String, Yaml)] {
        match self {
            Yaml::Map(map) => map,
            _ => &[],
        }
    }

    /// The items of a list. A single value is a list of one, as Beats takes it; null is empty.
    pub(super) fn list(&self) -> &[Yaml] {
        match self {
            Yaml::List(items) => items,
            Yaml::Null => &[],
            single => std::slice::from_ref(single),
        }
    }

    /// A scalar as text.
    pub(super) fn text(&self) -> Option<String> {
        match self {
            Yaml::Text(text) | Yaml::Number(text) => Some(text.clone()),
            Yaml::Boolean(value) => Some(value.to_string()),
            Yaml::Null | Yaml::List(_) | Yaml::Map(_) => None,
        }
    }

    /// The text under `key`, if it is there and not empty.
    pub(super) fn text_at(&self, key: &str) -> Option<String> {
        self.at(key).and_then(Yaml::text).filter(|text| !text.is_empty())
    }

    /// The texts of a list under `key`; a text with commas is a list as well.
    pub(super) fn texts_at(&self, key: &str) -> Vec<String> {
        let Some(value) = self.at(key) else { return Vec::new() };
        let texts = value.list().iter().filter_map(Yaml::text);
        match value {
            Yaml::Text(_) => texts
                .flat_map(|text| {
                    text.split(',').map(|one| one.trim().to_owned()).collect::<Vec<_>>()
                })
                .collect(),
            _ => texts.collect(),
        }
    }

    /// Whether `key` is set to true; `default` where it is not set.
    pub(super) fn flag_at(&self, key: &str, default: bool) -> bool {
        match self.at(key).and_then(Yaml::text).as_deref() {
            Some("true" | "yes" | "on") => true,
            Some("false" | "no" | "off") => false,
            _ => default,
        }
    }

    /// The values that are no map, with the paths to them.
    pub(super) fn leaves(&self) -> Vec<(String, &Yaml)> {
        let mut leaves = Vec::new();
        for (key, value) in self.map() {
            match value {
                Yaml::Map(_) => leaves.extend(
                    value.leaves().into_iter().map(|(path, leaf)| (format!("{key}.{path}"), leaf)),
                ),
                leaf => leaves.push((key.clone(), leaf)),
            }
        }
        leaves
    }
}

/// Turns keys with dots into maps, and settles which of two equal keys counts.
fn unfold(value: Yaml, path: &str, notes: &mut Notes) -> Yaml {
    match value {
        Yaml::List(items) => {
            Yaml::List(items.into_iter().map(|item| unfold(item, path, notes)).collect())
        }
        Yaml::Map(entries) => {
            let mut seen = Vec::new();
            let mut merged = Map::new();
            for (key, value) in entries {
                let full = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                if seen.contains(&key) {
                    notes.add(&format!(
                        "`{full}` stands there twice: as Beats does, the last one is taken and the earlier one left out"
                    ));
                    remove(&mut merged, &key);
                }
                let value = unfold(value, &full, notes);
                seen.push(key.clone());
                let steps: Vec<&str> = key.split('.').collect();
                if steps.len() > STEPS_MAX {
                    notes.add(&format!("a key of {} steps is not carried", steps.len()));
                    continue;
                }
                insert(&mut merged, &steps, value);
            }
            Yaml::Map(merged)
        }
        scalar => scalar,
    }
}

fn insert(map: &mut Map, steps: &[&str], value: Yaml) {
    let Some((first, rest)) = steps.split_first() else { return };
    let at = map.iter().position(|(key, _)| key == first);
    match at {
        Some(at) if !rest.is_empty() => {
            if !matches!(map[at].1, Yaml::Map(_)) {
                map[at].1 = Yaml::Map(Map::new());
            }
            if let Yaml::Map(inner) = &mut map[at].1 {
                insert(inner, rest, value);
            }
        }
        Some(at) => match (&mut map[at].1, value) {
            (Yaml::Map(known), Yaml::Map(more)) => {
                for (key, value) in more {
                    insert(known, &[key.as_str()], value);
                }
            }
            (known, value) => *known = value,
        },
        None if rest.is_empty() => map.push(((*first).to_owned(), value)),
        None => {
            let mut inner = Map::new();
            insert(&mut inner, rest, value);
            map.push(((*first).to_owned(), Yaml::Map(inner)));
        }
    }
}

/// Removes what `key`, with dots, leads to.
fn remove(map: &mut Map, key: &str) {
    match key.split_once('.') {
        Some((first, rest)) => {
            for (name, value) in map {
                if let (true, Yaml::Map(inner)) = (name == first, value) {
                    remove(inner, rest);
                }
            }
        }
        None => map.retain(|(name, _)| name != key),
    }
}

/// Reads any value, as long as there is something `left` of what a file may hold.
#[derive(Clone, Copy)]
struct AnyYaml<'a> {
    left: &'a Cell<usize>,
}

impl AnyYaml<'_> {
    /// Takes what `value` needs.
    fn charged<E: de::Error>(self, bytes: usize, value: Yaml) -> Result<Yaml, E> {
        match self.left.get().checked_sub(VALUE_COST + bytes) {
            Some(left) => {
                self.left.set(left);
                Ok(value)
            }
            None => Err(E::custom("it holds more than a configuration of o365beat can")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for AnyYaml<'_> {
    type Value = Yaml;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Yaml, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AnyYaml<'_> {
    type Value = Yaml;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("YAML without tags")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Yaml, E> {
        self.charged(0, Yaml::Boolean(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Yaml, E> {
        self.charged(0, Yaml::Number(value.to_string()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Yaml, E> {
        self.charged(0, Yaml::Number(value.to_string()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Yaml, E> {
        self.charged(0, Yaml::Number(value.to_string()))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Yaml, E> {
        self.charged(value.len(), Yaml::Text(value.to_owned()))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Yaml, E> {
        self.charged(0, Yaml::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Yaml, E> {
        self.charged(0, Yaml::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Yaml, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        self.charged(0, Yaml::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Yaml, A::Error> {
        let mut map = Map::new();
        while let Some((key, value)) = entries.next_entry_seed(self, self)? {
            map.push((key.text().unwrap_or_default(), value));
        }
        self.charged(0, Yaml::Map(map))
    }
}
