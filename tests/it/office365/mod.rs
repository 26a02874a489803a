//! The source `office365` against fake tenants.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod bad_input;
mod bombs;
mod clocks;
mod clouds;
mod completeness;
mod copies;
mod crowd;
mod disk;
mod error_table;
mod failed_ledger;
mod fairness;
mod foreign;
mod late;
mod listing;
mod many_feeds;
mod report;
mod restart;
mod rig;
mod shared_app;
mod socket;
mod tamper;
mod tenants;
mod tenants_dir;
mod throttle;
