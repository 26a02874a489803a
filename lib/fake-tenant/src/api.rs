//! The operations under `/api/v1.0/{tenant}/activity/feed/`, with every rule the real service is known to enforce,
//! in the order: who calls, which tenant, how often, with which parameters.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use http::{Method, Request};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::book::{Book, Receipt};
use crate::fault::Fault;
use crate::feed::Subscription;
use crate::listing::{self, Lie};
use crate::reply::{Refused, Reply};
use crate::route::{ApiCall, ContentId, Query};
use crate::state::State;
use crate::tenant::{ContentType, Role};
use crate::token::{self, Claims};

/// The publisher of requests that name none.
const NO_PUBLISHER: &str = "00000000-0000-0000-0000-000000000000";

/// How long after a start request the next one for the same feed is refused.
const START_PAUSE: TimeDelta = TimeDelta::minutes(15);

/// One call of the API on its way to an answer.
pub(crate) struct Api<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) book: &'a Arc<Book>,
    pub(crate) now: DateTime<Utc>,
    pub(crate) tenant_id: &'a str,
    pub(crate) query: Query,
    pub(crate) fault: Option<&'a Fault>,
}

impl Api<'_> {
    /// Answers the call; an error of the API is an answer too.
    pub(crate) fn answer(
        mut self,
        request: &Request<Bytes>,
        call: &ApiCall,
    ) -> Result<Reply, Refused> {
        let claims = self.check_caller(request)?;
        self.check_budget(call)?;
        let method =
            if matches!(call, ApiCall::Start | ApiCall::Stop) { Method::POST } else { Method::GET };
        if request.method() != method {
            let message =
                json!({ "Message": "The requested resource does not support this http method." });
            return Err(Reply::json(405, &message).into());
        }
        match call {
            ApiCall::Start => self.start(&claims, request.body()),
            ApiCall::Stop => self.stop(&claims),
            ApiCall::ListSubscriptions => self.subscriptions(&claims),
            ApiCall::ListContent => self.content(&claims),
            ApiCall::Fetch(id) => self.fetch(&claims, id),
        }
    }

    fn check_caller(&self, request: &Request<Bytes>) -> Result<Claims, Refused> {
        let claims = token::check(request.headers(), &self.state.base_url, self.now)
            .ok_or_else(Reply::denied)?;
        let id = self.tenant_id;
        if Uuid::try_parse(id).is_err() {
            let message = format!("The tenant ID passed in the URL ({id}) is not a valid GUID.");
            return Err(Reply::af(400, "AF20013", &message));
        }
        if !self.state.tenants.iter().any(|tenant| tenant.spec.tenant_id == id) {
            let message = format!(
                "Specified tenant ID ({id}) does not exist in the system or has been deleted."
            );
            return Err(Reply::af(400, "AF20011", &message));
        }
        if claims.tid != id {
            let message = format!(
                "The tenant ID passed in the URL ({id}) does not match the tenant ID passed in the access token ({}).",
                claims.tid
            );
            return Err(Reply::af(403, "AF20010", &message));
        }
        Ok(claims)
    }

    fn check_budget(&mut self, call: &ApiCall) -> Result<(), Refused> {
        let settings = &self.state.settings;
        let (tenant, publisher, budget) = match self.query.value("publisheridentifier") {
            None => {
                self.book.anonymous_request();
                ("", NO_PUBLISHER, settings.anonymous_requests_per_minute)
            }
            Some(publisher) if Uuid::try_parse(publisher).is_ok() => {
                (self.tenant_id, publisher, settings.requests_per_minute)
            }
            Some(_) => return Err(wrong_type("PublisherIdentifier", "guid")),
        };
        let in_budget = self.state.buckets.take(tenant, publisher, budget, self.now);
        let settings = &self.state.settings;
        let form = match self.fault {
            Some(Fault::ThrottleAs { status, retry_after }) => (*status, *retry_after),
            _ => (settings.throttle_status, settings.retry_after),
        };
        let is_thrown = matches!(self.fault, Some(Fault::Throttle | Fault::ThrottleAs { .. }));
        if in_budget && !is_thrown {
            return Ok(());
        }
        let method = match call {
            ApiCall::Start => "StartSubscription",
            ApiCall::Stop => "StopSubscription",
            ApiCall::ListSubscriptions => "GetSubscriptions",
            ApiCall::ListContent => "GetContents",
            ApiCall::Fetch(_) => "GetBlob",
        };
        Err(Reply::throttled(form, method, publisher))
    }

    /// The content type of the query, if the token may read it.
    fn content_type(&self, claims: &Claims) -> Result<ContentType, Refused> {
        let name = self
            .query
            .value("contenttype")
            .ok_or_else(|| Reply::af(400, "AF20001", "Missing parameter: contentType."))?;
        let content_type = ContentType::parse(name).ok_or_else(|| {
            let message = format!("The specified content type ({name}) is not valid.");
            Reply::af(400, "AF20020", &message)
        })?;
        check_role(claims, content_type)?;
        Ok(content_type)
    }

    fn start(&mut self, claims: &Claims, body: &[u8]) -> Result<Reply, Refused> {
        let content_type = self.content_type(claims)?;
        let webhook = read_webhook(body, self.now)?;
        let now = self.now;
        let backfill = self
            .state
            .tenant_mut(self.tenant_id)
            .map_or(TimeDelta::zero(), |tenant| tenant.spec.backfill);
        let feed = self.state.feed(self.tenant_id, content_type, now).ok_or_else(unknown)?;
        if let Some(wait) = feed.last_start.map(|last| last + START_PAUSE - now)
            && wait > TimeDelta::zero()
        {
            let (minutes, seconds) = (wait.num_minutes(), wait.num_seconds() % 60);
            let message = format!(
                "Too many start requests for this content type. Retry after {minutes}m{seconds}s."
            );
            return Err(Reply::af(429, "AF429", &message));
        }
        feed.last_start = Some(now);
        let enabled = matches!(&feed.subscription, Subscription::Enabled { .. });
        if enabled && webhook.is_null() {
            let message = "The subscription is already enabled. No property change.";
            return Err(Reply::af(400, "AF20024", message));
        }
        if enabled {
            feed.subscription = Subscription::Enabled { webhook: webhook.clone() };
        } else {
            feed.start(now, backfill, webhook.clone());
        }
        Ok(Reply::json(
            200,
            &json!({ "contentType": content_type.name(), "status": "enabled", "webhook": webhook }),
        ))
    }

    fn stop(&mut self, claims: &Claims) -> Result<Reply, Refused> {
        let content_type = self.content_type(claims)?;
        let now = self.now;
        let feed = self.state.feed(self.tenant_id, content_type, now).ok_or_else(unknown)?;
        if matches!(&feed.subscription, Subscription::Absent) {
            return Err(not_subscribed());
        }
        feed.stop(now, Subscription::Absent);
        Ok(Reply::new(200, "application/json; charset=utf-8", Bytes::new()))
    }

    fn subscriptions(&mut self, claims: &Claims) -> Result<Reply, Refused> {
        if !claims.has(Role::Read) && !claims.has(Role::ReadDlp) {
            return Err(lacks_role(Role::Read));
        }
        let tenant = self.state.tenant_mut(self.tenant_id).ok_or_else(unknown)?;
        let mut rows = Vec::new();
        for (feed, content_type) in tenant.feeds.iter().zip(ContentType::ALL) {
            let (status, webhook) = match &feed.subscription {
                Subscription::Absent => continue,
                Subscription::Enabled { webhook } => ("enabled", webhook),
                Subscription::Disabled => ("disabled", &Value::Null),
            };
            rows.push(
                json!({ "contentType": content_type.name(), "status": status, "webhook": webhook }),
            );
        }
        Ok(Reply::json(200, &Value::Array(rows)))
    }

    fn content(&mut self, claims: &Claims) -> Result<Reply, Refused> {
        let content_type = self.content_type(claims)?;
        let asked = listing::read(&self.query, content_type, self.now)?;
        let settings = self.state.settings.clone();
        let base_url = State::foreign_host(self.fault).unwrap_or(&self.state.base_url).to_owned();
        let feed = self.state.feed(self.tenant_id, content_type, self.now).ok_or_else(unknown)?;
        match &feed.subscription {
            Subscription::Absent => return Err(not_subscribed()),
            Subscription::Disabled => {
                let message = "The subscription was disabled by a tenant admin or a service admin.";
                return Err(Reply::af(400, "AF20023", message));
            }
            Subscription::Enabled { .. } => {}
        }
        let root = listing::Root { base_url: &base_url, tenant_id: self.tenant_id, content_type };
        let lie = Lie::of(self.fault);
        Ok(listing::page(feed, &asked, &root, (&settings, lie), self.now))
    }

    fn fetch(&mut self, claims: &Claims, text: &str) -> Result<Reply, Refused> {
        let Some(id) = ContentId::parse(text) else {
            return Err(Reply::af(
                400,
                "AF20052",
                &format!("The content ID ({text}) in the URL is not valid."),
            ));
        };
        check_role(claims, id.content_type)?;
        let org = self.state.tenant_mut(self.tenant_id).ok_or_else(unknown)?.org.clone();
        let feed =
            self.state.feed(self.tenant_id, id.content_type, self.now).ok_or_else(unknown)?;
        let blob = feed.blob(id.key).filter(|blob| blob.available.max(id.key.0) <= self.now);
        let Some(blob) = blob else {
            return Err(Reply::af(404, "AF20050", "The specified content does not exist."));
        };
        if blob.expires <= self.now {
            let message = "Content requested with the specified content ID has expired. It can no longer be retrieved.";
            return Err(Reply::af(400, "AF20051", message));
        }
        let content = feed.content(id.key, blob, org);
        let receipt = Receipt {
            book: self.book.clone(),
            content_id: format!("{}/{text}", self.tenant_id),
            records: content.record_count(),
        };
        let (bad, receipt) = match self.fault {
            Some(Fault::BadRecord(bad)) => (Some(*bad), Some(receipt)),
            Some(Fault::NotJson | Fault::NonObjects) => (None, None),
            _ => (None, Some(receipt)),
        };
        Ok(Reply::streamed("application/json; charset=utf-8", content.chunks(bad), receipt))
    }
}

