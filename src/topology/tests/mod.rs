//! The running topology, with components that act by a script.

mod accounting;
mod buffers;
mod endings;
mod flow;
mod ports;
mod rig;
mod script;
mod steps;
