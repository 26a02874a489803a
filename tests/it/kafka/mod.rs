//! The sink and the source `kafka` against real brokers.

mod rig;
mod security;
mod sink;
