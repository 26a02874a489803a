//! The JSON schema accepts what the program accepts, and no misspelt option.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use jsonschema::Validator;
use o365flow::{
    components::REGISTRY,
    config::{self, fault::Fault, fault::SourceFile},
};
use serde_json::Value;

use crate::reference::{ROOT, Reference, read};

/// The committed schema, for editors that open the repository or take it from there.
const COMMITTED: &str = "config/schema.json";

/// Stands for every variable: options take it for GUIDs and secrets.
const VARIABLE: &str = "0f1e2d3c-4b5a-4697-8877-665544332211";

/// What an option may be given instead of what it wants.
const OTHERS: [&str; 10] =
    ["0", "7", "-1", "0.5", "true", "\"x\"", "\"${X}\"", "\"90s\"", "\"1.5 MiB\"", "{}"];

fn schema() -> Value {
    config::schema(REGISTRY).to_value()
}

fn validator() -> Validator {
    jsonschema::draft7::new(&schema()).expect("it is a schema")
}

fn faults(text: &str) -> Vec<Fault> {
    let file = Arc::new(SourceFile { path: "it.toml".into(), text: text.to_owned() });
    config::parse(&[file], REGISTRY, &|_| Some(VARIABLE.to_owned())).1
}

/// What the schema has against a configuration.
fn objections(validator: &Validator, text: &str) -> Vec<String> {
    let instance: Value = toml::from_str(text).expect("it is TOML");
    let shown =
        |error: jsonschema::ValidationError<'_>| format!("{}: {error}", error.instance_path());
    validator.iter_errors(&instance).map(shown).collect()
}

fn toml_files(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(Path::new(ROOT).join(folder)).expect("the folder is there");
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect()
}

#[test]
fn the_committed_schema_is_that_of_the_program() {
    let made = serde_json::to_string_pretty(&schema()).expect("it is JSON") + "\n";
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(Path::new(ROOT).join(COMMITTED), made).expect("it can be written");
        return;
    }
    assert!(read(COMMITTED) == made, "{COMMITTED} is not as made: run `make readme`");
}

#[test]
fn every_example_is_as_the_schema_says() {
    let validator = validator();
    let files = ["config", "config/examples", "packaging"].map(toml_files).concat();
    assert!(files.len() > 15, "only {} examples", files.len());
    for file in files {
        let text = fs::read_to_string(&file).expect("it can be read");
        let objections = objections(&validator, &text);
        assert!(objections.is_empty(), "{}: {objections:#?}", file.display());
    }
}

#[test]
fn every_tenant_file_is_as_the_schema_says() {
    let mut tenant = schema();
    // The file's own name is the tenant's where it has none.
    let own = &mut tenant["definitions"]["Tenant"];
    let required = own["required"].as_array_mut().expect("a tenant needs something");
    required.retain(|name| name != "name");
    let own = own.clone();
    tenant["properties"] = own["properties"].clone();
    tenant["required"] = own["required"].clone();
    let validator = jsonschema::draft7::new(&tenant).expect("it is a schema");
    let files = toml_files("config/examples/tenants.d");
    assert!(!files.is_empty(), "there are no tenants");
    for file in files {
        let text = fs::read_to_string(&file).expect("it can be read");
        let objections = objections(&validator, &text);
        assert!(objections.is_empty(), "{}: {objections:#?}", file.display());
    }
}

#[test]
fn what_the_program_accepts_for_an_option_the_schema_accepts() {
    let (validator, reference) = (validator(), Reference::read());
    let (mut accepted, mut refused) = (0, 0);
    for line in &reference.settings {
        let others = OTHERS.iter().map(|other| format!("{} = {other}", line.key));
        for replacement in others.chain([line.assignment.clone()]) {
            let text = reference.with(line, &replacement);
            if toml::from_str::<Value>(&text).is_err() {
                continue;
            }
            let objections = objections(&validator, &text);
            if faults(&text).is_empty() {
                assert!(objections.is_empty(), "{}: {replacement}: {objections:#?}", line.table);
                accepted += 1;
            } else {
                refused += usize::from(!objections.is_empty());
            }
        }
    }
    // Most of what is wrong with an option by itself is seen in the editor already.
    assert!(accepted > 500 && refused > 1000, "{accepted} accepted, {refused} refused");
}

#[test]
fn a_misspelt_option_is_not_as_the_schema_says() {
    let (validator, reference) = (validator(), Reference::read());
    let mut misspelt = 0;
    for line in &reference.settings {
        let text = reference.with(line, &format!("{}s_{}", line.key, line.assignment));
        let is_unknown = |fault: &Fault| fault.message.contains("unknown option");
        if toml::from_str::<Value>(&text).is_ok() && faults(&text).iter().any(is_unknown) {
            let objections = objections(&validator, &text);
            assert!(!objections.is_empty(), "{}.{}", line.table, line.key);
            misspelt += 1;
        }
    }
    assert!(misspelt > 150, "only {misspelt} were tried");
}

#[test]
fn a_component_of_no_type_or_one_that_reads_nothing_is_not_as_the_schema_says() {
    let validator = validator();
    for (text, is_right) in [
        ("[sinks.a]\ntype = \"console\"\ninputs = [\"b\"]", true),
        ("[sinks.a]\ntype = \"console\"", false),
        ("[sinks.a]\ntype = \"consol\"\ninputs = [\"b\"]", false),
        ("[sinks.a]\ninputs = [\"b\"]", false),
        ("[sinks.a]\ntype = \"console\"\ninputs = [\"b\"]\nencoding = \"${E}\"", true),
        ("[sinks.a]\ntype = \"console\"\ninputs = [\"b\"]\nencoding = \"xml\"", false),
        ("[sources.a]\ntype = \"kafka\"\ninputs = [\"b\"]", false),
        ("[transforms.a]\ntype = \"filter\"\ninputs = [\"b\"]", false),
        ("[transforms.a]\ntype = \"filter\"\ninputs = [\"b\"]\ncondition = \"true\"", true),
        ("[sinks.a]\ntype = \"console\"\ninputs = [\"b\"]\nbuffer.type = \"disk\"", true),
        ("[transforms.a]\ntype = \"filter\"\ninputs = []\ncondition = \"\"\nbuffer = {}", false),
        ("shutdown_timeout = \"5 mins 3s\"", true),
        ("shutdown_timeout = \"${T:-5m}\"", true),
        ("shutdown_timeout = \"5 parsecs\"", false),
        ("shutdown_timeout = 5", false),
        ("source = {}", false),
    ] {
        assert_eq!(objections(&validator, text).is_empty(), is_right, "{text}");
    }
}
