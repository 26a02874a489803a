//! What those ask who keep the process alive, and who scrape its metrics.

use std::sync::Arc;

use futures_util::{
    FutureExt,
    future::{BoxFuture, ready},
};
use http::StatusCode;

use super::{
    Context, answer,
    request::Call,
    route::{Answer, Audience, Route},
};

/// The content type of Prometheus' text format, version 0.0.4.
const METRICS_CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) const ROUTES: &[Route] = &[
    Route::get("/health", Audience::Probes, health),
    Route::get("/ready", Audience::Probes, readiness),
    Route::get("/metrics", Audience::Scrapers, metrics),
];

fn health(_: Arc<Context>, _: Call) -> BoxFuture<'static, Answer> {
    ready(Ok(answer::text(StatusCode::OK, "ok\n"))).boxed()
}

fn readiness(context: Arc<Context>, _: Call) -> BoxFuture<'static, Answer> {
    async move {
        Ok(if context.watched.readiness.is_ready() {
            answer::text(StatusCode::OK, "ready\n")
        } else {
            answer::text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
        })
    }
    .boxed()
}

fn metrics(context: Arc<Context>, _: Call) -> BoxFuture<'static, Answer> {
    async move {
        let scrape = context.watched.metrics.render();
        Ok(answer::whole(StatusCode::OK, METRICS_CONTENT_TYPE, scrape))
    }
    .boxed()
}
