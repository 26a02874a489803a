//! The part of OCSF's schema that events of ours can be held to.

use std::{collections::HashMap, net::IpAddr};

use serde_json::{Map, Value as Json};

/// `owner,attribute,type,is_array,is_required,values`: the owner is the number of a class or the name of an object; an
/// object's type is `object:` and its name; values are joined by `|`. An attribute `?` lists what an owner needs one of.
const TABLE: &str = include_str!("schema.csv");

/// What is known of an attribute.
#[derive(Debug)]
struct Attribute {
    kind: &'static str,
    is_array: bool,
    is_required: bool,
    /// The numbers that it may have; any where there is none.
    values: Vec<i64>,
}

/// What is known of a class or an object.
#[derive(Debug, Default)]
struct Owner {
    attributes: HashMap<&'static str, Attribute>,
    /// Of these there has to be one, if there are any.
    needs_one_of: Vec<&'static str>,
}

/// The schema.
#[derive(Debug)]
pub(super) struct Schema(HashMap<&'static str, Owner>);

impl Schema {
    pub(super) fn new() -> Schema {
        let mut owners: HashMap<&'static str, Owner> = HashMap::new();
        for line in TABLE.lines().skip(1) {
            let cells: Vec<&'static str> = line.split(',').collect();
            let [owner, name, kind, is_array, is_required, values] = cells[..] else {
                panic!("not six columns: {line}");
            };
            let owner = owners.entry(owner).or_default();
            if name == "?" {
                owner.needs_one_of = values.split('|').collect();
                continue;
            }
            let numbers = values.split('|').filter(|value| !value.is_empty());
            let values = numbers.map(|value| value.parse().expect("a number")).collect();
            let attribute = Attribute {
                kind,
                is_array: is_array == "true",
                is_required: is_required == "true",
                values,
            };
            owner.attributes.insert(name, attribute);
        }
        Schema(owners)
    }

    /// What of `event` does not keep to the schema.
    pub(super) fn findings(&self, event: &Json) -> Vec<String> {
        let mut findings = Vec::new();
        let number = |name: &str| event[name].as_i64().unwrap_or_default();
        let class = number("class_uid").to_string();
        let Some(owner) = self.0.get(class.as_str()) else {
            return vec![format!("class_uid: {class} is no class")];
        };
        if number("type_uid") != number("class_uid") * 100 + number("activity_id") {
            findings.push("type_uid: is not class_uid and activity_id".to_owned());
        }
        if number("category_uid") != number("class_uid") / 1000 {
            findings.push("category_uid: is not that of the class".to_owned());
        }
        match event.as_object() {
            Some(fields) => self.object(owner, fields, "", &mut findings),
            None => findings.push("no object".to_owned()),
        }
        findings
    }

    fn object(
        &self,
        owner: &Owner,
        fields: &Map<String, Json>,
        path: &str,
        findings: &mut Vec<String>,
    ) {
        for (name, attribute) in &owner.attributes {
            if attribute.is_required && !fields.contains_key(*name) {
                findings.push(format!("{path}{name}: is required"));
            }
        }
        let needed = &owner.needs_one_of;
        if !needed.is_empty() && !needed.iter().any(|name| fields.contains_key(*name)) {
            findings.push(format!("{path}: has none of {}", needed.join(", ")));
        }
        for (name, value) in fields {
            let path = format!("{path}{name}");
            let Some(attribute) = owner.attributes.get(name.as_str()) else {
                findings.push(format!("{path}: the schema has no such attribute"));
                continue;
            };
            match value.as_array() {
                Some(elements) if attribute.is_array => {
                    for element in elements {
                        self.value(attribute, element, &path, findings);
                    }
                }
                None if !attribute.is_array => self.value(attribute, value, &path, findings),
                Some(_) => findings.push(format!("{path}: is an array")),
                None => findings.push(format!("{path}: is no array")),
            }
        }
    }

    fn value(&self, attribute: &Attribute, value: &Json, path: &str, findings: &mut Vec<String>) {
        if let Some(name) = attribute.kind.strip_prefix("object:") {
            match (self.0.get(name), value.as_object()) {
                (Some(owner), Some(fields)) => {
                    self.object(owner, fields, &format!("{path}."), findings);
                }
                (None, _) => findings.push(format!("{path}: the table has no object {name}")),
                (_, None) => findings.push(format!("{path}: {value} is no object")),
            }
            return;
        }
        if !is_of(attribute.kind, value) {
            findings.push(format!("{path}: {value} is no {}", attribute.kind));
        } else if !attribute.values.is_empty()
            && value.as_i64().is_none_or(|number| !attribute.values.contains(&number))
        {
            findings.push(format!("{path}: {value} is none of its values"));
        }
    }
}

/// Whether `value` is of the type that OCSF calls `kind`.
fn is_of(kind: &str, value: &Json) -> bool {
    match kind {
        "integer_t" | "long_t" | "timestamp_t" => value.is_i64(),
        "port_t" => value.as_u64().is_some_and(|port| u16::try_from(port).is_ok()),
        "float_t" => value.is_number(),
        "boolean_t" => value.is_boolean(),
        "ip_t" => value.as_str().is_some_and(|text| text.parse::<IpAddr>().is_ok()),
        "email_t" => value.as_str().is_some_and(is_email),
        "json_t" => true,
        "object" => value.is_object(),
        _ => value.is_string(),
    }
}

/// Whether `text` has the form of an address that the schema's expression allows.
fn is_email(text: &str) -> bool {
    text.rsplit_once('@').is_some_and(|(local, domain)| {
        let is_domain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
        !local.is_empty() && domain.contains('.') && domain.bytes().all(is_domain)
    })
}
