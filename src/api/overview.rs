//! What runs, what is wrong with it, how far the feeds are; and the order to read the configuration again.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use http::StatusCode;
use pipeline_core::Timestamp;
use serde::Serialize;
use tokio::time::timeout;

use super::{
    Context, answer,
    feeds::{FEEDS_SHOWN_MAX, Wanted},
    refusal::{Reason, Refusal},
    request::Call,
    route::{Answer, Audience, Route},
};
use crate::live::{FaultReport, Refused};

/// How long a caller waits for the end of a reload: less than a connection lasts.
const RELOAD_WAIT: Duration = Duration::from_secs(20);

pub(super) const ROUTES: &[Route] = &[
    Route::get("/api/status", Audience::Token, status),
    Route::get("/api/topology", Audience::Token, topology),
    Route::get("/api/problems", Audience::Token, problems),
    Route::get("/api/feeds", Audience::Token, feeds),
    Route::post("/api/reload", Audience::Token, reload),
];

/// The program itself.
#[derive(Serialize)]
pub(super) struct Status {
    version: &'static str,
    started: Timestamp,
    now: Timestamp,
    ready: bool,
    generation: u64,
    allow_edit: bool,
}

impl Status {
    pub(super) fn of(context: &Context) -> Status {
        Status {
            version: env!("CARGO_PKG_VERSION"),
            started: context.started,
            now: context.watched.clock.now(),
            ready: context.watched.readiness.is_ready(),
            generation: context.watched.live.description().generation,
            allow_edit: context.allow_edit,
        }
    }
}

fn status(context: Arc<Context>, _: Call) -> BoxFuture<'static, Answer> {
    async move { Ok(answer::json(StatusCode::OK, &Status::of(&context))) }.boxed()
}

fn topology(context: Arc<Context>, _: Call) -> BoxFuture<'static, Answer> {
    async move { Ok(answer::json(StatusCode::OK, &*context.watched.live.description())) }.boxed()
}

fn problems(context: Arc<Context>, _: Call) -> BoxFuture<'static, Answer> {
    async move {
        let problems = context.watched.problems.list();
        let problems: Vec<_> = problems.iter().map(|problem| &**problem).collect();
        Ok(answer::json(StatusCode::OK, &problems))
    }
    .boxed()
}

fn feeds(context: Arc<Context>, call: Call) -> BoxFuture<'static, Answer> {
    async move {
        let default = Wanted::default();
        let wanted = Wanted {
            tenant: call.query.one("tenant")?.map(str::to_owned),
            offset: call.query.number("offset")?.unwrap_or(0),
            limit: call.query.number("limit")?.unwrap_or(default.limit),
        };
        if wanted.limit > FEEDS_SHOWN_MAX {
            return Err(Refusal::invalid(format!("`limit` is more than {FEEDS_SHOWN_MAX}")));
        }
        let feeds = context.feeds.read(wanted).await;
        Ok(answer::json(StatusCode::OK, &&*feeds))
    }
    .boxed()
}

/// What is wrong with the configuration.
#[derive(Serialize)]
pub(super) struct RefusedReload<'a> {
    error: &'static str,
    fix: &'static str,
    diagnostics: &'a str,
    faults: &'a [FaultReport],
}

impl<'a> From<&'a Refused> for RefusedReload<'a> {
    fn from(refused: &'a Refused) -> RefusedReload<'a> {
        RefusedReload {
            error: "the configuration has mistakes; what ran before runs on",
            fix: "mend what `faults` names, and reload again",
            diagnostics: &refused.diagnostics,
            faults: &refused.faults,
        }
    }
}

/// A reload that takes its time, as one does that waits for a sink to end.
#[derive(Serialize)]
struct StillReloading {
    message: &'static str,
}

impl Default for StillReloading {
    fn default() -> StillReloading {
        StillReloading { message: "it is still at work: `/api/events` tells how it ends" }
    }
}

fn reload(context: Arc<Context>, _: Call) -> BoxFuture<'static, Answer> {
    async move {
        // What was ordered is done, whether or not anybody waits for its end.
        let Ok(end) = timeout(RELOAD_WAIT, context.watched.live.reload()).await else {
            return Ok(answer::json(StatusCode::ACCEPTED, &StillReloading::default()));
        };
        match end {
            Some(Ok(reloaded)) => Ok(answer::json(StatusCode::OK, &reloaded)),
            Some(Err(refused)) => {
                let told = RefusedReload::from(&*refused);
                Ok(answer::json(StatusCode::UNPROCESSABLE_ENTITY, &told))
            }
            None => Err(Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                Reason::Busy,
                "nothing can be reloaded now",
            )
            .fix("ask again once the program runs, or start it anew")),
        }
    }
    .boxed()
}
