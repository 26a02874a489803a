//! What surrounds the program where it is kept running: service managers, packages, containers, what is generated from
//! its own types.

mod exit_codes;
mod generated;
mod manager;
mod manifests;
mod package;
#[path = "../it/reference.rs"]
#[expect(dead_code, reason = "it serves other tests too")]
mod reference;
#[path = "../it/rig.rs"]
#[expect(dead_code, reason = "it serves other tests too")]
mod rig;
mod schema;
#[path = "../it/services/mod.rs"]
#[expect(dead_code, unused_imports, reason = "they serve other tests too")]
mod services;
