//! Where events can be watched as they pass.

/// The taps of a topology.
#[derive(Clone, Debug, Default)]
pub struct Taps {}
