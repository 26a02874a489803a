//! o365flow: Office 365 audit logs out of the Management Activity API, through a typed graph of VRL programs, into
//! Elasticsearch and other sinks, with nothing lost.

pub mod config;
pub mod sources;
