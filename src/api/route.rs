//! What is served where. Each file of endpoints has a table of its own; this one knows the tables.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use http::{Method, Response};
use net::Body;
use percent_encoding::percent_decode_str;

use super::{
    Context, events, overview, page, probe, refusal::Refusal, request::Call, session, tap, workshop,
};

/// All there are.
const TABLES: &[&[Route]] = &[
    probe::ROUTES,
    page::ROUTES,
    session::ROUTES,
    overview::ROUTES,
    events::ROUTES,
    tap::ROUTES,
    workshop::ROUTES,
];

/// What an endpoint gives.
pub(super) type Answer = Result<Response<Body>, Refusal>;

/// Answers a request that has passed the guards.
pub(super) type Endpoint = fn(Arc<Context>, Call) -> BoxFuture<'static, Answer>;

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    /// Everybody, at every address, whatever their request looks like: it gives nothing away.
    Probes,
    /// Whoever scrapes metrics: as `Token` where the API is served as well, otherwise everybody.
    Scrapers,
    /// Everybody, as it holds no data.
    Page,
    /// Whoever has the token, where there is one.
    Token,
}

/// An endpoint in its place.
pub(super) struct Route {
    pub(super) method: Method,
    /// The path; one part of it can be `{id}`.
    pub(super) path: &'static str,
    pub(super) audience: Audience,
    pub(super) endpoint: Endpoint,
}

impl Route {
    pub(super) const fn get(path: &'static str, audience: Audience, endpoint: Endpoint) -> Route {
        Route { method: Method::GET, path, audience, endpoint }
    }

    pub(super) const fn post(path: &'static str, audience: Audience, endpoint: Endpoint) -> Route {
        Route { method: Method::POST, path, audience, endpoint }
    }

    /// For `PUT` with the token.
    pub(super) const fn put(path: &'static str, endpoint: Endpoint) -> Route {
        Route { method: Method::PUT, path, audience: Audience::Token, endpoint }
    }
}

/// What a method and a path lead to.
pub(super) enum Found {
    /// An endpoint, and what stands for `{id}`.
    Route(&'static Route, String),
    /// There is something, for other methods.
    OtherMethods(Vec<&'static Method>),
    /// There is nothing.
    Nothing,
}

/// Looks a request up.
pub(super) fn find(method: &Method, path: &str) -> Found {
    let wanted = if method == Method::HEAD { &Method::GET } else { method };
    let mut others = Vec::new();
    for route in TABLES.iter().copied().flatten() {
        let Some(id) = matched(route.path, path) else { continue };
        if route.method == *wanted {
            return Found::Route(route, id);
        }
        others.push(&route.method);
    }
    if others.is_empty() { Found::Nothing } else { Found::OtherMethods(others) }
}

/// What stands in `path` for `{id}` of `pattern`, where both are the same otherwise.
fn matched(pattern: &str, path: &str) -> Option<String> {
    let mut id = String::new();
    let mut parts = path.split('/');
    for wanted in pattern.split('/') {
        let part = parts.next()?;
        if wanted == "{id}" {
            id = percent_decode_str(part).decode_utf8().ok()?.into_owned();
            if id.is_empty() {
                return None;
            }
        } else if wanted != part {
            return None;
        }
    }
    parts.next().is_none().then_some(id)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn paths_are_taken_apart() {
        let check =
            |pattern, path, id: Option<&str>| assert_eq!(matched(pattern, path).as_deref(), id);
        check("/", "/", Some(""));
        check("/", "//", None);
        check("/health", "/health", Some(""));
        check("/health", "/health/", None);
        check("/a/{id}/b", "/a/x%20y/b", Some("x y"));
        check("/a/{id}/b", "/a/%2Fetc/b", Some("/etc"));
        check("/a/{id}/b", "/a//b", None);
        check("/a/{id}/b", "/a/%ff/b", None);
        check("/a/{id}/b", "/a/x/y/b", None);
    }

    #[test]
    fn the_pages_tell_of_every_route() {
        let pages =
            [include_str!("../../docs/api.md"), include_str!("../../docs/live.md")].concat();
        for route in TABLES.iter().copied().flatten() {
            let path = route.path.replace("{id}", "ID");
            let path = if path.starts_with("/assets/") { "/assets/…" } else { &path };
            let told = format!("`{} {path}", route.method);
            assert!(pages.contains(&told), "no page tells of {told}`");
        }
    }

    #[test]
    fn no_two_routes_are_the_same() {
        let mut seen = BTreeSet::new();
        for route in TABLES.iter().copied().flatten() {
            assert!(seen.insert(format!("{} {}", route.method, route.path)), "{}", route.path);
        }
        assert!(seen.len() > 5);
    }
}
