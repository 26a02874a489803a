//! The last warnings and errors of the log, each once, for whoever asks what is wrong.
//!
//! Invariant: what is kept has a bound, however much goes wrong. A message of a component, tenant and content type is
//! one problem; when it comes again it is counted, and its latest error shown. Nothing here holds what the log does not.

mod record;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use pipeline_core::{Clock, Timestamp};
use serde::Serialize;
use tokio::sync::broadcast;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::{
    filter::filter_fn,
    layer::{Context, Layer},
    registry::LookupSpan,
};

use self::record::Record;
use super::logs::record::Record as Line;

/// Problems that are kept. The one that came least lately goes first.
const PROBLEMS_MAX: usize = 200;

/// News that a watcher may be behind. One that is further behind misses some, and finds them in the list.
const NEWS_WAITING_MAX: usize = 64;

/// The problems of this process.
static PROBLEMS: OnceLock<Problems> = OnceLock::new();

/// What went wrong, and how often.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProblemReport {
    /// When it came last.
    pub at: Timestamp,
    /// `error` or `warn`.
    pub level: &'static str,
    /// What the log line says besides: the component, the tenant, the error, the fix, and more.
    #[serde(flatten)]
    pub record: Record,
    /// How often it came.
    pub count: u64,
}

/// The problems that were logged. Clones are the same ones.
#[derive(Clone)]
pub struct Problems(Arc<Inner>);

struct Inner {
    clock: Arc<dyn Clock>,
    /// The one that came last is at the end.
    kept: Mutex<VecDeque<Arc<ProblemReport>>>,
    news: broadcast::Sender<Arc<ProblemReport>>,
}

impl Problems {
    /// None yet.
    pub fn new(clock: Arc<dyn Clock>) -> Problems {
        let news = broadcast::Sender::new(NEWS_WAITING_MAX);
        Problems(Arc::new(Inner { clock, kept: Mutex::default(), news }))
    }

    /// Those of this process, from the first call on.
    pub fn of_process(clock: &Arc<dyn Clock>) -> Problems {
        PROBLEMS.get_or_init(|| Problems::new(Arc::clone(clock))).clone()
    }

    /// All that are kept, the latest first.
    pub fn list(&self) -> Vec<Arc<ProblemReport>> {
        self.kept().iter().rev().cloned().collect()
    }

    /// What comes from now on, each time that it comes.
    pub fn news(&self) -> broadcast::Receiver<Arc<ProblemReport>> {
        self.0.news.subscribe()
    }

    /// What notes them, whatever else is done with the log.
    pub fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(&self) -> impl Layer<S> + use<S> {
        self.clone().with_filter(filter_fn(concerns))
    }

    fn add(&self, level: &'static str, record: Record) {
        let at = self.0.clock.now();
        let mut kept = self.kept();
        let known = kept.iter().position(|one| one.level == level && one.record.is_again(&record));
        let before = known.and_then(|index| kept.remove(index)).map_or(0, |one| one.count);
        if kept.len() == PROBLEMS_MAX {
            kept.pop_front();
        }
        let report = Arc::new(ProblemReport { at, level, record, count: before + 1 });
        kept.push_back(Arc::clone(&report));
        drop(kept);
        // An error only says that nobody watches.
        drop(self.0.news.send(report));
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Arc<ProblemReport>>> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Warnings and errors, and the spans that say where they belong.
fn concerns(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() || *metadata.level() <= Level::WARN
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Problems {
    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let line = Line::new(event, &ctx);
        let level = match line.level {
            Level::ERROR => "error",
            Level::WARN => "warn",
            _ => return,
        };
        self.add(level, line.into());
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use pipeline_core::testing::ManualClock;
    use tracing::{error, info, subscriber::with_default, warn};
    use tracing_subscriber::{Registry, layer::SubscriberExt};

    use super::*;

    fn logged(log: impl FnOnce()) -> Vec<Arc<ProblemReport>> {
        let problems = Problems::new(ManualClock::new(Timestamp::default()));
        with_default(Registry::default().with(problems.layer()), log);
        problems.list()
    }

    #[derive(Debug, thiserror::Error)]
    #[error("cannot reach `search.example`")]
    struct Unreachable(#[source] io::Error);

    #[test]
    fn a_problem_says_what_its_line_says() {
        let error = Unreachable(io::Error::other("no route"));
        let found = logged(|| {
            info!("running");
            warn!(
                component_id = "office365", tenant = "contoso", content_type = %"DLP.All", secs = 30,
                error = &error as &dyn std::error::Error, fix = "check the network", "listing failed"
            );
        });
        let shown = serde_json::to_value(&*found[0]).unwrap();
        let expected = serde_json::json!({
            "at": "1970-01-01T00:00:00Z", "level": "warn", "component_id": "office365", "tenant": "contoso",
            "content_type": "DLP.All", "message": "listing failed", "fields": {"secs": 30},
            "error": "cannot reach `search.example`: no route", "fix": "check the network", "count": 1,
        });
        assert_eq!((found.len(), shown), (1, expected));
    }

    #[test]
    fn what_comes_again_is_counted_and_comes_first() {
        let found = logged(|| {
            for error in ["first", "second"] {
                error!(component_id = "a", error, "delivery failed");
                warn!(component_id = "b", error, "delivery failed");
            }
            error!(component_id = "a", error = "third", "delivery failed");
        });
        let shown: Vec<_> =
            found.iter().map(|one| (one.record.error.as_deref(), one.count)).collect();
        assert_eq!(shown, [(Some("third"), 3), (Some("second"), 2)]);
    }

    #[test]
    fn no_flood_is_kept() {
        let found = logged(|| {
            for number in 0..PROBLEMS_MAX + 10 {
                error!(tenant = format!("t{number}"), error = "x".repeat(100_000), "it failed");
            }
        });
        assert_eq!(found.len(), PROBLEMS_MAX);
        assert_eq!(found[0].record.tenant.as_deref(), Some("t209"));
        assert!(found.iter().all(|one| one.record.error.as_ref().unwrap().len() < 5_000));
    }
}
