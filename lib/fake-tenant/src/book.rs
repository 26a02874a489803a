//! What was asked and what was served. It counts; it decides nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::fault::FaultKind;

/// A call of the API or of the sign-in service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    Token,
    StartSubscription,
    StopSubscription,
    ListSubscriptions,
    ListContent,
    FetchBlob,
    /// Anything that is not part of the API.
    Unknown,
}

/// What was asked and served so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    pub requests: Vec<RequestCount>,
    /// Requests that carried no `PublisherIdentifier`.
    pub anonymous_requests: u64,
    pub tokens_issued: u64,
    /// Blobs whose body was taken to its last byte.
    pub blobs_served: u64,
    pub distinct_blobs_served: u64,
    /// Records in the blobs served.
    pub records_served: u64,
    /// Faults that met a call.
    pub faults: Vec<FaultCount>,
    /// Requests that the API refused with a code of its own, and not because of a fault.
    pub refusals: Vec<RefusalCount>,
}

impl Stats {
    /// Faults of one kind that met a call.
    pub fn faults_of(&self, kind: FaultKind) -> u64 {
        self.faults.iter().filter(|row| row.fault == kind).map(|row| row.count).sum()
    }

    /// Requests of an operation, with any status.
    pub fn requests_of(&self, operation: Operation) -> u64 {
        self.requests.iter().filter(|row| row.operation == operation).map(|row| row.count).sum()
    }

    /// Requests of an operation that got this status.
    pub fn answered(&self, operation: Operation, status: u16) -> u64 {
        let rows =
            self.requests.iter().filter(|row| row.operation == operation && row.status == status);
        rows.map(|row| row.count).sum()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RequestCount {
    pub operation: Operation,
    pub status: u16,
    pub count: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FaultCount {
    pub fault: FaultKind,
    pub count: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefusalCount {
    /// Such as `AF20030`.
    pub code: String,
    pub count: u64,
}

#[derive(Debug, Default)]
struct Counts {
    requests: BTreeMap<(Operation, u16), u64>,
    anonymous_requests: u64,
    tokens_issued: u64,
    /// Times each blob was served whole, by content id.
    served: HashMap<String, u64>,
    records_served: u64,
    faults: BTreeMap<FaultKind, u64>,
    refusals: BTreeMap<String, u64>,
}

#[derive(Debug, Default)]
pub(crate) struct Book(Mutex<Counts>);

impl Book {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn answered(&self, operation: Operation, status: u16) {
        *self.counts().requests.entry((operation, status)).or_default() += 1;
    }

    pub(crate) fn fault_met(&self, kind: FaultKind) {
        *self.counts().faults.entry(kind).or_default() += 1;
    }

    pub(crate) fn refused(&self, code: &str) {
        *self.counts().refusals.entry(code.to_owned()).or_default() += 1;
    }

    pub(crate) fn anonymous_request(&self) {
        self.counts().anonymous_requests += 1;
    }

    pub(crate) fn token_issued(&self) {
        self.counts().tokens_issued += 1;
    }

    pub(crate) fn times_served(&self, content_id: &str) -> u64 {
        self.counts().served.get(content_id).copied().unwrap_or(0)
    }

    pub(crate) fn stats(&self) -> Stats {
        let counts = self.counts();
        let rows = counts.requests.iter();
        Stats {
            requests: rows
                .map(|(&(operation, status), &count)| RequestCount { operation, status, count })
                .collect(),
            anonymous_requests: counts.anonymous_requests,
            tokens_issued: counts.tokens_issued,
            blobs_served: counts.served.values().sum(),
            distinct_blobs_served: counts.served.len() as u64,
            records_served: counts.records_served,
            faults: counts
                .faults
                .iter()
                .map(|(&fault, &count)| FaultCount { fault, count })
                .collect(),
            refusals: counts
                .refusals
                .iter()
                .map(|(code, &count)| RefusalCount { code: code.clone(), count })
                .collect(),
        }
    }
}

/// Notes a blob as served, once, when its body was taken whole.
#[derive(Debug)]
pub(crate) struct Receipt {
    pub(crate) book: Arc<Book>,
    pub(crate) content_id: String,
    pub(crate) records: u64,
}

impl Receipt {
    pub(crate) fn sign(self) {
        let mut counts = self.book.counts();
        *counts.served.entry(self.content_id).or_default() += 1;
        counts.records_served += self.records;
    }
}
