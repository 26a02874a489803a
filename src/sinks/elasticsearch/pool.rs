//! Which endpoint the next request goes to.
//!
//! An endpoint that fails is set aside, for longer each time, and then tried again with one request; while others are
//! well, nothing waits for it. When none is well, the one whose time comes first is asked all the same: the driver's
//! own waits keep that at a bearable pace. Refusals are no ill health: a 429 comes from a node that is very much alive.
//!
//! It sends nothing itself.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use metrics::Gauge;
use pipeline_core::{ComponentMetrics, ErrorStage, SinkContext};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::{
    config::{Config, EndpointSelection},
    endpoint::Endpoint,
    metrics::health_of,
};
use crate::delivery::{Backoff, BackoffSettings};

/// After a time-out an endpoint is left alone for this many time-outs more, so that waiting for it takes a small part of
/// the requests' time.
const TIMEOUT_PENALTY: u32 = 2;

/// The endpoints of a sink, with what is known of their health. Shared by all its requests.
#[derive(Debug)]
pub(super) struct Pool {
    selection: EndpointSelection,
    backoff: Backoff,
    request_timeout: Duration,
    state: Mutex<State>,
    component_id: String,
    metrics: ComponentMetrics,
}

#[derive(Debug)]
struct State {
    /// Those of the configuration first; never empty.
    places: Vec<Place>,
    /// Where the next search begins.
    next: usize,
}

#[derive(Debug)]
struct Place {
    endpoint: Endpoint,
    health: Health,
    /// Of an endpoint of the configuration; the names of others are without bound.
    gauge: Option<Gauge>,
}

#[derive(Clone, Copy, Debug)]
enum Health {
    Well,
    /// Not to be asked before `until`.
    Aside {
        failures: u32,
        until: Instant,
    },
}

impl Place {
    fn new(endpoint: Endpoint, gauge: Option<Gauge>) -> Place {
        Place { endpoint, health: Health::Well, gauge }
    }

    /// Whether a request may go there now.
    fn is_open(&self, now: Instant) -> bool {
        match self.health {
            Health::Well => true,
            Health::Aside { until, .. } => until <= now,
        }
    }

    fn until(&self) -> Option<Instant> {
        match self.health {
            Health::Well => None,
            Health::Aside { until, .. } => Some(until),
        }
    }
}

impl Pool {
    /// `config` has an endpoint; `seed` determines the random part of the waits.
    pub(super) fn new(config: &Config, context: &SinkContext, seed: u64) -> Pool {
        let place = |endpoint: &Endpoint| {
            Place::new(endpoint.clone(), Some(health_of(endpoint, &context.id)))
        };
        let settings = BackoffSettings {
            initial: config.request.retry_initial_backoff,
            max: config.request.retry_max_backoff,
        };
        Pool {
            selection: config.endpoint_selection,
            backoff: Backoff::new(settings, seed),
            request_timeout: config.request.timeout,
            state: Mutex::new(State {
                places: config.endpoints.iter().map(place).collect(),
                next: 0,
            }),
            component_id: context.id.to_string(),
            metrics: context.metrics.clone(),
        }
    }

    /// The endpoint for a request that `tried` these in vain; none when no other is worth a try at once.
    pub(super) fn pick(&self, tried: &[Endpoint]) -> Option<Endpoint> {
        let now = Instant::now();
        let mut state = self.state();
        let count = state.places.len();
        let start = match self.selection {
            EndpointSelection::Spread => state.next,
            EndpointSelection::Failover => 0,
        };
        let order = (0..count).map(|step| (start + step) % count);
        let is_new = |at: &usize| !tried.contains(&state.places[*at].endpoint);
        let open = order.clone().filter(is_new).find(|at| state.places[*at].is_open(now));
        let last_resort = || order.clone().min_by_key(|at| state.places[*at].until());
        let at = open.or_else(|| tried.is_empty().then(last_resort).flatten())?;
        state.next = at + 1;
        let place = &mut state.places[at];
        if let Health::Aside { failures, .. } = place.health {
            // This request is the trial; the others go elsewhere until it is over.
            place.health = Health::Aside { failures, until: now + self.request_timeout };
        }
        Some(place.endpoint.clone())
    }

    /// The endpoint has answered.
    pub(super) fn worked(&self, endpoint: &Endpoint) {
        let mut state = self.state();
        let Some(place) = state.places.iter_mut().find(|place| place.endpoint == *endpoint) else {
            return;
        };
        if matches!(place.health, Health::Well) {
            return;
        }
        place.health = Health::Well;
        if let Some(gauge) = &place.gauge {
            gauge.set(1.0);
        }
        info!(component_id = %self.component_id, %endpoint, "endpoint answers again");
    }

    /// What an endpoint is called in metrics. Nodes that were looked up share a name, as their number has no bound.
    pub(super) fn label_of(&self, endpoint: &Endpoint) -> String {
        let state = self.state();
        let declared = state.places.iter().filter(|place| place.gauge.is_some());
        let is_declared = declared.map(|place| &place.endpoint).any(|other| other == endpoint);
        if is_declared { endpoint.to_string() } else { "looked up".to_owned() }
    }

