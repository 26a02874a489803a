//! Index templates for what `vrl/ecs.vrl` makes.
//!
//! No document of any record is refused with them. All of Microsoft's fields lie below `o365`, where objects make no
//! objects in the index (`subobjects`), so that a field can be a text in one record and an object in the next. What has
//! another type than its field is kept and not searched (`ignore_malformed`), and so is what comes in more fields than
//! an index may have. `OpenSearch` has neither; there all of `o365` is one field that takes any object.
//!
//! Only types that every distribution has are used: `keyword` for ECS's `wildcard` and `constant_keyword`, `text` for
//! its `match_only_text`. These are of one family, so a data view over both has no conflicts.

use std::collections::BTreeMap;

use o365flow::fields::{self, Field, Shape, Type};
use serde_json::{Map, Value, json};

use super::{hold, layout};

/// What is longer is kept and not searched. ECS's own figure.
const ECS_CHARS_MAX: u32 = 1024;

/// The same for Microsoft's fields: the most that Lucene takes in a term, whatever the characters.
const RECORD_CHARS_MAX: u32 = 8191;

/// Below it, all is Microsoft's or tells of it.
const RECORD_ROOT: &str = "o365.";

/// Fields of one index. Each parameter of each cmdlet is one.
const FIELDS_MAX: u32 = 5000;

/// How deeply arrays may lie in one another on `OpenSearch`.
const ARRAY_DEPTH_MAX: u32 = 100;

/// What a search without a field's name looks at.
const DEFAULT_FIELDS: [&str; 13] = [
    "message",
    "event.action",
    "event.code",
    "event.provider",
    "event.outcome",
    "user.name",
    "user.email",
    "user.id",
    "source.address",
    "file.name",
    "url.original",
    "rule.name",
    "email.subject",
];

/// What everything is called that is installed for the default data stream, and for `mode = "bulk"`.
const STREAM: (&str, &str) = ("o365flow-logs-o365.audit", "logs-o365.audit-*");
const INDEX: (&str, &str) = ("o365flow-o365", "o365-*");

/// The templates by path.
fn made() -> BTreeMap<String, String> {
    let elasticsearch = [
        ("ecs-fields", component(&ecs_fields())),
        ("record-fields", component(&record_fields())),
        (
            "settings",
            settings(&json!({
                "index.mapping.total_fields.limit": FIELDS_MAX,
                "index.mapping.total_fields.ignore_dynamic_beyond_limit": true,
            })),
        ),
        ("data-stream", index_template(STREAM, &json!({ "data_stream": {} }))),
        ("index", index_template(INDEX, &json!({}))),
        ("lifecycle", lifecycle()),
    ];
    let opensearch = [
        (
            "record-fields",
            component(&json!({
                "properties": { "o365": { "type": "flat_object" } },
            })),
        ),
        ("settings", settings(&json!({ "index.mapping.depth.limit": ARRAY_DEPTH_MAX }))),
        ("state-policy", state_policy()),
    ];
    let file = |product: &str, (name, body): (&str, Value)| {
        (format!("config/{product}/{name}.json"), layout::file(&body))
    };
    let elasticsearch = elasticsearch.into_iter().map(|made| file("elasticsearch", made));
    elasticsearch.chain(opensearch.into_iter().map(|made| file("opensearch", made))).collect()
}

fn component(mappings: &Value) -> Value {
    json!({ "template": { "mappings": mappings } })
}

/// What nothing is refused with, and what users change in a component template of their own.
fn settings(more: &Value) -> Value {
    let mut settings = json!({
        "index.codec": "best_compression",
        "index.mapping.ignore_malformed": true,
        "index.query.default_field": DEFAULT_FIELDS,
    });
    let all = settings.as_object_mut().expect("it is an object");
    all.extend(more.as_object().expect("it is an object").clone());
    json!({ "template": { "settings": settings } })
}

fn index_template((name, pattern): (&str, &str), more: &Value) -> Value {
    let parts = ["settings", "ecs-fields", "record-fields"];
    let mut parts = parts.map(|part| format!("{name}-{part}")).to_vec();
    let own = format!("{name}@custom");
    parts.push(own.clone());
    let mut template = json!({
        "index_patterns": [pattern],
        "priority": 200,
        "composed_of": parts,
        "ignore_missing_component_templates": [own],
    });
    let all = template.as_object_mut().expect("it is an object");
    all.extend(more.as_object().expect("it is an object").clone());
    template
}

