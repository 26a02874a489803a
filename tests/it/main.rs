//! What o365flow promises, against real servers.

mod alerts;
mod api;
mod architecture;
mod assets;
mod buffer;
mod cli;
mod clinic;
mod config;
mod convert;
mod dead_letters;
mod demo;
mod detections;
mod docs;
mod doctor;
mod elasticsearch;
mod enrichment;
mod file_source;
mod kafka;
mod keystore;
mod kill;
mod language_page;
mod live;
mod lumberjack;
mod mapping_tools;
mod metrics;
mod office365;
mod options_table;
mod outage;
mod page;
mod permissions;
mod proxy;
mod reference;
mod reload;
mod replay;
mod report;
#[expect(dead_code, reason = "it serves other tests too")]
mod rig;
mod scene;
mod scope;
mod secrets;
mod secrets_backends;
mod secrets_commands;
#[expect(dead_code, reason = "they serve other tests too")]
mod services;
mod signals;
#[path = "../stage/mod.rs"]
mod stage;
mod subscriptions;
