//! `parse_user`: the forms in which audit records say who did something.

use std::borrow::Cow;

use vrl::prelude::*;

use super::{call::call, text::part_of};

/// What services write where there is nobody to name.
const NOBODY: &[&str] = &[
    "",
    "not available",
    "unknown",
    "none",
    "null",
    "<null>",
    "(null)",
    "n/a",
    "00000000-0000-0000-0000-000000000000",
];

/// Marks the principal name of a guest, in which the home address stands before it with `_` for `@`.
const GUEST: &str = "#EXT#";

/// `parse_user(value)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct ParseUser;

impl Function for ParseUser {
    fn identifier(&self) -> &'static str {
        "parse_user"
    }

    fn summary(&self) -> &'static str {
        "a user in any form that audit records use"
    }

    fn usage(&self) -> &'static str {
        "Reads who somebody is: a user principal name, a guest's (`alice_fabrikam.example#EXT#@contoso.example`), a \
         claim (`i:0#.f|membership|alice@contoso.example`, `urn:spo:guest#alice@contoso.example`), an account of \
         Windows with or without its process (`NT AUTHORITY\\SYSTEM (w3wp)`), a path in a directory, or a bare id (a \
         GUID, a SID, `ServicePrincipal_…`). Gives an object with `id`, the whole text, and those of `name`, `domain`, \
         `email` and `process` that it holds. What names nobody, such as an empty string, `Unknown` or \
         `Not Available`, gives null."
    }

    fn category(&self) -> &'static str {
        Category::Parse.as_ref()
    }

    fn return_kind(&self) -> u16 {
        kind::OBJECT | kind::NULL
    }

    fn parameters(&self) -> &'static [Parameter] {
        const PARAMETERS: &[Parameter] =
            &[Parameter::required("value", kind::ANY, "The text to read.")];
        PARAMETERS
    }

    fn examples(&self) -> &'static [Example] {
        &[
            example! {
                title: "A user principal name",
                source: r#"parse_user("alice@contoso.example")"#,
                result: Ok(r#"{ "domain": "contoso.example", "email": "alice@contoso.example", "id": "alice@contoso.example", "name": "alice" }"#),
            },
            example! {
                title: "A guest",
                source: r#"parse_user("alice_fabrikam.example#EXT#@contoso.example").email"#,
                result: Ok("alice@fabrikam.example"),
            },
            example! {
                title: "A service's account",
                source: r#"parse_user(s'NT AUTHORITY\SYSTEM (w3wp)')"#,
                result: Ok(r#"{ "domain": "NT AUTHORITY", "id": s'NT AUTHORITY\SYSTEM (w3wp)', "name": "SYSTEM", "process": "w3wp" }"#),
            },
            example! {
                title: "An id",
                source: r#"parse_user("S-1-5-18")"#,
                result: Ok(r#"{ "id": "S-1-5-18" }"#),
            },
            example! {
                title: "Nobody",
                source: r#"parse_user("Not Available")"#,
                result: Ok("null"),
            },
        ]
    }

    fn compile(
        &self,
        _state: &TypeState,
        _context: &mut FunctionCompileContext,
        arguments: ArgumentList,
    ) -> Compiled {
        let text = || Kind::bytes().or_undefined();
        let user = Collection::empty()
            .with_known("domain", text())
            .with_known("email", text())
            .with_known("id", Kind::bytes())
            .with_known("name", text())
            .with_known("process", text());
        Ok(call(&arguments, user_or_null, TypeDef::object(user).or_null()))
    }
}

fn user_or_null(value: &Value) -> Value {
    let text = value.to_str().map(str::trim).filter(|text| names_somebody(text));
    text.map_or(Value::Null, |text| User::read(text).into_value(value))
}

fn names_somebody(text: &str) -> bool {
    !NOBODY.iter().any(|nobody| text.eq_ignore_ascii_case(nobody))
}

/// What a text says of a user.
#[derive(Debug, Default)]
struct User<'a> {
    id: &'a str,
    name: Option<&'a str>,
    domain: Option<&'a str>,
    email: Option<Cow<'a, str>>,
    process: Option<&'a str>,
}

impl<'a> User<'a> {
    fn read(id: &'a str) -> User<'a> {
        let user = User { id, ..User::default() };
        let text = without_claim(id);
        if let Some((name, domain)) = around_one(text, '@') {
            let email = email(text, name, domain);
            return User { name: Some(name), domain: Some(domain), email, ..user };
        }
        if let Some((domain, account)) = around_one(text, '\\') {
            let (name, process) = account_and_process(account);
            return User { name: Some(name), domain: Some(domain), process, ..user };
        }
        // A path in a directory ends in the name.
        let name = text.rsplit_once('/').map(|(_path, name)| name).filter(|name| !name.is_empty());
        User { name, ..user }
    }
}

impl User<'_> {
    /// The user that was read from `whole`, whose parts are not copied.
    fn into_value(self, whole: &Value) -> Value {
        let text = |part: &str| part_of(whole, part);
        let fields = [
            ("domain", self.domain.map(text)),
            (
                "email",
                self.email.map(|email| match email {
                    Cow::Borrowed(email) => text(email),
                    Cow::Owned(email) => Value::from(email),
                }),
            ),
            ("id", Some(text(self.id))),
            ("name", self.name.map(text)),
            ("process", self.process.map(text)),
        ];
        let present = fields.into_iter().filter_map(|(name, value)| Some((name.into(), value?)));
        Value::Object(present.collect())
    }
}

/// The name in a claim, as sites write them: after the last `|`, or after the `#` of `urn:spo:guest#…`.
fn without_claim(text: &str) -> &str {
    if let Some(urn) = text.strip_prefix("urn:spo:") {
        return urn.split_once('#').map_or(text, |(_kind, name)| name);
    }
    text.rsplit_once('|').map_or(text, |(_claim, name)| name)
}

/// What stands on both sides of `separator`, where it occurs once and has both sides.
fn around_one(text: &str, separator: char) -> Option<(&str, &str)> {
    let (before, after) = text.split_once(separator)?;
    let once = !before.is_empty() && !after.is_empty() && !after.contains(separator);
    once.then_some((before, after))
}

/// The address that a principal name is, or stands for. `app@sharepoint` is none.
fn email<'a>(principal: &'a str, name: &str, domain: &str) -> Option<Cow<'a, str>> {
    if let Some((home, _rest)) = name.split_once(GUEST) {
        let (name, domain) = home.rsplit_once('_')?;
        return is_address(name, domain).then(|| format!("{name}@{domain}").into());
    }
    is_address(name, domain).then_some(Cow::Borrowed(principal))
}

fn is_address(name: &str, domain: &str) -> bool {
    let odd = |character: char| character.is_whitespace() || character.is_control();
    !name.is_empty() && domain.contains('.') && !name.contains(odd) && !domain.contains(odd)
}

/// `SYSTEM (w3wp)` as the account and the process.
fn account_and_process(account: &str) -> (&str, Option<&str>) {
    match account.split_once(" (") {
        Some((name, process)) if !name.is_empty() => {
            (name, process.strip_suffix(')').filter(|process| !process.is_empty()))
        }
        _ => (account, None),
    }
}