fn lifecycle() -> Value {
    let rollover = json!({ "max_age": "30d", "max_primary_shard_size": "50gb" });
    let hot = json!({ "min_age": "0ms", "actions": { "rollover": rollover } });
    json!({ "policy": { "phases": { "hot": hot } } })
}

fn state_policy() -> Value {
    let rollover = json!({ "min_index_age": "30d", "min_primary_shard_size": "50gb" });
    let hot = json!({ "name": "hot", "actions": [{ "rollover": rollover }], "transitions": [] });
    json!({ "policy": {
        "default_state": "hot",
        "states": [hot],
        "ism_template": [{ "index_patterns": [STREAM.1], "priority": 200 }],
    } })
}

/// Whether a field lies where objects make no objects.
pub(super) fn is_of_record(field: &Field) -> bool {
    field.name.starts_with(RECORD_ROOT)
}

fn ecs_fields() -> Value {
    let mut root = Map::new();
    for field in fields::fields().iter().filter(|field| !is_of_record(field)) {
        put(&mut root, &field.name, mapping(field));
    }
    json!({
        "date_detection": false,
        "dynamic_templates": [
            { "labels": { "path_match": "labels.*", "mapping": keyword(ECS_CHARS_MAX) } },
            { "texts": { "match_mapping_type": "string", "mapping": keyword(ECS_CHARS_MAX) } },
        ],
        "properties": root,
    })
}

fn record_fields() -> Value {
    let leaves = fields::fields().iter().filter(|field| is_of_record(field) && is_leaf(field));
    let properties: Map<String, Value> =
        leaves.map(|field| (field.name[RECORD_ROOT.len()..].to_owned(), mapping(field))).collect();
    json!({
        "dynamic_templates": [
            { "o365": { "path_match": "o365.*", "mapping": keyword(RECORD_CHARS_MAX) } },
        ],
        "properties": {
            "o365": { "type": "object", "subobjects": false, "properties": properties },
        },
    })
}

/// Whether a field has values of its own in the index.
pub(super) fn is_leaf(field: &Field) -> bool {
    !field.shape.is_container()
}

/// How an index maps one field.
fn mapping(field: &Field) -> Value {
    let chars_max = if is_of_record(field) { RECORD_CHARS_MAX } else { ECS_CHARS_MAX };
    match (field.field_type, field.shape) {
        // The failing of which is the failing of the document, as without it there is no place for one in a stream.
        (Type::Date, _) if field.name == "@timestamp" => {
            json!({ "type": "date", "ignore_malformed": false })
        }
        // Kept for those who need the very text, and too long to be searched.
        _ if field.name == "event.original" => {
            json!({ "type": "keyword", "index": false, "doc_values": false })
        }
        (Type::Keyword | Type::Code | Type::ConstantKeyword, _) => keyword(chars_max),
        (Type::Wildcard, _) => keyword(RECORD_CHARS_MAX),
        (Type::MatchOnlyText, _) => json!({ "type": "text" }),
        (Type::Object | Type::Flattened, Shape::Objects) => json!({ "type": "nested" }),
        (Type::Object | Type::Flattened, _) => json!({ "type": "object" }),
        (
            other @ (Type::Boolean
            | Type::Date
            | Type::Float
            | Type::GeoPoint
            | Type::Ip
            | Type::Long),
            _,
        ) => json!({ "type": other.index_type() }),
    }
}

/// As what an index says that it has a field.
pub(super) fn indexed_type(field: &Field) -> String {
    mapping(field)["type"].as_str().expect("each has a type").to_owned()
}

fn keyword(chars_max: u32) -> Value {
    json!({ "type": "keyword", "ignore_above": chars_max })
}

/// Puts a mapping at the place of a dotted name.
fn put(properties: &mut Map<String, Value>, name: &str, mapping: Value) {
    let Some((first, rest)) = name.split_once('.') else {
        properties.insert(name.to_owned(), mapping);
        return;
    };
    let parent = properties.entry(first).or_insert_with(|| json!({}));
    let parent = parent.as_object_mut().expect("a mapping is an object");
    let children = parent.entry("properties").or_insert_with(|| json!({}));
    put(children.as_object_mut().expect("properties are an object"), rest, mapping);
}

#[test]
fn the_templates_are_made_of_the_description_of_the_fields() {
    hold(&made());
}
