//! `parse_file_path`: the path of a file on somebody's machine, in parts.

use vrl::prelude::*;

use super::{call::call, link::extension};

/// `parse_file_path(value)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct ParseFilePath;

impl Function for ParseFilePath {
    fn identifier(&self) -> &'static str {
        "parse_file_path"
    }

    fn summary(&self) -> &'static str {
        "a file's path in the fields of ECS"
    }

    fn usage(&self) -> &'static str {
        "Cuts a path as Windows or Unix writes it into what ECS has under `file`: `path`, `directory`, `name`, \
         `extension` and `drive_letter`, as far as they are there. A bare name has no `path` and no `directory`. An empty text, and a \
         web address, give null."
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
                title: "Windows",
                source: r"parse_file_path(s'C:\Users\alice\plan.docx')",
                result: Ok(r#"{
                    "directory": s'C:\Users\alice',
                    "drive_letter": "C",
                    "extension": "docx",
                    "name": "plan.docx",
                    "path": s'C:\Users\alice\plan.docx'
                }"#),
            },
            example! {
                title: "A bare name",
                source: r#"parse_file_path("plan.docx")"#,
                result: Ok(r#"{ "extension": "docx", "name": "plan.docx" }"#),
            },
            example! {
                title: "A web address",
                source: r#"parse_file_path("https://contoso.example/plan.docx")"#,
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
        let file = Collection::empty()
            .with_known("directory", text())
            .with_known("drive_letter", text())
            .with_known("extension", text())
            .with_known("name", text())
            .with_known("path", text());
        Ok(call(&arguments, file_or_null, TypeDef::object(file).or_null()))
    }
}

fn file_or_null(value: &Value) -> Value {
    value.to_str().and_then(|text| parse_file_path(text.trim())).map_or(Value::Null, Value::Object)
}

fn parse_file_path(text: &str) -> Option<ObjectMap> {
    if text.is_empty() || text.contains("://") {
        return None;
    }
    let (directory, name) = match text.rfind(['/', '\\']) {
        Some(at) => (Some(&text[..at]), &text[at + 1..]),
        None => (None, text),
    };
    let drive = match text.as_bytes() {
        [letter, b':', b'\\' | b'/', ..] if letter.is_ascii_alphabetic() => {
            Some(char::from(letter.to_ascii_uppercase()).to_string())
        }
        _ => None,
    };
    let parts = [
        ("directory", directory.filter(|directory| !directory.is_empty()).map(Value::from)),
        ("drive_letter", drive.map(Value::from)),
        ("extension", extension(name).map(Value::from)),
        ("name", Some(name).filter(|name| !name.is_empty()).map(Value::from)),
        ("path", directory.map(|_| text.into())),
    ];
    Some(parts.into_iter().filter_map(|(name, value)| Some((name.into(), value?))).collect())
}
