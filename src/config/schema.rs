//! The JSON schema of a configuration, for editors, made of the types that it is read into.
//!
//! It is no judge: what fits together, and whether a text is a path or a template, only `validate` knows. Invariant:
//! what the program accepts, the schema accepts, a variable in the place of any text included; but not a list in the
//! place of a table, of which serde takes one for the other.
//!
//! The dialect is draft 7, the youngest that the TOML language servers know.

use pipeline_core::ComponentKind;
use schemars::{
    JsonSchema, Schema, SchemaGenerator,
    generate::SchemaSettings,
    transform::{Transform, transform_subschemas},
};
use serde_json::{Map, Value, json};

use super::{BufferConfig, Global, Registry, RegistryEntry, SECTIONS, TestCase};

/// A text that holds a variable or a secret, which stands for any other.
const VARIABLE: &str = r"\$\{|SECRET\[";

/// The schema of a configuration that is made of these components.
pub fn schema(registry: &Registry) -> Schema {
    let mut generator = SchemaSettings::draft07().into_generator();
    let mut root = Global::json_schema(&mut generator);
    let properties = child(&mut root, "properties");
    for (section, kind) in SECTIONS {
        let entries = registry.iter().filter(|entry| entry.kind == kind);
        let variants: Vec<Schema> = entries.map(|entry| component(entry, &mut generator)).collect();
        let said = format!("The {section}, each under a name of its own.");
        let named = json!({
            "description": said,
            "type": "object",
            "additionalProperties": { "oneOf": variants },
        });
        properties.insert(section.to_owned(), named);
    }
    let tests = Vec::<TestCase>::json_schema(&mut generator);
    properties.insert("tests".to_owned(), tests.to_value());
    root.insert("$schema".to_owned(), json!("http://json-schema.org/draft-07/schema#"));
    root.insert("title".to_owned(), json!("The configuration of o365flow"));
    root.remove("description");
    root.insert("definitions".to_owned(), Value::Object(generator.take_definitions(true)));
    Finish.transform(&mut root);
    root
}

/// The table of a component of one type.
fn component(entry: &RegistryEntry, generator: &mut SchemaGenerator) -> Schema {
    let mut schema = (entry.schema)(generator);
    let mut required = vec![json!("type")];
    let properties = child(&mut schema, "properties");
    properties.insert("type".to_owned(), json!({ "const": entry.name }));
    if entry.kind != ComponentKind::Source {
        let said = "The components that feed it, each as `name` or `name.port`.";
        let inputs = json!({ "description": said, "type": "array", "items": { "type": "string" } });
        properties.insert("inputs".to_owned(), inputs);
        required.push(json!("inputs"));
    }
    if entry.kind == ComponentKind::Sink {
        let buffer = generator.subschema_for::<BufferConfig>();
        properties.insert("buffer".to_owned(), buffer.to_value());
    }
    let own = schema.remove("required");
    required.extend(own.and_then(|own| own.as_array().cloned()).into_iter().flatten());
    schema.insert("required".to_owned(), Value::Array(required));
    schema
}

fn child<'a>(schema: &'a mut Schema, key: &str) -> &'a mut Map<String, Value> {
    let object = schema.ensure_object();
    let value = object.entry(key).or_insert_with(|| json!({}));
    value.as_object_mut().expect("the derived schema has an object there")
}

/// Lets a variable stand wherever a text is bound to something, and unwraps what is said of it.
#[derive(Clone, Debug)]
struct Finish;

impl Transform for Finish {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(object) = schema.as_object_mut() else { return };
        if let Some(Value::String(said)) = object.get_mut("description") {
            // The lines of a comment in the source are of no use to a reader, its paragraphs are.
            *said = said
                .split("\n\n")
                .map(|part| part.replace('\n', " "))
                .collect::<Vec<_>>()
                .join("\n\n");
        }
        if let Some(Value::String(pattern)) = object.get_mut("pattern") {
            *pattern = format!("{pattern}|{VARIABLE}");
        }
        let variable = json!({ "type": "string", "pattern": VARIABLE });
        if let Some(of_these) = object.remove("enum") {
            object.remove("type");
            object.insert("anyOf".to_owned(), json!([{ "enum": of_these }, variable]));
        }
        if let Some(Value::Array(variants)) = object.get_mut("oneOf")
            && variants.iter().all(|variant| variant.get("const").is_some())
        {
            variants.push(variable);
        }
    }
}
