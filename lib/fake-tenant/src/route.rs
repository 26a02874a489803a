//! Which call a request is, read from its path and query alone. Nothing is checked here but the shape.

use chrono::{DateTime, Utc};
use http::{Request, Uri};

use crate::book::Operation;
use crate::feed::BlobKey;
use crate::identity::Endpoint;
use crate::tenant::ContentType;
use crate::token::Version;

/// A request as far as its path tells.
#[derive(Debug, PartialEq)]
pub(crate) enum Route {
    Token { tenant: String, version: Version },
    Identity(Endpoint),
    Api { tenant: String, call: ApiCall },
    Control { path: String },
    Unknown,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ApiCall {
    Start,
    Stop,
    ListSubscriptions,
    ListContent,
    /// With the content id as it stands in the path.
    Fetch(String),
}

impl Route {
    pub(crate) fn of<B>(request: &Request<B>) -> Route {
        let path = request.uri().path();
        let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match segments.as_slice() {
            ["_fake", rest @ ..] => Route::Control { path: rest.join("/") },
            ["metadata", "identity", "oauth2", "token"] => Route::Identity(Endpoint::Machine),
            ["msi", "token"] => Route::Identity(Endpoint::AppService),
            [tenant, "oauth2", "token"] => Route::token(tenant, Version::V1),
            [tenant, "oauth2", "v2.0", "token"] => Route::token(tenant, Version::V2),
            ["api", "v1.0" | "v1", tenant, "activity", "feed", rest @ ..] => {
                Route::api(tenant, rest)
            }
            _ => Route::Unknown,
        }
    }

    fn token(tenant: &str, version: Version) -> Route {
        Route::Token { tenant: tenant.to_ascii_lowercase(), version }
    }

    fn api(tenant: &str, rest: &[&str]) -> Route {
        let call = match rest {
            ["subscriptions", "start"] => ApiCall::Start,
            ["subscriptions", "stop"] => ApiCall::Stop,
            ["subscriptions", "list"] => ApiCall::ListSubscriptions,
            ["subscriptions", "content"] => ApiCall::ListContent,
            ["audit", id] => ApiCall::Fetch((*id).to_owned()),
            _ => return Route::Unknown,
        };
        Route::Api { tenant: tenant.to_ascii_lowercase(), call }
    }

    pub(crate) fn operation(&self) -> Operation {
        match self {
            Route::Token { .. } | Route::Identity(_) => Operation::Token,
            Route::Api { call, .. } => match call {
                ApiCall::Start => Operation::StartSubscription,
                ApiCall::Stop => Operation::StopSubscription,
                ApiCall::ListSubscriptions => Operation::ListSubscriptions,
                ApiCall::ListContent => Operation::ListContent,
                ApiCall::Fetch(_) => Operation::FetchBlob,
            },
            Route::Control { .. } | Route::Unknown => Operation::Unknown,
        }
    }

    pub(crate) fn tenant(&self) -> &str {
        match self {
            Route::Token { tenant, .. } | Route::Api { tenant, .. } => tenant,
            Route::Identity(_) | Route::Control { .. } | Route::Unknown => "",
        }
    }

    /// The content type a call is about, by its query or its content id.
    pub(crate) fn content_type(&self, query: &Query) -> Option<ContentType> {
        match self {
            Route::Api { call: ApiCall::Fetch(id), .. } => {
                ContentId::parse(id).map(|id| id.content_type)
            }
            _ => query.value("contenttype").and_then(ContentType::parse),
        }
    }
}

/// The parameters of a query; their names have no letter case.
#[derive(Debug)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn of(uri: &Uri) -> Self {
        let pairs = url::form_urlencoded::parse(uri.query().unwrap_or("").as_bytes());
        Query(pairs.map(|(name, value)| (name.to_ascii_lowercase(), value.into_owned())).collect())
    }

    /// The value of a parameter, by its name in lower case; an empty one counts as absent.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(key, value)| key == name && !value.is_empty())?;
        Some(value)
    }
}

/// A content id: its text carries the blob's place and, as the real ones do, times and a region.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ContentId {
    pub(crate) content_type: ContentType,
    pub(crate) key: BlobKey,
}

impl ContentId {
    pub(crate) fn text(self) -> String {
        let (created, number) = self.key;
        let name = self.content_type.name().replace('.', "_");
        let stamp = created.format("%Y%m%d%H%M%S%3f");
        let (lower, region) = (name.to_ascii_lowercase(), number % 60);
        format!("{stamp}{number:010}${stamp}{number:010}${lower}${name}$emea{region:04}")
    }

    /// Reads a content id; only the very text that [`ContentId::text`] gave is one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('$').collect();
        let &[stamp, _, _, name, _] = parts.as_slice() else { return None };
        let content_type = ContentType::parse(&name.replace('_', "."))?;
        let (time, number) = stamp.split_at_checked(17)?;
        let (seconds, millis) = time.split_at_checked(14)?;
        let seconds =
            chrono::NaiveDateTime::parse_from_str(seconds, "%Y%m%d%H%M%S").ok()?.and_utc();
        let millis = seconds.timestamp_millis() + millis.parse::<i64>().ok()?;
        let created = DateTime::<Utc>::from_timestamp_millis(millis)?;
        let id = ContentId { content_type, key: (created, number.parse().ok()?) };
        (id.text() == text).then_some(id)
    }
}
