//! `parse_link`: a web address as audit records write it, in parts.
//!
//! `SharePoint` writes addresses as people read them, with spaces and letters that an address may not have. What a
//! strict parser would refuse or rewrite is cut at its separators here, and kept as it is.

use vrl::prelude::*;

use super::call::call;

/// `parse_link(value)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct ParseLink;

impl Function for ParseLink {
    fn identifier(&self) -> &'static str {
        "parse_link"
    }

    fn summary(&self) -> &'static str {
        "a web address in the fields of ECS"
    }

    fn usage(&self) -> &'static str {
        "Cuts a web address into what ECS has under `url`: `original`, `scheme`, `domain`, `port`, `path`, `extension`, \
         `query` and `fragment`, as far as they are there. Spaces and other characters that an address should not have \
         stay as they are. User name and password before the host are left out of all parts. What is no address with a \
         scheme and a host gives null."
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
                title: "A file in SharePoint",
                source: r#"parse_link("https://contoso.example/sites/hr/Shared Documents/plan.docx")"#,
                result: Ok(r#"{
                    "domain": "contoso.example",
                    "extension": "docx",
                    "original": "https://contoso.example/sites/hr/Shared Documents/plan.docx",
                    "path": "/sites/hr/Shared Documents/plan.docx",
                    "scheme": "https"
                }"#),
            },
            example! {
                title: "With a port and a query",
                source: r#"parse_link("http://contoso.example:8080/?q=1#top").query"#,
                result: Ok("s'q=1'"),
            },
            example! { title: "No address", source: r#"parse_link("plan.docx")"#, result: Ok("null") },
        ]
    }

    fn compile(
        &self,
        _state: &TypeState,
        _context: &mut FunctionCompileContext,
        arguments: ArgumentList,
    ) -> Compiled {
        let text = || Kind::bytes().or_undefined();
        let link = Collection::empty()
            .with_known("domain", Kind::bytes())
            .with_known("extension", text())
            .with_known("fragment", text())
            .with_known("original", Kind::bytes())
            .with_known("path", text())
            .with_known("port", Kind::integer().or_undefined())
            .with_known("query", text())
            .with_known("scheme", Kind::bytes());
        Ok(call(&arguments, link_or_null, TypeDef::object(link).or_null()))
    }
}

fn link_or_null(value: &Value) -> Value {
    value.to_str().and_then(|text| parse_link(text.trim())).map_or(Value::Null, Value::Object)
}

fn parse_link(text: &str) -> Option<ObjectMap> {
    let (scheme, rest) = text.split_once("://")?;
    let is_scheme =
        scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte));
    if scheme.is_empty() || !is_scheme {
        return None;
    }
    let (rest, fragment) = cut(rest, '#');
    let (rest, query) = cut(rest, '?');
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let place = authority.rsplit_once('@').map_or(authority, |(_who, place)| place);
    let (host, port) = host_and_port(place)?;
    let after_authority = &text[scheme.len() + 3 + authority.len()..];
    let original = if place == authority {
        text.to_owned()
    } else {
        format!("{scheme}://{place}{after_authority}")
    };
    let parts = [
        ("domain", Some(host.to_ascii_lowercase().into())),
        ("extension", extension(path).map(Value::from)),
        ("fragment", fragment.map(Value::from)),
        ("original", Some(original.into())),
        ("path", (!path.is_empty()).then(|| path.into())),
        ("port", port.map(Value::from)),
        ("query", query.map(Value::from)),
        ("scheme", Some(scheme.to_ascii_lowercase().into())),
    ];
    Some(parts.into_iter().filter_map(|(name, value)| Some((name.into(), value?))).collect())
}

/// What stands before and, where it is not empty, behind the first `separator`.
fn cut(text: &str, separator: char) -> (&str, Option<&str>) {
    match text.split_once(separator) {
        Some((before, after)) => (before, Some(after).filter(|after| !after.is_empty())),
        None => (text, None),
    }
}

fn host_and_port(place: &str) -> Option<(&str, Option<u16>)> {
    let port_at = place.rfind(':').filter(|at| place[*at..].find(']').is_none());
    let (host, port) = match port_at {
        Some(at) => (&place[..at], place[at + 1..].parse().ok()),
        None => (place, None),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let is_host = !host.is_empty() && !host.contains(|character: char| character.is_whitespace());
    is_host.then_some((host, port))
}

/// What follows the last dot of the last segment of a path.
pub(super) fn extension(path: &str) -> Option<&str> {
    let name = path.rsplit(['/', '\\']).next()?;
    let (stem, extension) = name.rsplit_once('.')?;
    let is_extension = extension.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (!stem.is_empty() && !extension.is_empty() && extension.len() <= 16 && is_extension)
        .then_some(extension)
}
