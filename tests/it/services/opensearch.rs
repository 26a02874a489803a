//! `OpenSearch`, by the scripts in `tests/services`.

use std::sync::OnceLock;

use tokio::sync::{Mutex, MutexGuard};

use super::elasticsearch::{Elasticsearch, Product, SMALL};

/// A server without security.
pub(crate) fn plain() -> &'static Elasticsearch {
    static SERVER: OnceLock<Elasticsearch> = OnceLock::new();
    SERVER.get_or_init(|| match std::env::var("O365FLOW_TEST_OPENSEARCH_URL") {
        Ok(url) => Elasticsearch::at(&url).of(Product::OpenSearch),
        Err(_) => Elasticsearch::start_product(Product::OpenSearch, "opensearch", false, ""),
    })
}

/// A server that one test has to itself, to stop it or to change its limits. It takes bodies of 1 MB.
pub(crate) async fn own() -> MutexGuard<'static, Elasticsearch> {
    static SERVER: OnceLock<Mutex<Elasticsearch>> = OnceLock::new();
    let start =
        || Elasticsearch::start_product(Product::OpenSearch, "opensearch-own", false, SMALL);
    SERVER.get_or_init(|| Mutex::new(start())).lock().await
}
