//! What happens, as it happens, for all who watch.
//!
//! Each message is made once, whoever watches, and none while nobody does. A watcher gets first what is so now, and then
//! what changes. One that falls behind misses messages; nobody waits for it.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, future::BoxFuture, stream};
use pipeline_core::Timestamp;
use serde::Serialize;
use tokio::{
    sync::broadcast,
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};
use tracing::warn;

use super::{
    Context,
    feeds::Wanted,
    overview::{RefusedReload, Status},
    request::Call,
    route::{Answer, Audience, Route},
    sse,
    stats::Stats,
};
use crate::live::{Changes, ReloadEnd};

/// Messages that a watcher may be behind.
const MESSAGES_WAITING_MAX: usize = 64;

/// The time between two counts.
const STATS_INTERVAL: Duration = Duration::from_secs(1);

/// The time between two looks at the feeds.
const FEEDS_INTERVAL: Duration = Duration::from_secs(10);

pub(super) const ROUTES: &[Route] = &[Route::get("/api/events", Audience::Token, watch)];

/// Where messages go to all who watch.
#[derive(Clone, Debug)]
pub(super) struct Publisher(broadcast::Sender<Bytes>);

impl Default for Publisher {
    fn default() -> Publisher {
        Publisher(broadcast::Sender::new(MESSAGES_WAITING_MAX))
    }
}

impl Publisher {
    fn is_watched(&self) -> bool {
        self.0.receiver_count() > 0
    }

    fn send(&self, message: Bytes) {
        // An error only says that nobody watches any more.
        drop(self.0.send(message));
    }
}

/// How a reload ended.
#[derive(Serialize)]
struct ReloadMessage<'a> {
    /// Nothing for one that ended before the watcher came.
    at: Option<Timestamp>,
    ok: bool,
    generation: Option<u64>,
    changed: Option<&'a Changes>,
    #[serde(flatten)]
    refused: Option<RefusedReload<'a>>,
}

fn reload_message(end: &ReloadEnd, at: Option<Timestamp>) -> Bytes {
    let told = match end {
        Ok(reloaded) => ReloadMessage {
            at,
            ok: true,
            generation: Some(reloaded.generation),
            changed: Some(&reloaded.changed),
            refused: None,
        },
        Err(refused) => ReloadMessage {
            at,
            ok: false,
            generation: None,
            changed: None,
            refused: Some((&**refused).into()),
        },
    };
    sse::message("reload", &told)
}

fn watch(context: Arc<Context>, _: Call) -> BoxFuture<'static, Answer> {
    Box::pin(async move {
        let permit = context.streams.enter()?;
        // Before what is so now is read, so that no change is missed in between.
        let changes = sse::shared(context.publisher.0.subscribe());
        let now = [
            sse::message("status", &Status::of(&context)),
            sse::message("topology", &*context.watched.live.description()),
        ];
        let end = context.watched.live.reload_ends().borrow().clone();
        let reload = end.map(|end| reload_message(&end, None));
        let feeds = async move {
            let feeds = context.feeds.read(Wanted::default()).await;
            sse::message("feeds", &&*feeds)
        };
        let now = stream::iter(now.into_iter().chain(reload));
        let messages = now.chain(stream::once(feeds)).chain(changes);
        Ok(sse::answer(permit, messages))
    })
}

/// Makes the messages for as long as it is polled.
pub(super) async fn publish(context: Arc<Context>) -> Infallible {
    let watched = &context.watched;
    let publisher = &context.publisher;
    let (mut stats, mut feeds) = (interval(STATS_INTERVAL), interval(FEEDS_INTERVAL));
    stats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    feeds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut descriptions = watched.live.descriptions();
    let mut reloads = watched.live.reload_ends();
    let mut problems = watched.problems.news();
    loop {
        tokio::select! {
            _ = stats.tick() => if publisher.is_watched() {
                publish_stats(&context).await;
            },
            _ = feeds.tick() => if publisher.is_watched() {
                let feeds = context.feeds.read(Wanted::default()).await;
                publisher.send(sse::message("feeds", &&*feeds));
            },
            Ok(()) = descriptions.changed() => {
                let description = descriptions.borrow_and_update().clone();
                publisher.send(sse::message("topology", &*description));
            }
            Ok(()) = reloads.changed() => {
                let end = reloads.borrow_and_update().clone();
                if let Some(end) = end {
                    reread_certificate(&context);
                    publisher.send(reload_message(&end, Some(watched.clock.now())));
                }
            }
            problem = problems.recv() => match problem {
                Ok(problem) => if publisher.is_watched() {
                    publisher.send(sse::message("problem", &*problem));
                },
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                // They live as long as the process.
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            },
        }
    }
}

async fn publish_stats(context: &Arc<Context>) {
    let made = spawn_blocking({
        let context = Arc::clone(context);
        move || {
            let snapshot = context.watched.metrics.snapshot();
            let sources = context.feeds.sources.all();
            sse::message("stats", &Stats::of(&snapshot, &sources, context.watched.clock.now()))
        }
    });
    match made.await {
        Ok(message) => context.publisher.send(message),
        Err(error) => warn!(%error, "the counts could not be read"),
    }
}

fn reread_certificate(context: &Context) {
    if let Some(Err(error)) = context.tls.as_ref().map(net::ServerTls::reread) {
        let error = &error as &dyn std::error::Error;
        warn!(error, "the certificate of `[api]` cannot be read again; the one before is used");
    }
}
