//! The subscriptions of a tenant, as the API lists them.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use crate::{ContentType, parse_time};

/// One content type that was subscribed to at some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    pub content_type: ContentType,
    /// `None` when the row does not say, which happens.
    pub is_enabled: Option<bool>,
    pub webhook: Option<Webhook>,
}

/// Where the API is told to announce new blobs; not this project's doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    pub address: String,
    pub status: Option<String>,
    pub expires: Option<DateTime<Utc>>,
}

/// What became of a start request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    Now,
    /// It was enabled before; nothing changed.
    Already,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    content_type: String,
    #[serde(default)]
    status: Value,
    #[serde(default)]
    webhook: Value,
}

/// Reads the list. Rows of content types that this version does not know are left out: nobody can ask for them.
pub(crate) fn parse_subscriptions(body: &[u8]) -> Option<Vec<Subscription>> {
    let rows: Vec<Value> = serde_json::from_slice(body).ok()?;
    Some(rows.into_iter().filter_map(parse_row).collect())
}

fn parse_row(row: Value) -> Option<Subscription> {
    let row: Row = serde_json::from_value(row).ok()?;
    let content_type = row.content_type.parse().ok()?;
    let is_enabled = row.status.as_str().map(|status| status.eq_ignore_ascii_case("enabled"));
    Some(Subscription { content_type, is_enabled, webhook: parse_webhook(&row.webhook) })
}

fn parse_webhook(webhook: &Value) -> Option<Webhook> {
    let text = |key| webhook.get(key).and_then(Value::as_str);
    Some(Webhook {
        address: text("address")?.to_owned(),
        status: text("status").map(str::to_owned),
        expires: text("expiration").and_then(parse_time),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_rows_with_and_without_status_and_webhook() {
        let body = br#"[
            {"contentType":"Audit.Exchange","status":"enabled","webhook":null},
            {"contentType":"audit.sharepoint","webhook":{"address":"https://a.example/","status":"expired","expiration":null}},
            {"contentType":"DLP.ALL","status":"Disabled"},
            {"contentType":"Audit.Future","status":"enabled"},
            {"status":"enabled"}, 7
        ]"#;
        let subscriptions = parse_subscriptions(body).unwrap();
        let read: Vec<_> =
            subscriptions.iter().map(|row| (row.content_type, row.is_enabled)).collect();
        assert_eq!(
            read,
            [
                (ContentType::Exchange, Some(true)),
                (ContentType::SharePoint, None),
                (ContentType::Dlp, Some(false)),
            ]
        );
        assert_eq!(subscriptions[1].webhook.as_ref().unwrap().address, "https://a.example/");
        assert_eq!(parse_subscriptions(b"{}"), None);
    }
}
