//! Events as they pass a component.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{future::BoxFuture, stream};
use http::StatusCode;
use serde::Serialize;

use super::{
    Context,
    refusal::{Reason, Refusal},
    request::{Call, Query},
    route::{Answer, Audience, Route},
    sse,
};
use crate::live::taps::{Seen, Side, WatchError, WatchRequest};

/// Events a second, where nothing else is asked for: as many as somebody can read.
const RATE_DEFAULT: f64 = 10.0;

pub(super) const ROUTES: &[Route] = &[Route::get("/api/tap", Audience::Token, tap)];

fn tap(context: Arc<Context>, call: Call) -> BoxFuture<'static, Answer> {
    Box::pin(async move {
        let wanted = wanted(&call.query)?;
        let permit = context.streams.enter()?;
        let clock = Arc::clone(&context.watched.clock);
        let watch = context.watched.live.watch(&wanted, clock).map_err(refused)?;
        let messages = stream::unfold(watch, async |mut watch| {
            let seen = watch.next().await?;
            Some((message(&seen), watch))
        });
        Ok(sse::answer(permit, messages))
    })
}

fn wanted(query: &Query) -> Result<WatchRequest, Refusal> {
    let Some(component) = query.one("component")? else {
        return Err(Refusal::invalid("no `component` is named").fix("add `?component=ID`"));
    };
    let side = match query.one("side")? {
        None => None,
        Some("in") => Some(Side::In),
        Some("out") => Some(Side::Out),
        Some("both") => Some(Side::Both),
        Some(_) => return Err(Refusal::invalid("`side` is `in`, `out` or `both`")),
    };
    let rate = query.one("rate")?.map(str::parse).transpose();
    let rate = rate.map_err(|_| Refusal::invalid("`rate` is no number"))?;
    Ok(WatchRequest {
        component: component.to_owned(),
        port: query.one("port")?.map(str::to_owned),
        side,
        condition: query.one("condition")?.map(str::to_owned),
        rate: rate.unwrap_or(RATE_DEFAULT),
    })
}

fn refused(error: WatchError) -> Refusal {
    match error {
        WatchError::Unknown { message, fix } => Refusal::not_found(message).fix(fix),
        WatchError::Condition(error) => Refusal::invalid(error.diagnostic),
        WatchError::TooMany { .. } => {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            Refusal::new(status, Reason::Busy, error.to_string()).fix("close some")
        }
        WatchError::Nothing { .. } | WatchError::Rate { .. } => Refusal::invalid(error.to_string()),
    }
}

/// What a watcher did not see.
#[derive(Serialize)]
struct Skipped {
    events: u64,
}

/// A message that says all by its name.
#[derive(Serialize)]
struct Nothing {}

fn message(seen: &Seen) -> Bytes {
    match seen {
        Seen::Event(shown) => sse::message("event", shown),
        Seen::Skipped(events) => sse::message("skipped", &Skipped { events: *events }),
        Seen::Gone => sse::message("gone", &Nothing {}),
        Seen::Back => sse::message("back", &Nothing {}),
    }
}
