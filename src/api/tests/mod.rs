//! The API on real sockets, with all of its guards.

mod abuse;
mod guards;
mod rig;
mod sessions;
mod tls;
mod watching;
