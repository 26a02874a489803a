//! Buffers, their files and what damage does to them.

mod codec;
mod damage;
mod rig;
mod running;
mod store;
