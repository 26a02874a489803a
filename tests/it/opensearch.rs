//! The sink `elasticsearch` against a real OpenSearch.

use crate::services::opensearch;

#[tokio::test]
async fn it_answers() {
    for url in [opensearch::plain().url.clone(), opensearch::own().await.url.clone()] {
        let answer = crate::services::Elasticsearch::at(&url).done("GET", "/", "").await;
        assert_eq!(answer["version"]["distribution"], "opensearch");
    }
}
