//! The way from the source to the fake tenants: slow, and at times down for all or for one tenant.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use chrono::TimeDelta;
use fake_tenant::{ContentType, FakeTenants};
use futures_util::future::BoxFuture;
use http::{Request, Response};
use net::{Body, SendError, SendErrorKind, Transport, full_body};
use pipeline_core::{Clock, Timestamp};

use crate::{
    journal::{Entry, Journal},
    life::Life,
    sabotage::Sabotage,
    stage::{InProcess, SimulatedClock},
    trace::Trace,
    weather::{Trouble, Weather},
};

/// A week has some thousand requests; a source that asks without end never lets the clock move.
const REQUESTS_MAX: u64 = 400_000;

/// Shared by all processes of a simulation.
pub(crate) struct Network {
    pub(crate) tenants: Arc<FakeTenants>,
    pub(crate) tenant_ids: Vec<&'static str>,
    pub(crate) clock: Arc<SimulatedClock>,
    pub(crate) weather: Arc<Weather>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) trace: Arc<Trace>,
    pub(crate) dice: Mutex<fastrand::Rng>,
    pub(crate) requests: AtomicU64,
    /// How many subscriptions were stopped so far.
    pub(crate) stopped: AtomicUsize,
    /// Queries that were answered with 401. They are asked again as they are, after whatever wait, and planned anew when
    /// that was too late.
    pub(crate) unauthorized: Mutex<HashSet<String>>,
    pub(crate) sabotage: Sabotage,
    /// The app's right secret.
    pub(crate) secret: String,
}

/// The network as one process sees it.
pub(crate) struct Line {
    pub(crate) network: Arc<Network>,
    pub(crate) life: Arc<Life>,
}

impl Network {
    /// Lets the fake tenants behave as the weather says.
    fn set_weather(&self, now: Timestamp) {
        self.tenants.set_fault_rates(self.weather.rates(now));
        let stops = self.weather.stops(now);
        let stopped = self.stopped.swap(stops.len(), Ordering::Relaxed);
        for (_, tenant, content_type) in &stops[stopped..] {
            let content_type = ContentType::ALL[*content_type];
            self.tenants.disable_subscription(self.tenant_ids[*tenant], content_type);
        }
        for (number, tenant_id) in self.tenant_ids.iter().enumerate() {
            let is_wrong = self.weather.at(now, Some(number)).any(|it| it == Trouble::WrongSecret);
            let secret = if is_wrong { "another" } else { self.secret.as_str() };
            self.tenants
                .change_tenant(tenant_id, |spec| secret.clone_into(&mut spec.client_secret));
        }
    }

    fn sabotaged(&self, request: Request<Bytes>) -> Request<Bytes> {
        let mut request = request;
        let uri = request.uri().to_string();
        if self.sabotage == Sabotage::LongWindow && uri.contains("startTime=") {
            let (before, after) = uri.split_once("startTime=").unwrap();
            let (time, rest) = after.split_at("2027-01-15T08:00:00".len());
            let earlier = office365::parse_time(time).unwrap() - TimeDelta::hours(25);
            let earlier = earlier.format("%Y-%m-%dT%H:%M:%S");
            *request.uri_mut() = format!("{before}startTime={earlier}{rest}").parse().unwrap();
        }
        request
    }

    async fn answer(&self, request: Request<Bytes>) -> Result<Response<Body>, SendError> {
        let asked = self.requests.fetch_add(1, Ordering::Relaxed);
        assert!(asked < REQUESTS_MAX, "the source asks without end");
        let latency = self.dice.lock().unwrap().u64(1..400);
        tokio::time::sleep(Duration::from_millis(latency)).await;
        let now = Clock::now(&*self.clock);
        let path = request.uri().path();
        let tenant = self.tenant_ids.iter().position(|id| path.contains(id));
        let is_sign_in = path.contains("/oauth2/");
        for trouble in self.weather.at(now, tenant) {
            match trouble {
                Trouble::ApiRefuses if !is_sign_in => {
                    return Err(SendError::new(SendErrorKind::Connect, "api"));
                }
                Trouble::ApiSilent if !is_sign_in => std::future::pending::<()>().await,
                Trouble::ApiUnavailable if !is_sign_in => return Ok(unavailable()),
                Trouble::SignInDown if is_sign_in => return Ok(unavailable()),
                _ => {}
            }
        }
        if let Some(query) = request.uri().query().filter(|query| reaches_too_far_back(query, now))
        {
            let is_repeated = self.unauthorized.lock().unwrap().contains(query);
            if !is_repeated {
                self.journal.add(Entry::TooFarBack { query: query.to_owned() });
            }
        }
        self.set_weather(now);
        let request = self.sabotaged(request);
        let is_cut = self.sabotage == Sabotage::CutBody && request.uri().path().contains("/audit/");
        let query = request.uri().query().map(str::to_owned);
        let response = InProcess(Arc::clone(&self.tenants)).send(request).await?;
        if response.status() == http::StatusCode::UNAUTHORIZED {
            self.unauthorized.lock().unwrap().extend(query);
        }
        if is_cut && asked.is_multiple_of(50) && response.status().is_success() {
            return Ok(Response::new(full_body("[]")));
        }
        Ok(response)
    }
}

/// Whether this asks for a window, by its times and not by a link that was given, that starts more than 7 days ago.
fn reaches_too_far_back(query: &str, now: Timestamp) -> bool {
    let start = query.split('&').find_map(|pair| pair.strip_prefix("startTime="));
    let start = start.and_then(office365::parse_time);
    start.is_some_and(|start| start < now - TimeDelta::days(7))
}

fn unavailable() -> Response<Body> {
    let mut response = Response::new(full_body(Bytes::new()));
    *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
    response
}

impl Transport for Line {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Body>, SendError>> {
        Box::pin(async move {
            self.life.proceed().await;
            let target =
                request.uri().path_and_query().map_or_else(String::new, ToString::to_string);
            let result = self.network.answer(request).await;
            let status = result.as_ref().map_or(0, |response| response.status().as_u16());
            self.network.trace.note(format_args!("request {target} {status}"));
            result
        })
    }
}
