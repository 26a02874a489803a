//! `fingerprint`: an id for what has none, the same whenever the same arrives.

use pipeline_core::write_json;
use ring::digest::{SHA256, digest};
use vrl::prelude::*;

use super::call::call;

/// `fingerprint(value)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fingerprint;

impl Function for Fingerprint {
    fn identifier(&self) -> &'static str {
        "fingerprint"
    }

    fn summary(&self) -> &'static str {
        "an id that a value always has"
    }

    fn usage(&self) -> &'static str {
        "Gives the SHA-256 hash of the value as JSON with sorted keys, in hexadecimal digits. Equal values have equal \
         fingerprints, whatever the order in which their fields came."
    }

    fn category(&self) -> &'static str {
        Category::Object.as_ref()
    }

    fn return_kind(&self) -> u16 {
        kind::BYTES
    }

    fn parameters(&self) -> &'static [Parameter] {
        const PARAMETERS: &[Parameter] = &[Parameter::required("value", kind::ANY, "The value.")];
        PARAMETERS
    }

    fn examples(&self) -> &'static [Example] {
        &[example! {
            title: "An object",
            source: r#"fingerprint({ "Operation": "Send" })"#,
            result: Ok("47c72245f65c9221d1b7fc5018caa525e856910f163b1b91b10a899742cec3ed"),
        }]
    }

    fn compile(
        &self,
        _state: &TypeState,
        _context: &mut FunctionCompileContext,
        arguments: ArgumentList,
    ) -> Compiled {
        Ok(call(&arguments, fingerprint, TypeDef::bytes()))
    }
}

fn fingerprint(value: &Value) -> Value {
    let mut json = Vec::new();
    write_json(value, &mut json);
    let hash = digest(&SHA256, &json);
    let digits = hash.as_ref().iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let digits = digits.filter_map(|digit| char::from_digit(digit.into(), 16));
    Value::from(digits.collect::<String>())
}
