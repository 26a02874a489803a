//! What the API gives: subscriptions, a listing of each type, one blob. Of a blob no more than the first record is read,
//! and nothing of what it says is shown.

use chrono::TimeDelta;
use office365::{BlobRef, ContentType, RecordFault, Subscription, TenantClient, Window, af_code};
use pipeline_core::{Finding, Timestamp};
use serde_json::{Map, Value};

use super::{Patient, chain, failure};
use crate::sources::office365::plan;

/// What is listed: one day, which is as much as one listing may cover.
const LISTED: TimeDelta = TimeDelta::hours(24);

/// Listings end this far before now at least.
const SETTLE: TimeDelta = TimeDelta::minutes(1);

impl Patient<'_> {
    /// Looks at what the token gives access to.
    pub(super) async fn content(&mut self, client: &TenantClient) {
        let subscriptions = match client.list_subscriptions().await {
            Ok(subscriptions) => Some(subscriptions),
            Err(error) => {
                self.findings.push(failure("subscription", "", &error));
                None
            }
        };
        let now = plan::api_now(self.clock.now(), client.server_now());
        let mut sample = None;
        let mut has_listed = false;
        for content_type in self.config.content_types.clone() {
            if let Some(subscriptions) = &subscriptions {
                let (finding, is_enabled) = subscription(content_type, subscriptions);
                self.findings.push(finding);
                if !is_enabled {
                    continue;
                }
            }
            if let Some(blob) = self.listing(client, content_type, now).await {
                has_listed = true;
                sample = sample.or(blob);
            }
        }
        match sample {
            Some(blob) => self.blob(client, &blob).await,
            None if has_listed => {
                let found = "there is none in the last 24 hours, so none was fetched";
                let cause = "nothing happened, or a subscription is new: its first content takes up to 12 hours";
                self.findings.push(Finding::warn("blob", found).cause(cause));
            }
            None => {}
        }
    }

    /// A blob of the last day; nothing where the listing failed.
    async fn listing(
        &mut self,
        client: &TenantClient,
        content_type: ContentType,
        now: Timestamp,
    ) -> Option<Option<BlobRef>> {
        let end = now - SETTLE;
        let window = Window::new(end - LISTED, end).ok()?;
        match client.list_content(content_type, window).await {
            Ok(mut page) => {
                let more = if page.next.is_some() { ", and more pages follow" } else { "" };
                let blobs = page.blobs.len();
                let found = format!("{content_type}: {blobs} blobs of the last 24 hours{more}");
                self.findings.push(match page.bad_rows {
                    0 => Finding::ok("listing", found),
                    bad => Finding::warn("listing", format!("{found}; {bad} rows cannot be read")),
                });
                Some(page.blobs.pop())
            }
            Err(error) => {
                self.findings.push(failure("listing", &format!("{content_type}: "), &error));
                None
            }
        }
    }

    /// Fetches a blob, as far as its first record.
    async fn blob(&mut self, client: &TenantClient, blob: &BlobRef) {
        let about = format!("{} of {}: ", blob.id, blob.content_type);
        let mut records = match client.fetch(blob).await {
            Ok(records) => records,
            Err(error) => {
                self.findings.push(failure("blob", &about, &error));
                return;
            }
        };
        let finding = match records.next().await {
            Some(Ok(record)) => match serde_json::from_slice::<Map<String, Value>>(&record.0) {
                Ok(fields) => {
                    let found =
                        format!("{about}fetched; its first record has {} fields", fields.len());
                    Finding::ok("blob", found)
                }
                Err(_) => odd(&about, "its first record is not a JSON object"),
            },
            Some(Err(RecordFault::Content { source })) => odd(&about, &chain(&source)),
            Some(Err(fault @ RecordFault::Transfer { .. })) => {
                Finding::fail("blob", format!("{about}{}", chain(&fault)))
                    .cause("something on the way ends transfers early")
                    .fix("check proxies and firewalls between this machine and the API")
            }
            None => Finding::ok("blob", format!("{about}fetched; it holds no record")),
        };
        self.findings.push(finding);
    }
}

fn odd(about: &str, what: &str) -> Finding {
    Finding::fail("blob", format!("{about}{what}"))
        .cause("something that is not the API answered, or the API served a damaged blob")
        .fix("check the proxy; if there is none, try again later and report it to Microsoft")
}

/// The state of a type's subscription, and whether its content can be listed.
fn subscription(content_type: ContentType, listed: &[Subscription]) -> (Finding, bool) {
    const CHECK: &str = "subscription";
    let found = |state: &str| format!("{content_type}: {state}");
    let row = listed.iter().find(|row| row.content_type == content_type);
    match row.map(|row| row.is_enabled) {
        Some(Some(true)) => (Finding::ok(CHECK, found("enabled")), true),
        Some(None) => (Finding::ok(CHECK, found("there, without a status")), true),
        Some(Some(false)) => {
            let cause = af_code("AF20023").map_or("", |code| code.hint.cause);
            let fix = "ask the tenant's administrator why; `o365flow subscriptions start` starts it again";
            (Finding::fail(CHECK, found("disabled")).cause(cause).fix(fix), false)
        }
        None => {
            let fix =
                "nothing to do: `o365flow run` starts it; its first content takes up to 12 hours";
            let finding = Finding::warn(CHECK, found("missing"));
            (finding.cause("it was never started, or was stopped").fix(fix), false)
        }
    }
}
