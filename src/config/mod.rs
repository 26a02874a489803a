//! From TOML to a checked topology. Every mistake is reported at once, each at its line.

pub mod units;
