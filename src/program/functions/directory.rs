//! `directory_object`: who or what an `Actor` or a `Target` of the directory is.

use vrl::prelude::*;

use super::call::call;

/// What the numbers in `Type` mean. Microsoft documents them as `IdentityType`.
const DISPLAY_NAME: i64 = 1;
const OTHER: i64 = 2;
const USER_PRINCIPAL_NAME: i64 = 5;

/// `directory_object(value)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct DirectoryObject;

impl Function for DirectoryObject {
    fn identifier(&self) -> &'static str {
        "directory_object"
    }

    fn summary(&self) -> &'static str {
        "who an `Actor` or a `Target` of the directory is"
    }

    fn usage(&self) -> &'static str {
        "Reads the identities under which Microsoft Entra lists one object, an array of `{ \"ID\": …, \"Type\": … }`. \
         Gives an object with those of `kind` (`User`, `Group`, `ServicePrincipal`, …), `id` (the object's GUID), \
         `name` (what it is called) and `upn` (its principal name) that they tell; the first of each, where there are \
         several objects. Where they tell nothing, null."
    }

    fn category(&self) -> &'static str {
        Category::Parse.as_ref()
    }

    fn return_kind(&self) -> u16 {
        kind::OBJECT | kind::NULL
    }

    fn parameters(&self) -> &'static [Parameter] {
        const PARAMETERS: &[Parameter] =
            &[Parameter::required("value", kind::ANY, "The array of identities.")];
        PARAMETERS
    }

    fn examples(&self) -> &'static [Example] {
        &[
            example! {
                title: "A user",
                source: r#"directory_object([{ "ID": "User_7c0f", "Type": 2 }, { "ID": "7c0f", "Type": 2 }, { "ID": "alice@contoso.example", "Type": 5 }])"#,
                result: Ok(r#"{ "id": "7c0f", "kind": "User", "upn": "alice@contoso.example" }"#),
            },
            example! {
                title: "An application's identity",
                source: r#"directory_object([{ "ID": "ServicePrincipal_19aa", "Type": 2 }, { "ID": "Payroll", "Type": 1 }])"#,
                result: Ok(r#"{ "id": "19aa", "kind": "ServicePrincipal", "name": "Payroll" }"#),
            },
            example! { title: "Nothing", source: "directory_object([])", result: Ok("null") },
        ]
    }

    fn compile(
        &self,
        _state: &TypeState,
        _context: &mut FunctionCompileContext,
        arguments: ArgumentList,
    ) -> Compiled {
        let text = || Kind::bytes().or_undefined();
        let object = Collection::empty()
            .with_known("id", text())
            .with_known("kind", text())
            .with_known("name", text())
            .with_known("upn", text());
        Ok(call(&arguments, object_or_null, TypeDef::object(object).or_null()))
    }
}

fn object_or_null(value: &Value) -> Value {
    let mut found = ObjectMap::new();
    for identity in value.as_array().unwrap_or_default() {
        let Some((id, number)) = identity_of(identity) else { continue };
        let mut first = |name: &str, text: &str| {
            if !text.is_empty() && !found.contains_key(name) {
                found.insert(name.into(), text.to_owned().into());
            }
        };
        match number {
            DISPLAY_NAME => first("name", id),
            // Other identities are the bare GUID, the kind alone, and `Kind_GUID`, which says both.
            OTHER => {
                if let Some((kind, id)) = id.split_once('_').filter(|(kind, _)| is_kind(kind)) {
                    first("kind", kind);
                    first("id", id);
                }
            }
            USER_PRINCIPAL_NAME => first("upn", id),
            _ => {}
        }
    }
    if found.is_empty() { Value::Null } else { Value::Object(found) }
}

fn identity_of(identity: &Value) -> Option<(&str, i64)> {
    let fields = identity.as_object()?;
    let number = match fields.get("Type")? {
        Value::Integer(number) => *number,
        other => other.to_str()?.parse().ok()?,
    };
    Some((fields.get("ID")?.to_str()?, number))
}

fn is_kind(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}
