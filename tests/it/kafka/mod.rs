//! The sink and the source `kafka` against real brokers.

mod failures;
mod rig;
mod security;
mod sink;
mod source;
mod split;
