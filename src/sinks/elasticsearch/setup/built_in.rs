//! The component templates in the binary: which belong to what programs make, on which server.

use serde_json::{Value, json};

/// Whose fields the templates are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fields {
    /// Those of `vrl/ecs.vrl`.
    Ecs,
    /// Those of `vrl/o365beat.vrl`.
    O365beat,
}

/// Which server it is, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Product {
    Elasticsearch,
    OpenSearch,
}

/// A part of an index template.
pub(super) struct Component {
    /// How its name ends.
    pub part: &'static str,
    pub body: Value,
}

/// The parts of an index template, the one with the settings first.
pub(super) fn components(
    fields: Fields,
    product: Product,
) -> Result<Vec<Component>, serde_json::Error> {
    let ecs_fields = include_str!("../../../../config/elasticsearch/ecs-fields.json");
    let parts: &[(&str, &str)] = match (fields, product) {
        (Fields::Ecs, Product::Elasticsearch) => &[
            ("settings", include_str!("../../../../config/elasticsearch/settings.json")),
            ("ecs-fields", ecs_fields),
            ("record-fields", include_str!("../../../../config/elasticsearch/record-fields.json")),
        ],
        (Fields::Ecs, Product::OpenSearch) => &[
            ("settings", include_str!("../../../../config/opensearch/settings.json")),
            ("ecs-fields", ecs_fields),
            ("record-fields", include_str!("../../../../config/opensearch/record-fields.json")),
        ],
        (Fields::O365beat, Product::Elasticsearch | Product::OpenSearch) => {
            &[("fields", include_str!("../../../../config/elasticsearch/o365beat.json"))]
        }
    };
    let read = |(part, text): &(&'static str, &str)| {
        let file: Value = serde_json::from_str(text)?;
        Ok(Component { part, body: json!({"template": file["template"]}) })
    };
    parts.iter().map(read).collect()
}
