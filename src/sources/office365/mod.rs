//! x
#![allow(dead_code, unused_imports)]
mod config;
mod ledger;
mod plan;
mod schema;
