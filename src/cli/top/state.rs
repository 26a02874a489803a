//! What is known of a running program, from what its API sends. Pure: no clock, no socket, no terminal.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::cli::remote::Message;

/// Counts that rates are made of: those of the last seconds, so that rates are steady and yet new.
const COUNTS_MAX: usize = 6;

/// Problems that are kept.
const PROBLEMS_MAX: usize = 200;

/// All that is known.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) generation: u64,
    pub(super) components: Vec<Component>,
    pub(super) feeds: Vec<Feed>,
    /// The latest first.
    pub(super) problems: Vec<Problem>,
    /// How the last reload ended, if it was refused.
    pub(super) refused_reload: Option<String>,
    counts: VecDeque<Counts>,
}

/// A component that runs.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Component {
    pub(super) id: String,
    pub(super) kind: String,
    #[serde(default, rename = "component_type")]
    pub(super) of_type: String,
}

#[derive(Deserialize)]
struct Topology {
    generation: u64,
    components: Vec<Component>,
}

/// All counts at one time.
#[derive(Clone, Debug, Deserialize)]
struct Counts {
    at: DateTime<Utc>,
    #[serde(default)]
    components: BTreeMap<String, ComponentCounts>,
    #[serde(default)]
    sources: BTreeMap<String, SourceCounts>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct ComponentCounts {
    received_events: f64,
    sent_events: f64,
    errors: f64,
    discarded_events: f64,
    buffer_events: f64,
    buffer_bytes: f64,
    buffer_max_events: Option<f64>,
    buffer_max_bytes: Option<f64>,
    utilization: f64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct SourceCounts {
    lag_seconds: Option<f64>,
}

/// A feed.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Feed {
    pub(super) tenant: String,
    #[serde(default)]
    pub(super) tenant_name: Option<String>,
    pub(super) content_type: String,
    pub(super) state: String,
    #[serde(default)]
    pub(super) lag_seconds: Option<f64>,
    #[serde(default)]
    pub(super) throttled: f64,
    #[serde(default)]
    pub(super) pending: f64,
    #[serde(default)]
    pub(super) lost: f64,
    #[serde(default)]
    pub(super) token_expires: Option<DateTime<Utc>>,
    #[serde(default)]
    pub(super) certificate_expires: Option<DateTime<Utc>>,
}

/// A warning or an error.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Problem {
    pub(super) at: DateTime<Utc>,
    pub(super) level: String,
    #[serde(default)]
    pub(super) component_id: Option<String>,
    #[serde(default)]
    pub(super) tenant: Option<String>,
    #[serde(default)]
    pub(super) content_type: Option<String>,
    pub(super) message: String,
    #[serde(default)]
    pub(super) error: Option<String>,
    #[serde(default)]
    pub(super) fix: Option<String>,
    #[serde(default)]
    pub(super) count: u64,
}

#[derive(Deserialize)]
struct Reload {
    ok: bool,
    #[serde(default)]
    diagnostics: Option<String>,
}

/// A component's numbers now.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) component_type: String,
    /// Events a second; nothing before there are two counts.
    pub(super) received: Option<f64>,
    pub(super) sent: Option<f64>,
    pub(super) sent_total: f64,
    pub(super) errors: f64,
    pub(super) discarded: f64,
    pub(super) buffered: f64,
    /// Which part of its buffer is full, 0 to 1.
    pub(super) fullness: Option<f64>,
    pub(super) utilization: f64,
    pub(super) lag_seconds: Option<f64>,
}

