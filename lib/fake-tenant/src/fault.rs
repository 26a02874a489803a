//! What can go wrong on request: faults queued for the next calls, and faults drawn at random from a seed.
//! A fault spoils one answer only; the next one is sound unless another fault waits.

use std::time::Duration;

use bytes::Bytes;

use crate::book::Operation;
use crate::tenant::ContentType;

/// One thing that goes wrong with one answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// This status and body instead of the answer.
    Answer { status: u16, body: Bytes },
    /// An error of the API, such as `AF50000`, instead of the answer.
    AfError { status: u16, code: String },
    /// An `AF429` answer.
    Throttle,
    /// The sound answer after a wait.
    Hang(Duration),
    /// The connection breaks after so many bytes of the body.
    ResetAfter(u64),
    /// The body ends cleanly after so many bytes.
    TruncateAfter(u64),
    /// The body comes in pieces of this size with a wait before each.
    Slow { chunk_bytes: usize, delay: Duration },
    /// An HTML page, as from a proxy, with status 200.
    NotJson,
    /// A JSON array that holds no object.
    NonObjects,
    /// The sound blob with a bad record in front.
    BadRecord(BadRecord),
    /// A `Content-Length` that is off by so many bytes.
    LyingContentLength(i64),
    /// The listing's `contentUri` and `NextPageUri` lead to another host, such as `http://203.0.113.9`.
    ForeignHost(String),
}

/// A record no client should trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRecord {
    NoId,
    NoCreationTime,
    InvalidUtf8,
    NotAnObject,
    /// A record of so many bytes with an id of its own.
    Huge(usize),
}

/// Which calls a queued fault meets; what is not given matches everything.
#[derive(Clone, Debug, Default)]
pub struct FaultTarget {
    pub operation: Option<Operation>,
    pub tenant_id: Option<String>,
    pub content_type: Option<ContentType>,
}

impl FaultTarget {
    pub fn operation(operation: Operation) -> Self {
        FaultTarget { operation: Some(operation), ..FaultTarget::default() }
    }

    #[must_use]
    pub fn of_tenant(mut self, tenant_id: &str) -> Self {
        self.tenant_id = Some(tenant_id.to_owned());
        self
    }

    #[must_use]
    pub fn of_content_type(mut self, content_type: ContentType) -> Self {
        self.content_type = Some(content_type);
        self
    }

    fn matches(&self, call: &Call<'_>) -> bool {
        self.operation.is_none_or(|operation| operation == call.operation)
            && self.tenant_id.as_deref().is_none_or(|tenant| tenant == call.tenant_id)
            && self.content_type.is_none_or(|wanted| call.content_type == Some(wanted))
    }
}

/// How often calls to the API fail by chance, each from 0 to 1.
#[derive(Clone, Debug, Default)]
pub struct FaultRates {
    /// A 5xx: `AF50000`, an HTML page of the front door, or an empty 503.
    pub error_5xx: f64,
    pub throttle: f64,
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
}

/// The call that a fault may meet.
pub(crate) struct Call<'a> {
    pub(crate) operation: Operation,
    pub(crate) tenant_id: &'a str,
    pub(crate) content_type: Option<ContentType>,
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
    pub(crate) fn next(&mut self, call: &Call<'_>) -> Option<Fault> {
        if let Some(at) = self.scripted.iter().position(|(target, _, _)| target.matches(call)) {
            let (_, fault, times) = &mut self.scripted[at];
            let fault = fault.clone();
            *times -= 1;
            if *times == 0 {
                self.scripted.remove(at);
            }
            return Some(fault);
        }
        self.by_chance(call.operation)
    }

    fn by_chance(&mut self, operation: Operation) -> Option<Fault> {
        let rates = self.rates.clone();
        if operation == Operation::Token {
            let busy =
                Bytes::from_static(br#"{"error":"temporarily_unavailable","error_codes":[90055]}"#);
            return self
                .hit(rates.token_error)
                .then_some(Fault::Answer { status: 503, body: busy });
        }
        if self.hit(rates.error_5xx) {
            return Some(self.server_error());
        }
        if self.hit(rates.throttle) {
            return Some(Fault::Throttle);
        }
        if self.hit(rates.unauthorized) {
            let body = Bytes::from_static(crate::reply::DENIED.as_bytes());
            return Some(Fault::Answer { status: 401, body });
        }
        if self.hit(rates.reset) {
            return Some(Fault::ResetAfter(self.rng.u64(0..20_000)));
        }
        if self.hit(rates.truncate) {
            return Some(Fault::TruncateAfter(self.rng.u64(0..20_000)));
        }
        if self.hit(rates.hang) {
            return Some(Fault::Hang(rates.hang_for));
        }
        self.hit(rates.not_json).then_some(Fault::NotJson)
    }

    fn hit(&mut self, rate: f64) -> bool {
        rate > 0.0 && self.rng.f64() < rate
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
