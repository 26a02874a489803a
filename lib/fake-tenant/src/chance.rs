//! Which calls meet a fault: those that wait for the next calls, and those that are drawn at random from a seed.

use std::time::Duration;

use bytes::Bytes;

use crate::book::Operation;
use crate::fault::{Call, Fault, FaultKind, FaultTarget};
use crate::settings::ThrottleStatus;

/// A host that is nobody's, for links that lead astray.
const FOREIGN_HOST: &str = "http://203.0.113.9";

/// Where bodies break off: at most so many bytes from their start, for small bodies and for large ones. What is shorter
/// stays whole.
const CUT_BYTES_MAX: [u64; 2] = [1000, 20_000];

/// How often calls to the API fail by chance, each from 0 to 1.
#[derive(Clone, Debug, Default)]
pub struct FaultRates {
    /// A 5xx: `AF50000`, an HTML page of the front door, or an empty 503.
    pub error_5xx: f64,
    pub throttle: f64,
    /// The longest `Retry-After` of such an answer; with zero it is as the settings say. Every second one has none.
    pub retry_after: Duration,
    /// A token that is refused though it is good.
    pub unauthorized: f64,
    /// Connection broken within the body.
    pub reset: f64,
    /// Body cut short.
    pub truncate: f64,
    /// HTML instead of JSON, with status 200.
    pub not_json: f64,
    /// An answer that takes `hang_for` longer.
    pub hang: f64,
    pub hang_for: Duration,
    /// Failure of the token endpoint.
    pub token_error: f64,
    /// A body that comes in small pieces, `slow_by` apart.
    pub slow: f64,
    pub slow_by: Duration,
    /// A blob that is said not to exist, though it does.
    pub gone: f64,
    /// Of listings: links that lead to another host.
    pub foreign_host: f64,
    /// Of listings: some rows are not there this time.
    pub missing_rows: f64,
    /// Of listings: some rows are there twice.
    pub repeated_rows: f64,
    /// Of listings: the link to the next page is not there.
    pub no_next_page: f64,
    /// Of listings: the link to the next page leads to the page itself.
    pub next_page_loop: f64,
}

impl FaultRates {
    /// Every kind of fault at the same rate. Waits are short, so that a rehearsal takes no longer than it must.
    pub fn all(rate: f64) -> FaultRates {
        let mut rates = FaultRates {
            retry_after: Duration::from_secs(1),
            hang_for: Duration::from_secs(1),
            slow_by: Duration::from_millis(20),
            ..FaultRates::default()
        };
        for kind in FaultKind::ALL {
            rates.set(kind, rate);
        }
        rates
    }

    /// Sets the rate of one kind; [`FaultKind::Scripted`] has none.
    pub fn set(&mut self, kind: FaultKind, rate: f64) {
        let place = match kind {
            FaultKind::ServerError => &mut self.error_5xx,
            FaultKind::Throttle => &mut self.throttle,
            FaultKind::Unauthorized => &mut self.unauthorized,
            FaultKind::Reset => &mut self.reset,
            FaultKind::Truncate => &mut self.truncate,
            FaultKind::NotJson => &mut self.not_json,
            FaultKind::Hang => &mut self.hang,
            FaultKind::Slow => &mut self.slow,
            FaultKind::Gone => &mut self.gone,
            FaultKind::ForeignHost => &mut self.foreign_host,
            FaultKind::MissingRows => &mut self.missing_rows,
            FaultKind::RepeatedRows => &mut self.repeated_rows,
            FaultKind::NoNextPage => &mut self.no_next_page,
            FaultKind::NextPageLoop => &mut self.next_page_loop,
            FaultKind::TokenError => &mut self.token_error,
            FaultKind::Scripted => return,
        };
        *place = rate;
    }
}

/// The faults that wait, and the dice for those that come by chance.
#[derive(Debug)]
pub(crate) struct FaultQueue {
    scripted: Vec<(FaultTarget, Fault, usize)>,
    rates: FaultRates,
    rng: fastrand::Rng,
}

impl FaultQueue {
    pub(crate) fn new(seed: u64, rates: FaultRates) -> Self {
        FaultQueue { scripted: Vec::new(), rates, rng: fastrand::Rng::with_seed(seed) }
    }

    pub(crate) fn push(&mut self, target: FaultTarget, fault: Fault, times: usize) {
        if times > 0 {
            self.scripted.push((target, fault, times));
        }
    }

    pub(crate) fn replace_rates(&mut self, rates: FaultRates) {
        self.rates = rates;
    }

    /// How many scripted faults have met no call yet.
    pub(crate) fn waiting(&self) -> usize {
        self.scripted.iter().map(|(_, _, times)| times).sum()
    }

