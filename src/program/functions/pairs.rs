//! `flatten_pairs`: arrays of named values as one object, so that each can be searched by its name.

use vrl::prelude::*;

use super::{call::call, names::one_field};

/// Where the parts go that have no name. No cmdlet or property is called so.
pub(super) const UNNAMED: &str = "_raw";

/// `flatten_pairs(value)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct FlattenPairs;

impl Function for FlattenPairs {
    fn identifier(&self) -> &'static str {
        "flatten_pairs"
    }

    fn summary(&self) -> &'static str {
        "an array of named values as one object"
    }

    fn usage(&self) -> &'static str {
        "Makes one object of an array whose elements are objects with a `Name` (or `Key`). The field's value is the \
         element's `Value`, or an object of all else that the element holds, such as `NewValue` and `OldValue`. Dots \
         and white space in names become `_`. Where a name occurs twice, the field is an array of all its values. \
         Text that is such an array in JSON is read as one. What has no name is kept in an array under `_raw`. An \
         object stays as it is, and null stays null."
    }

    fn category(&self) -> &'static str {
        Category::Object.as_ref()
    }

    fn return_kind(&self) -> u16 {
        kind::OBJECT | kind::NULL
    }

    fn parameters(&self) -> &'static [Parameter] {
        const PARAMETERS: &[Parameter] =
            &[Parameter::required("value", kind::ANY, "The array to flatten.")];
        PARAMETERS
    }

    fn examples(&self) -> &'static [Example] {
        &[
            example! {
                title: "Names and values",
                source: r#"flatten_pairs([{ "Name": "Identity", "Value": "a" }, { "Name": "Is Hard.Deleted", "Value": "b" }])"#,
                result: Ok(r#"{ "Identity": "a", "Is_Hard_Deleted": "b" }"#),
            },
            example! {
                title: "Old and new values",
                source: r#"flatten_pairs([{ "Name": "Role.Name", "NewValue": "b", "OldValue": "a" }])"#,
                result: Ok(r#"{ "Role_Name": { "NewValue": "b", "OldValue": "a" } }"#),
            },
            example! {
                title: "A name that occurs twice",
                source: r#"flatten_pairs([{ "Key": "to", "Value": "a" }, { "Key": "to", "Value": "b" }])"#,
                result: Ok(r#"{ "to": ["a", "b"] }"#),
            },
            example! {
                title: "Text",
                source: r#"flatten_pairs("-Identity example")"#,
                result: Ok(r#"{ "_raw": ["-Identity example"] }"#),
            },
        ]
    }

    fn compile(
        &self,
        _state: &TypeState,
        _context: &mut FunctionCompileContext,
        arguments: ArgumentList,
    ) -> Compiled {
        Ok(call(&arguments, flatten_pairs, TypeDef::object(Collection::any()).or_null()))
    }
}

fn flatten_pairs(value: &Value) -> Value {
    let mut flat = Flat::default();
    match value {
        Value::Null => return Value::Null,
        Value::Object(_) => return value.clone(),
        Value::Array(elements) => elements.iter().for_each(|element| flat.add_element(element)),
        other => match array_in_json(other) {
            Some(elements) => elements.iter().for_each(|element| flat.add_element(element)),
            None => flat.add(UNNAMED.into(), Value::Array(vec![other.clone()])),
        },
    }
    flat.into_value()
}

/// The array that a text holds in JSON.
fn array_in_json(value: &Value) -> Option<Vec<Value>> {
    let text = value.to_str()?.trim();
    if !text.starts_with('[') {
        return None;
    }
    serde_json::from_str(text).ok()
}

/// The object in the making.
#[derive(Default)]
struct Flat {
    fields: ObjectMap,
    unnamed: Vec<Value>,
    /// The names that occurred more than once: their fields are arrays of our making.
    repeated: Vec<KeyString>,
}

impl Flat {
    fn add_element(&mut self, element: &Value) {
        let named = element.as_object().and_then(|fields| Some((fields, name_of(fields)?)));
        match named {
            Some((fields, (key, name))) => self.add(one_field(name), content(fields, key)),
            None => self.unnamed.push(element.clone()),
        }
    }

    fn add(&mut self, name: KeyString, value: Value) {
        let Some(before) = self.fields.get_mut(&name) else {
            self.fields.insert(name, value);
            return;
        };
        match before {
            Value::Array(values) if self.repeated.contains(&name) => values.push(value),
            once => {
                let first = std::mem::replace(once, Value::Null);
                *once = Value::Array(vec![first, value]);
                self.repeated.push(name);
            }
        }
    }

    fn into_value(mut self) -> Value {
        if !self.unnamed.is_empty() {
            let unnamed = std::mem::take(&mut self.unnamed);
            self.add(UNNAMED.into(), Value::Array(unnamed));
        }
        Value::Object(self.fields)
    }
}

/// The key under which an element has its name, and the name.
pub(super) fn name_of(fields: &ObjectMap) -> Option<(&'static str, &str)> {
    ["Name", "Key"].into_iter().find_map(|key| Some((key, fields.get(key)?.to_str()?)))
}

/// What an element holds besides its name.
fn content(fields: &ObjectMap, name_key: &str) -> Value {
    let mut others = fields.iter().filter(|(key, _)| key.as_str() != name_key);
    match (others.next(), others.next()) {
        (None, _) => Value::Null,
        (Some((key, value)), None) if key.as_str() == "Value" => value.clone(),
        _ => {
            let rest = fields.iter().filter(|(key, _)| key.as_str() != name_key);
            Value::Object(rest.map(|(key, value)| (key.clone(), value.clone())).collect())
        }
    }
}
