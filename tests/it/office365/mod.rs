//! The source `office365` against fake tenants.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod bad_input;
mod clocks;
mod completeness;
mod copies;
mod crowd;
mod disk;
mod failed_ledger;
mod late;
mod report;
mod restart;
mod rig;
mod socket;
mod tenants;
