//! o365flow: Office 365 audit logs out of the Management Activity API, through a typed graph of VRL programs, into
//! Elasticsearch and other sinks, with nothing lost.

pub mod api;
pub mod buffer;
pub mod cli;
pub mod components;
pub mod config;
pub mod convert;
pub mod delivery;
pub mod fields;
pub mod kafka;
pub mod keystore;
pub mod live;
pub mod program;
pub mod sinks;
pub mod sources;
pub mod storage;
pub mod telemetry;
pub mod topology;
pub mod transforms;
