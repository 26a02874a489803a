//! What becomes of events while a sink's server, or the way to it, fails: for each sink the real program, a real server,
//! and a proxy that misbehaves between the two.
//!
//! Every case ends the same way: each event has arrived, none is a dead letter, what arrived twice was in flight when
//! something broke, and the log holds no secret.

mod elasticsearch;
mod fault;
mod kafka;
mod lumberjack;
#[path = "../it/rig.rs"]
#[expect(dead_code, reason = "it serves other tests too")]
mod rig;
#[path = "../it/services/mod.rs"]
#[expect(dead_code, unused_imports, reason = "they serve other tests too")]
mod services;
#[expect(dead_code, reason = "they serve the soak too")]
mod target;
mod toxiproxy;
mod trial;
