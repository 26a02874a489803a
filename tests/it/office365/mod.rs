//! The source `office365` against fake tenants.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod bad_input;
mod clocks;
mod completeness;
mod copies;
mod crowd;
mod disk;
mod fairness;
mod late;
mod many_feeds;
mod restart;
mod rig;
mod socket;
mod tenants;
mod tenants_dir;
