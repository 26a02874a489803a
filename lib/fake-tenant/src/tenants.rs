//! The whole fake service as a pure handler of requests, and the levers a test pulls.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::header::{ACCEPT_ENCODING, DATE};
use http::{HeaderValue, Request, Response};

use crate::api::Api;
use crate::body::Body;
use crate::book::{Book, Stats};
use crate::chance::FaultRates;
use crate::clock::Clock;
use crate::control;
use crate::expected::{Completeness, ExpectedIds, Filter, Tally};
use crate::fault::{Call, Fault, FaultTarget};
use crate::feed::{FeedExpectation, NewBlob, Subscription};
use crate::identity;
use crate::reply::Reply;
use crate::route::{ContentId, Query, Route};
use crate::settings::Settings;
use crate::state::State;
use crate::tenant::{ContentType, TenantSpec};
use crate::token::{self, Issuer};

/// Some tenants, their audit content, and the service that hands it out.
pub struct FakeTenants {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    book: Arc<Book>,
}

impl FakeTenants {
    pub fn new(clock: Arc<dyn Clock>, settings: Settings, tenants: Vec<TenantSpec>) -> Self {
        FakeTenants {
            clock,
            state: Mutex::new(State::new(settings, tenants)),
            book: Arc::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Answers a request to the token endpoint, the API or the control endpoints.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Body> {
        let route = Route::of(&request);
        let (fault, latency) = self.begin(&request, &route);
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        let reply = self.reply(&request, &route, fault.as_ref());
        let gzip = self.state().settings.gzip && accepts_gzip(&request);
        if !matches!(route, Route::Control { .. }) {
            self.book.answered(route.operation(), reply.status.as_u16());
            if !fault.as_ref().is_some_and(Fault::replaces_answer)
                && let Some(code) = &reply.code
            {
                self.book.refused(code);
            }
        }
        let mut response = reply.finish(gzip, fault.as_ref());
        let date = self.clock.now().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        if let Ok(date) = HeaderValue::from_str(&date) {
            response.headers_mut().insert(DATE, date);
        }
        response
    }

    /// What will go wrong with this call, and how long it takes at least.
    fn begin(&self, request: &Request<Bytes>, route: &Route) -> (Option<Fault>, Duration) {
        if matches!(route, Route::Control { .. }) {
            return (None, Duration::ZERO);
        }
        let mut state = self.state();
        let tenant_id =
            state.tenant_named(route.tenant()).map(|tenant| tenant.spec.tenant_id.clone());
        let query = Query::of(request.uri());
        let drawn = state.faults.next(&Call {
            operation: route.operation(),
            tenant_id: tenant_id.as_deref().unwrap_or(""),
            content_type: route.content_type(&query),
        });
        let fault = drawn.map(|(kind, fault)| {
            self.book.fault_met(kind);
            fault
        });
        let hang = if let Some(Fault::Hang(time)) = &fault { *time } else { Duration::ZERO };
        (fault, state.settings.latency + hang)
    }

    fn reply(&self, request: &Request<Bytes>, route: &Route, fault: Option<&Fault>) -> Reply {
        match fault {
            Some(Fault::Answer { status, body }) => {
                return Reply::new(*status, "text/plain", body.clone());
            }
            Some(Fault::AfError { status, code }) => {
                return *Reply::af(*status, code, "An internal error occurred.");
            }
            _ => {}
        }
        let now = self.clock.now();
        let answer = match route {
            Route::Control { path } => Ok(control::answer(self, path)),
            Route::Unknown => Ok(Reply::new(404, "text/plain", "The resource cannot be found.")),
            Route::Token { tenant, version } => {
                let mut state = self.state();
                let serial = state.next_serial();
                let spec = state.tenant_named(tenant).map(|tenant| tenant.spec.clone());
                let State { base_url, settings, used_assertions, .. } = &mut *state;
                let issuer = Issuer { resource: base_url, now, life: settings.token_life, serial };
                let who = (tenant.as_str(), spec.as_ref());
                let answer = token::answer(request, *version, who, (&issuer, used_assertions));
                if answer.is_ok() {
                    self.book.token_issued();
                }
                answer
            }
            Route::Identity(endpoint) => {
                let mut state = self.state();
                let serial = state.next_serial();
                let (resource, life) = (state.base_url.as_str(), state.settings.token_life);
                let issuer = Issuer { resource, now, life, serial };
                let mut specs = state.tenants.iter().map(|tenant| &tenant.spec);
                let spec = specs.find(|spec| spec.managed_identity.is_some());
                let answer = identity::answer(request, *endpoint, spec, &issuer);
                if answer.is_ok() {
                    self.book.token_issued();
                }
                answer
            }
            Route::Api { tenant, call } => {
                let query = Query::of(request.uri());
                let state = &mut *self.state();
                Api { state, book: &self.book, now, tenant_id: tenant, query, fault }
                    .answer(request, call)
            }
        };
        answer.unwrap_or_else(|refused| *refused)
    }

    /// Where the service says it lives: the resource of tokens and the start of every link. [`crate::Server::start`]
    /// sets it to its own address; until then it is `https://manage.office.com`.
    pub fn set_base_url(&self, url: &str) {
        url.trim_end_matches('/').clone_into(&mut self.state().base_url);
    }

    pub fn base_url(&self) -> String {
        self.state().base_url.clone()
    }

    pub fn tenants(&self) -> Vec<TenantSpec> {
        self.state().tenants.iter().map(|tenant| tenant.spec.clone()).collect()
    }

    pub fn settings(&self) -> Settings {
        self.state().settings.clone()
    }

    /// Changes the behaviour from the next request on.
    pub fn change_settings(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.state().settings);
    }

    /// Changes what may sign in and what it may read, from the next request on. Nothing happens to an unknown tenant.
    pub fn change_tenant(&self, tenant_id: &str, change: impl FnOnce(&mut TenantSpec)) {
        if let Some(tenant) = self.state().tenant_mut(tenant_id) {
            change(&mut tenant.spec);
        }
    }

    /// Lets the next `times` calls that match fail.
    pub fn script(&self, target: FaultTarget, fault: Fault, times: usize) {
        self.state().faults.push(target, fault, times);
    }

    /// How many scripted faults have met no call yet.
    pub fn scripted_faults_left(&self) -> usize {
        self.state().faults.waiting()
    }

    /// From now on calls fail by chance this often.
    pub fn set_fault_rates(&self, rates: FaultRates) {
        self.state().faults.replace_rates(rates);
    }

    /// Disables a subscription, as an administrator of the tenant or the service would.
    pub fn disable_subscription(&self, tenant_id: &str, content_type: ContentType) {
        let now = self.clock.now();
        if let Some(feed) = self.state().feed(tenant_id, content_type, now) {
            feed.stop(now, Subscription::Disabled);
        }
    }

    /// Adds a blob and gives its content id, or nothing if there is no such tenant.
    pub fn add_blob(
        &self,
        tenant_id: &str,
        content_type: ContentType,
        blob: NewBlob,
    ) -> Option<String> {
        let mut state = self.state();
        let key = state.feed(tenant_id, content_type, self.clock.now())?.add(blob);
        Some(ContentId { content_type, key }.text())
    }

    /// How often a blob was served to its last byte.
    pub fn times_served(&self, tenant_id: &str, content_id: &str) -> u64 {
        self.book.times_served(&format!("{tenant_id}/{content_id}"))
    }

    pub fn stats(&self) -> Stats {
        self.book.stats()
    }

    /// The id of every record that a client can have got by now, each once, in no order.
    pub fn expected_ids(
        &self,
        filter: &Filter,
    ) -> impl Iterator<Item = String> + Send + Sync + use<> {
        ExpectedIds::new(self.expectations(filter))
    }

    /// How many records the blobs in question hold, repeated ones each time.
    pub fn records_with_repeats(&self, filter: &Filter) -> u64 {
        self.expectations(filter).iter().map(|feed| feed.total).sum()
    }

    fn expectations(&self, filter: &Filter) -> Vec<FeedExpectation> {
        let now = self.clock.now();
        let mut expectations = Vec::new();
        for tenant in &mut self.state().tenants {
            for (feed, content_type) in tenant.feeds.iter_mut().zip(ContentType::ALL) {
                if filter.takes(&tenant.spec.tenant_id, content_type) {
                    feed.advance(now);
                    expectations.push(feed.expected(filter.created.start, filter.created.end, now));
                }
            }
        }
        expectations
    }

    /// Compares what should have arrived with what did.
    pub fn verify<'a>(
        &self,
        filter: &Filter,
        delivered: impl Iterator<Item = &'a str>,
    ) -> Completeness {
        Tally::of(delivered).against(self.expected_ids(filter))
    }
}

fn accepts_gzip(request: &Request<Bytes>) -> bool {
    let accepted = request.headers().get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    accepted.is_some_and(|value| value.to_ascii_lowercase().contains("gzip"))
}