    /// What goes wrong with this call, if anything: the oldest scripted fault that matches, else chance.
    pub(crate) fn next(&mut self, call: &Call<'_>) -> Option<(FaultKind, Fault)> {
        if let Some(at) = self.scripted.iter().position(|(target, _, _)| target.matches(call)) {
            let (_, fault, times) = &mut self.scripted[at];
            let fault = fault.clone();
            *times -= 1;
            if *times == 0 {
                self.scripted.remove(at);
            }
            return Some((FaultKind::Scripted, fault));
        }
        self.by_chance(call.operation)
    }

    fn by_chance(&mut self, operation: Operation) -> Option<(FaultKind, Fault)> {
        let rates = self.rates.clone();
        if operation == Operation::Token {
            let busy =
                Bytes::from_static(br#"{"error":"temporarily_unavailable","error_codes":[90055]}"#);
            return self
                .hit(rates.token_error)
                .then_some((FaultKind::TokenError, Fault::Answer { status: 503, body: busy }));
        }
        let fault = if self.hit(rates.error_5xx) {
            (FaultKind::ServerError, self.server_error())
        } else if self.hit(rates.throttle) {
            (FaultKind::Throttle, self.throttle(rates.retry_after))
        } else if self.hit(rates.unauthorized) {
            let body = Bytes::from_static(crate::reply::DENIED.as_bytes());
            (FaultKind::Unauthorized, Fault::Answer { status: 401, body })
        } else if self.hit(rates.reset) {
            (FaultKind::Reset, Fault::ResetAfter(self.cut()))
        } else if self.hit(rates.truncate) {
            (FaultKind::Truncate, Fault::TruncateAfter(self.cut()))
        } else if self.hit(rates.hang) {
            (FaultKind::Hang, Fault::Hang(rates.hang_for))
        } else if self.hit(rates.not_json) {
            (FaultKind::NotJson, Fault::NotJson)
        } else if self.hit(rates.slow) {
            let chunk_bytes = self.rng.usize(200..4000);
            (FaultKind::Slow, Fault::Slow { chunk_bytes, delay: rates.slow_by })
        } else {
            return match operation {
                Operation::FetchBlob => self.by_chance_in_blob(&rates),
                Operation::ListContent => self.by_chance_in_listing(&rates),
                Operation::Token
                | Operation::StartSubscription
                | Operation::StopSubscription
                | Operation::ListSubscriptions
                | Operation::Unknown => None,
            };
        };
        Some(fault)
    }

    fn by_chance_in_blob(&mut self, rates: &FaultRates) -> Option<(FaultKind, Fault)> {
        let gone = Fault::AfError { status: 404, code: "AF20050".to_owned() };
        self.hit(rates.gone).then_some((FaultKind::Gone, gone))
    }

    fn by_chance_in_listing(&mut self, rates: &FaultRates) -> Option<(FaultKind, Fault)> {
        if self.hit(rates.foreign_host) {
            return Some((FaultKind::ForeignHost, Fault::ForeignHost(FOREIGN_HOST.to_owned())));
        }
        if self.hit(rates.missing_rows) {
            return Some((FaultKind::MissingRows, Fault::MissingRows(self.rng.u64(..))));
        }
        if self.hit(rates.repeated_rows) {
            return Some((FaultKind::RepeatedRows, Fault::RepeatedRows));
        }
        if self.hit(rates.no_next_page) {
            return Some((FaultKind::NoNextPage, Fault::NoNextPage));
        }
        self.hit(rates.next_page_loop).then_some((FaultKind::NextPageLoop, Fault::NextPageLoop))
    }

    fn hit(&mut self, rate: f64) -> bool {
        rate > 0.0 && self.rng.f64() < rate
    }

    fn cut(&mut self) -> u64 {
        let most = CUT_BYTES_MAX[usize::from(self.rng.bool())];
        self.rng.u64(0..most)
    }

    fn throttle(&mut self, retry_after: Duration) -> Fault {
        if retry_after.is_zero() {
            return Fault::Throttle;
        }
        let status = if self.rng.bool() {
            ThrottleStatus::Forbidden
        } else {
            ThrottleStatus::TooManyRequests
        };
        let secs = self.rng.u64(1..=retry_after.as_secs().max(1));
        let retry_after = self.rng.bool().then(|| Duration::from_secs(secs));
        Fault::ThrottleAs { status, retry_after }
    }

    fn server_error(&mut self) -> Fault {
        match self.rng.u8(0..3) {
            0 => Fault::AfError { status: 500, code: "AF50000".to_owned() },
            1 => Fault::Answer { status: 503, body: Bytes::new() },
            _ => Fault::Answer {
                status: 502,
                body: Bytes::from_static(
                    b"<html><body><h2>Our services aren't available right now</h2></body></html>",
                ),
            },
        }
    }
}
