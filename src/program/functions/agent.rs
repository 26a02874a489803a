//! `describe_agent`: a user agent in the fields of ECS, each text worked out once.
//!
//! VRL's own `parse_user_agent` does the work. It tries hundreds of patterns, which costs more than the rest of a
//! mapping; a tenant's users have some hundred agents among them, so what was found is kept.

use std::sync::{LazyLock, Mutex, PoisonError};

use hashlink::LruCache;
use vrl::{
    compiler::{
        CompileConfig, Program, TargetValue, TimeZone, compile_with_external, runtime::Runtime,
        state::ExternalEnv,
    },
    prelude::*,
    value::Secrets,
};

use super::call::call;

/// Texts whose description is kept. With their descriptions they take some MB.
const KEPT_MAX: usize = 4096;

/// Bytes of a text that is looked at. What makes it longer is chance or malice, and would be kept in memory.
const TEXT_BYTES_MAX: usize = 1024;

/// What the patterns call what they do not know.
const UNKNOWN: &[&str] = &["", "Other", "UNKNOWN"];

static KEPT: LazyLock<Mutex<LruCache<String, Value>>> =
    LazyLock::new(|| Mutex::new(LruCache::new(KEPT_MAX)));

static PARSER: LazyLock<Option<Program>> = LazyLock::new(|| {
    let source = r#"parse_user_agent(string(.) ?? "", mode: "enriched")"#;
    let any = ExternalEnv::new_with_kind(Kind::any(), Kind::any_object());
    let functions: Vec<Box<dyn Function>> =
        vec![Box::new(vrl::stdlib::ParseUserAgent), Box::new(vrl::stdlib::String)];
    let compiled = compile_with_external(source, &functions, &any, CompileConfig::default());
    compiled.ok().map(|compiled| compiled.program)
});

/// `describe_agent(value)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct DescribeAgent;

impl Function for DescribeAgent {
    fn identifier(&self) -> &'static str {
        "describe_agent"
    }

    fn summary(&self) -> &'static str {
        "a user agent in the fields of ECS"
    }

    fn usage(&self) -> &'static str {
        "Reads the text by which a program introduces itself to a web server. Gives an object as ECS has it under \
         `user_agent`: `original`, the text, and those of `name`, `version`, `device.name`, `os.name`, `os.version` \
         and `os.full` that can be told from it. Each text is worked out once and remembered. An empty text gives null."
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
                title: "A browser",
                source: r#"describe_agent("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0")"#,
                result: Ok(
                    r#"{
                        "name": "Firefox",
                        "original": "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0",
                        "os": { "full": "Windows 10", "name": "Windows", "version": "10" },
                        "version": "127.0"
                    }"#,
                ),
            },
            example! {
                title: "Something else",
                source: r#"describe_agent("BAV2ROPC")"#,
                result: Ok(r#"{ "original": "BAV2ROPC" }"#),
            },
            example! {
                title: "Nothing",
                source: r#"describe_agent("")"#,
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
        let device = Collection::empty().with_known("name", text());
        let os = Collection::empty()
            .with_known("full", text())
            .with_known("name", text())
            .with_known("version", text());
        let agent = Collection::empty()
            .with_known("device", Kind::object(device).or_undefined())
            .with_known("name", text())
            .with_known("original", Kind::bytes())
            .with_known("os", Kind::object(os).or_undefined())
            .with_known("version", text());
        Ok(call(&arguments, agent_or_null, TypeDef::object(agent).or_null()))
    }
}

fn agent_or_null(value: &Value) -> Value {
    let Some(text) = value.to_str().filter(|text| !text.trim().is_empty()) else {
        return Value::Null;
    };
    if text.len() > TEXT_BYTES_MAX {
        return described(value, &ObjectMap::new());
    }
    // What a panic elsewhere left behind is a map that is whole: values are put in in one step.
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(agent) = kept.get(text) {
        return agent.clone();
    }
    drop(kept);
    let agent = described(value, &parse(value));
    kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    kept.insert(text.to_owned(), agent.clone());
    agent
}

/// The description of `original`, of which VRL says `parsed`.
fn described(original: &Value, parsed: &ObjectMap) -> Value {
    let part = |part: &str, name: &str| {
        let text = parsed.get(part)?.as_object()?.get(name)?.to_str()?;
        (!UNKNOWN.contains(&text)).then(|| text.to_owned())
    };
    let os_name = part("os", "family");
    // `version` can be the kernel's ("NT 10.0"), the numbers are those that users know ("10").
    let numbers = ["major", "minor", "patch"].map(|number| part("os", number));
    let numbers = numbers.into_iter().flatten().collect::<Vec<_>>().join(".");
    let os_version = (!numbers.is_empty()).then_some(numbers).or_else(|| part("os", "version"));
    let os_version = os_name.as_ref().and(os_version);
    let os_full = os_name.as_ref().map(|name| match &os_version {
        Some(version) => format!("{name} {version}"),
        None => name.clone(),
    });
    let name = part("browser", "family");
    let version = name.as_ref().and_then(|_| part("browser", "version"));
    let os = object([("full", os_full), ("name", os_name), ("version", os_version)]);
    let device = object([("name", part("device", "family"))]);
    let mut agent = object([("name", name), ("version", version)]);
    agent.insert("original".into(), original.clone());
    for (name, fields) in [("os", os), ("device", device)] {
        if !fields.is_empty() {
            agent.insert(name.into(), Value::Object(fields));
        }
    }
    Value::Object(agent)
}

fn object<const N: usize>(fields: [(&str, Option<String>); N]) -> ObjectMap {
    let present = fields.into_iter().filter_map(|(name, text)| Some((name.into(), text?.into())));
    present.collect()
}

/// What VRL says of the text.
fn parse(text: &Value) -> ObjectMap {
    let Some(program) = &*PARSER else { return ObjectMap::new() };
    let mut target = TargetValue {
        value: text.clone(),
        metadata: Value::Object(ObjectMap::new()),
        secrets: Secrets::default(),
    };
    let parsed = Runtime::default().resolve(&mut target, program, &TimeZone::default());
    match parsed {
        Ok(Value::Object(parsed)) => parsed,
        _ => ObjectMap::new(),
    }
}
