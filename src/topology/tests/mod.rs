//! The running topology, with components that act by a script.

mod accounting;
mod buffers;
mod endings;
mod flow;
mod ledger;
mod ports;
mod reload;
mod reload_simulation;
mod rig;
mod script;
mod steps;
