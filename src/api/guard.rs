//! What a request must pass before it is answered, in this order: is there such a thing, does it come by a name of ours,
//! from no other page, with the token, as JSON, and at a size and in a time that can be borne?
//!
//! Whatever is refused is counted, told with a fix, and leaves nothing behind.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use metrics::counter;
use net::{Body, Peer};

use super::{
    Context, access, answer,
    origin::{self, From, Names},
    refusal::{Reason, Refusal},
    request::{Call, Query, cookie, read_body},
    route::{self, Audience, Found, Route},
};

/// What is served at one address.
#[derive(Clone)]
pub(super) struct Served {
    pub(super) metrics: bool,
    /// The names by which the API may be called, where it is served.
    pub(super) api: Option<Names>,
}

/// Answers a request, or refuses it.
pub(super) async fn respond(
    request: Request<Incoming>,
    served: Arc<Served>,
    context: Arc<Context>,
) -> Response<Body> {
    let answered = pass(request, &served, context).await;
    let mut response = answered.unwrap_or_else(Refusal::into_response);
    answer::harden(&mut response);
    if served.api.is_some() {
        let code = response.status().as_str().to_owned();
        counter!("api_requests_total", "code" => code).increment(1);
    }
    response
}

async fn pass(request: Request<Incoming>, served: &Served, context: Arc<Context>) -> route::Answer {
    let found = route::find(request.method(), request.uri().path());
    let (route, id) = match found {
        Found::Route(route, id) if served.has(route) => (route, id),
        Found::OtherMethods(methods) if served.api.is_some() => {
            return Ok(other_methods(&methods));
        }
        Found::Route(..) | Found::OtherMethods(_) | Found::Nothing => {
            return Err(Refusal::not_found("there is nothing at this path"));
        }
    };
    let peer = request.extensions().get::<Peer>();
    let caller = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
    let session = cookie(request.headers(), access::COOKIE);
    if let (Some(names), false) = (&served.api, route.audience == Audience::Probes) {
        let host = names.check(request.uri(), request.headers())?;
        let is_link = route.audience == Audience::Page && route.method == Method::GET;
        let from = if is_link { From::Anywhere } else { From::Here };
        origin::check_origin(request.headers(), &host, from)?;
        if matches!(route.audience, Audience::Token | Audience::Scrapers) {
            context.access.admit(request.headers(), session.as_deref(), caller)?;
        }
    }
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let body = if matches!(route.method, Method::POST | Method::PUT) {
        check_content_type(&request)?;
        read_body(request.into_body()).await?
    } else {
        Bytes::new()
    };
    (route.endpoint)(context, Call { id, query, body, caller, session }).await
}

impl Served {
    /// Whether the endpoint is served at this address.
    fn has(&self, route: &Route) -> bool {
        match route.audience {
            Audience::Probes => true,
            Audience::Scrapers => self.metrics,
            Audience::Page | Audience::Token => self.api.is_some(),
        }
    }
}

fn other_methods(methods: &[&'static Method]) -> Response<Body> {
    let names: Vec<&str> = methods.iter().map(|method| method.as_str()).collect();
    let names = names.join(", ");
    let error = "this path is not asked by that method";
    let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, Reason::Method, error);
    let mut response = refusal.fix(format!("use {names}")).into_response();
    if let Ok(names) = HeaderValue::try_from(names) {
        response.headers_mut().insert(header::ALLOW, names);
    }
    response
}

/// What a form of another page can send is never JSON.
fn check_content_type(request: &Request<Incoming>) -> Result<(), Refusal> {
    let value = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = value.and_then(|value| value.split(';').next()).unwrap_or_default();
    if kind.trim().eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let error = "the body is not said to be JSON";
    Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Reason::ContentType, error)
        .fix("send `content-type: application/json`"))
}
