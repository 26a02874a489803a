//! What o365flow promises, against real servers.

mod architecture;
mod cli;
mod config;
mod convert;
mod demo;
mod docs;
mod elasticsearch;
mod keystore;
mod kill;
mod metrics;
mod office365;
mod outage;
mod permissions;
mod proxy;
mod report;
mod rig;
mod secrets;
mod secrets_backends;
mod services;
mod signals;
#[path = "../stage/mod.rs"]
mod stage;
