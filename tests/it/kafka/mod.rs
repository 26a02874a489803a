//! The sink and the source `kafka` against real brokers.
#![expect(clippy::print_stdout, reason = "figures for people")]

mod failures;
mod rig;
mod security;
mod sink;
mod source;
mod split;
