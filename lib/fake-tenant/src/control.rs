//! Questions from another process, on the same port but outside the API: `/_fake/expected` and `/_fake/stats`.

use bytes::Bytes;
use serde_json::json;

use crate::expected::Filter;
use crate::reply::Reply;
use crate::tenants::FakeTenants;

/// Ids in one piece of the answer.
const IDS_PER_CHUNK: usize = 1500;

pub(crate) fn answer(tenants: &FakeTenants, path: &str) -> Reply {
    match path {
        "expected" => {
            let mut ids = tenants.expected_ids(&Filter::default());
            let chunks = std::iter::from_fn(move || {
                let mut piece = String::new();
                for id in ids.by_ref().take(IDS_PER_CHUNK) {
                    piece.push_str(&json!(id).to_string());
                    piece.push('\n');
                }
                (!piece.is_empty()).then(|| Bytes::from(piece))
            });
            Reply::streamed("application/x-ndjson", Box::new(chunks), None)
        }
        "stats" => Reply::json(200, &json!(tenants.stats())),
        _ => Reply::new(404, "text/plain", "There are /_fake/expected and /_fake/stats."),
    }
}
