//! What o365flow promises, against real servers.

mod architecture;
mod cli;
mod clinic;
mod config;
mod demo;
mod docs;
mod doctor;
mod elasticsearch;
mod kill;
mod metrics;
mod office365;
mod outage;
mod replay;
mod rig;
mod secrets;
mod services;
mod signals;
mod subscriptions;
