//! Sessions of the page: the token is given once, and stays in no browser.

use std::sync::Arc;

use futures_util::{FutureExt, future::BoxFuture};
use http::{HeaderValue, Method, Response, StatusCode, header::SET_COOKIE};
use net::{Body, full_body};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tracing::error;

use super::{
    Context,
    access::{COOKIE, SESSION_LIFE},
    answer,
    request::Call,
    route::{Answer, Audience, Route},
};

pub(super) const ROUTES: &[Route] = &[
    Route::post("/session", Audience::Page, open),
    Route { method: Method::DELETE, path: "/session", audience: Audience::Page, endpoint: close },
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Opening {
    token: SecretString,
}

fn open(context: Arc<Context>, call: Call) -> BoxFuture<'static, Answer> {
    async move { open_session(&context, &call) }.boxed()
}

fn open_session(context: &Context, call: &Call) -> Answer {
    let opening: Opening = call.json()?;
    context.access.check(opening.token.expose_secret().as_bytes(), call.caller)?;
    if !context.access.is_guarded() {
        return Ok(empty());
    }
    match context.access.open_session() {
        Ok(id) => Ok(with_cookie(context, &format!("{id}; Max-Age={}", SESSION_LIFE.as_secs()))),
        Err(failure) => {
            error!(error = &failure as &dyn std::error::Error, "a session cannot be opened");
            Ok(answer::text(StatusCode::INTERNAL_SERVER_ERROR, "a session cannot be opened\n"))
        }
    }
}

fn close(context: Arc<Context>, call: Call) -> BoxFuture<'static, Answer> {
    async move {
        if let Some(id) = &call.session {
            context.access.close_session(id);
        }
        Ok(with_cookie(&context, "; Max-Age=0"))
    }
    .boxed()
}

/// An answer that sets the cookie, for this page's own requests alone.
fn with_cookie(context: &Context, value: &str) -> Response<Body> {
    let secure = if context.is_tls { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict{secure}");
    let mut response = empty();
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

fn empty() -> Response<Body> {
    let mut response = Response::new(full_body(""));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}