impl State {
    /// Takes a message in. What cannot be read is passed over: a newer program may send more.
    pub(super) fn take(&mut self, message: &Message) {
        let data = message.data.as_str();
        match message.event.as_str() {
            "topology" => {
                if let Ok(topology) = serde_json::from_str::<Topology>(data) {
                    (self.generation, self.components) = (topology.generation, topology.components);
                }
            }
            "stats" => {
                if let Ok(counts) = serde_json::from_str(data) {
                    self.count(counts);
                }
            }
            "feeds" => {
                if let Ok(feeds) = serde_json::from_str(data) {
                    self.feeds = feeds;
                }
            }
            "problem" => {
                if let Ok(problem) = serde_json::from_str(data) {
                    self.add_problem(problem);
                }
            }
            "reload" => {
                if let Ok(Reload { ok, diagnostics }) = serde_json::from_str(data) {
                    self.refused_reload = diagnostics.filter(|_| !ok);
                }
            }
            _ => {}
        }
    }

    /// Takes the problems in that there were before.
    pub(super) fn take_problems(&mut self, problems: Vec<Problem>) {
        for problem in problems {
            self.add_problem(problem);
        }
    }

    /// Takes the feeds in as they are.
    pub(super) fn take_feeds(&mut self, feeds: Vec<Feed>) {
        self.feeds = feeds;
    }

    /// Forgets what cannot be so any more once the program was away.
    pub(super) fn forget_counts(&mut self) {
        self.counts.clear();
    }

    /// Whether there are rates.
    pub(super) fn has_rates(&self) -> bool {
        self.counts.len() > 1 && !self.components.is_empty()
    }

    fn count(&mut self, counts: Counts) {
        // Counters that go back are those of another run.
        let was_started_anew = self.counts.back().is_some_and(|last| {
            let went_back = |(id, now): (&String, &ComponentCounts)| {
                let before = last.components.get(id);
                before.is_some_and(|before| {
                    now.sent_events < before.sent_events
                        || now.received_events < before.received_events
                })
            };
            counts.components.iter().any(went_back) || counts.at <= last.at
        });
        if was_started_anew {
            self.counts.clear();
        }
        self.counts.push_back(counts);
        if self.counts.len() > COUNTS_MAX {
            self.counts.pop_front();
        }
    }

    fn add_problem(&mut self, problem: Problem) {
        let is_same = |other: &Problem| {
            other.message == problem.message
                && other.component_id == problem.component_id
                && other.tenant == problem.tenant
                && other.content_type == problem.content_type
                && other.error == problem.error
        };
        self.problems.retain(|other| !is_same(other));
        self.problems.insert(0, problem);
        self.problems.sort_by_key(|problem| std::cmp::Reverse(problem.at));
        self.problems.truncate(PROBLEMS_MAX);
    }

    /// Every component with its numbers, as they are declared.
    pub(super) fn rows(&self) -> Vec<Row> {
        self.components.iter().map(|component| self.row(component)).collect()
    }

    fn row(&self, component: &Component) -> Row {
        let counts = |at: &Counts| at.components.get(&component.id).cloned().unwrap_or_default();
        let (first, last) = (self.counts.front(), self.counts.back());
        let now = last.map(counts).unwrap_or_default();
        let rate = |of: fn(&ComponentCounts) -> f64| {
            let (first, last) = (first?, last?);
            let seconds = (last.at - first.at).as_seconds_f64();
            (seconds > 0.0).then(|| (of(&counts(last)) - of(&counts(first))).max(0.0) / seconds)
        };
        let part = |size: f64, size_max: Option<f64>| {
            size_max.filter(|size_max| *size_max > 0.0).map(|size_max| size / size_max)
        };
        let fullness = [
            part(now.buffer_events, now.buffer_max_events),
            part(now.buffer_bytes, now.buffer_max_bytes),
        ];
        let source = last.and_then(|last| last.sources.get(&component.id));
        Row {
            id: component.id.clone(),
            kind: component.kind.clone(),
            component_type: component.of_type.clone(),
            received: rate(|counts| counts.received_events),
            sent: rate(|counts| counts.sent_events),
            sent_total: now.sent_events,
            errors: now.errors,
            discarded: now.discarded_events,
            buffered: now.buffer_events,
            fullness: fullness.into_iter().flatten().reduce(f64::max),
            utilization: now.utilization,
            lag_seconds: source.and_then(|source| source.lag_seconds),
        }
    }
}
