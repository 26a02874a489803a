//! The Office 365 Management Activity API and the Entra token endpoint, served in-process: strict where the real
//! service is strict, failing where it is told to fail, on a clock it is given.
//!
//! [`FakeTenants`] is a handler of requests without a socket; [`Server`] puts it on a loopback port. What exists is
//! decided by a seed ([`History`]) and by hand ([`FakeTenants::add_blob`]), so that a test can ask afterwards whether
//! every record arrived, once ([`FakeTenants::verify`]). It is no model of Microsoft's load, storage or latency.

mod api;
mod assertion;
mod body;
mod book;
mod chance;
mod clock;
mod content;
mod control;
mod expected;
mod fault;
mod feed;
mod guid;
mod history;
mod identity;
mod listing;
pub mod program;
mod records;
mod reply;
mod route;
mod server;
mod settings;
mod state;
mod tenant;
mod tenants;
mod throttle;
mod token;

#[cfg(test)]
mod tests;

pub use body::Body;
pub use book::{FaultCount, Operation, RefusalCount, RequestCount, Stats};
pub use chance::FaultRates;
pub use clock::{Clock, ManualClock, TokioClock};
pub use expected::{Completeness, Filter};
pub use fault::{BadRecord, Fault, FaultKind, FaultTarget};
pub use feed::{NewBlob, NewContent};
pub use history::History;
pub use server::Server;
pub use settings::{HeaderCase, NextPageHeader, RowOrder, Settings, ThrottleStatus};
pub use tenant::{ContentType, ManagedIdentity, Role, TenantSpec};
pub use tenants::FakeTenants;
