//! The source `office365` against fake tenants.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod bad_input;
mod bombs;
mod clocks;
mod completeness;
mod copies;
mod crowd;
mod disk;
mod error_table;
mod failed_ledger;
mod foreign;
mod late;
mod listing;
mod report;
mod restart;
mod rig;
mod shared_app;
mod socket;
mod tamper;
mod tenants;
mod throttle;