    /// The endpoint has failed with `error`.
    pub(super) fn failed(&self, endpoint: &Endpoint, error: &str, is_timeout: bool) {
        let component_id = &self.component_id;
        let mut state = self.state();
        let is_alone = state.places.len() == 1;
        let Some(place) = state.places.iter_mut().find(|place| place.endpoint == *endpoint) else {
            return;
        };
        let before = match place.health {
            Health::Well => 0,
            Health::Aside { failures, .. } => failures,
        };
        let failures = before.saturating_add(1);
        let penalty = is_timeout.then(|| self.request_timeout * TIMEOUT_PENALTY);
        let wait = self.backoff.wait(failures, penalty);
        place.health = Health::Aside { failures, until: Instant::now() + wait };
        if let Some(gauge) = &place.gauge {
            gauge.set(0.0);
        }
        if is_alone {
            // The driver tells of it.
            return;
        }
        self.metrics.error("endpoint_failed", ErrorStage::Sending);
        if before == 0 {
            warn!(%component_id, %endpoint, %error, "endpoint failed and is set aside");
        } else {
            debug!(%component_id, %endpoint, %error, failures, ?wait, "endpoint failed again");
        }
    }

    /// Uses these besides those of the configuration, in the place of what was found before.
    pub(super) fn found(&self, nodes: Vec<Endpoint>) {
        let mut state = self.state();
        let before = state.places.len();
        let (mut places, old): (Vec<Place>, Vec<Place>) =
            std::mem::take(&mut state.places).into_iter().partition(|place| place.gauge.is_some());
        for node in nodes {
            if places.iter().any(|place| place.endpoint == node) {
                continue;
            }
            let known = old.iter().find(|place| place.endpoint == node);
            let health = known.map_or(Health::Well, |place| place.health);
            places.push(Place { health, ..Place::new(node, None) });
        }
        if places.len() != before {
            info!(component_id = %self.component_id, endpoints = places.len(), "the cluster's nodes were looked up");
        }
        state.places = places;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::testing::context;

    fn pool(more: &str) -> Pool {
        let hosts = r#"endpoints = ["http://a:1", "http://b:1", "http://c:1"]"#;
        let config: Config = toml::from_str(&format!("{hosts}\n{more}")).expect("it parses");
        Pool::new(&config, &context().0, 1)
    }

    /// The hosts of the next `count` requests.
    fn next(pool: &Pool, count: usize) -> String {
        let pick = |_| pool.pick(&[]).expect("there is always one");
        (0..count).map(pick).map(|endpoint| host(&endpoint)).collect()
    }

    fn host(endpoint: &Endpoint) -> String {
        endpoint.url().host_str().expect("a host").to_owned()
    }

    fn endpoint(host: &str) -> Endpoint {
        Endpoint::try_from(format!("http://{host}:1")).expect("an endpoint")
    }

    #[tokio::test(start_paused = true)]
    async fn requests_are_spread_over_all_that_are_well() {
        let pool = pool("");
        assert_eq!(next(&pool, 4), "abca");
        pool.failed(&endpoint("b"), "x", false);
        assert_eq!(next(&pool, 4), "caca");
        pool.worked(&endpoint("b"));
        assert_eq!(next(&pool, 3), "bca");
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_that_is_well_is_used_when_told_so() {
        let pool = pool("endpoint_selection = \"failover\"");
        assert_eq!(next(&pool, 3), "aaa");
        pool.failed(&endpoint("a"), "x", false);
        assert_eq!(next(&pool, 3), "bbb");
        pool.worked(&endpoint("a"));
        assert_eq!(next(&pool, 2), "aa");
    }

    #[tokio::test(start_paused = true)]
    async fn one_request_tries_what_was_set_aside_and_waits_grow() {
        let pool = pool("endpoint_selection = \"failover\"");
        pool.failed(&endpoint("a"), "x", false);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(next(&pool, 3), "abb", "the trial is one request");
        pool.failed(&endpoint("a"), "x", false);
        tokio::time::advance(Duration::from_millis(999)).await;
        assert_eq!(next(&pool, 1), "b", "the second wait is a second at least");
        tokio::time::advance(Duration::from_millis(1001)).await;
        assert_eq!(next(&pool, 1), "a");
        pool.failed(&endpoint("a"), "timed out", true);
        tokio::time::advance(Duration::from_secs(119)).await;
        assert_eq!(next(&pool, 1), "b", "a black hole is left alone for longer");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(next(&pool, 1), "a");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_goes_to_each_once_and_when_none_is_well_to_the_one_due_first() {
        let pool = pool("");
        let (a, b, c) = (endpoint("a"), endpoint("b"), endpoint("c"));
        for endpoint in [&b, &c, &a] {
            pool.failed(endpoint, "x", false);
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert_eq!(pool.pick(&[a]), None);
        let first = pool.pick(&[]).expect("one is asked all the same");
        pool.worked(&first);
        assert_eq!(next(&pool, 3), host(&first).repeat(3));
    }

    #[tokio::test(start_paused = true)]
    async fn nodes_that_were_found_come_and_go_and_keep_their_health() {
        let pool = pool("endpoint_selection = \"failover\"");
        for name in ["a", "b", "c"] {
            pool.failed(&endpoint(name), "x", true);
        }
        pool.found(vec![endpoint("a"), endpoint("d"), endpoint("e")]);
        assert_eq!(next(&pool, 2), "dd");
        pool.failed(&endpoint("d"), "x", true);
        pool.found(vec![endpoint("d"), endpoint("e")]);
        assert_eq!(next(&pool, 2), "ee");
        pool.found(vec![endpoint("f")]);
        assert_eq!(next(&pool, 1), "f");
    }
}