fn check_role(claims: &Claims, content_type: ContentType) -> Result<(), Refused> {
    let role = if content_type == ContentType::Dlp { Role::ReadDlp } else { Role::Read };
    if claims.has(role) { Ok(()) } else { Err(lacks_role(role)) }
}

fn lacks_role(role: Role) -> Refused {
    let name = role.name();
    let message = format!(
        "The permission set ({name}) sent in the request did not include the expected permission."
    );
    Reply::af(401, "AF10001", &message)
}

fn not_subscribed() -> Refused {
    Reply::af(400, "AF20022", "No subscription found for the specified content type.")
}

fn unknown() -> Refused {
    Reply::af(500, "AF50000", "An internal error occurred. Retry the request.")
}

pub(crate) fn wrong_type(parameter: &str, expected: &str) -> Refused {
    let message = format!("Invalid parameter type: {parameter}. Expected type: {expected}.");
    Reply::af(400, "AF20002", &message)
}

/// The webhook of a start request as `subscriptions/list` will show it; its address is not called.
fn read_webhook(body: &[u8], now: DateTime<Utc>) -> Result<Value, Refused> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Null);
    }
    let body: Value = serde_json::from_slice(body).map_err(|_| wrong_type("body", "object"))?;
    let webhook = &body["webhook"];
    if webhook.is_null() {
        return Ok(Value::Null);
    }
    let address = webhook["address"]
        .as_str()
        .ok_or_else(|| Reply::af(400, "AF20001", "Missing parameter: address."))?;
    if !address.starts_with("https://") {
        return Err(Reply::af(
            400,
            "AF20021",
            &format!("The webhook endpoint ({address}) could not be validated."),
        ));
    }
    let expiration = webhook["expiration"].as_str().filter(|text| !text.is_empty());
    if let Some(text) = expiration {
        let (until, _) =
            listing::parse_time(text).ok_or_else(|| wrong_type("expiration", "datetime"))?;
        if until <= now {
            let message = format!("Expiration {text} provided is set to past date and time.");
            return Err(Reply::af(400, "AF20003", &message));
        }
    }
    Ok(json!({
        "status": "enabled", "address": address, "authId": webhook["authId"], "expiration": webhook["expiration"],
    }))
}
