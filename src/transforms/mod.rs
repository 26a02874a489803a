//! The transforms. Each takes batches and lets events out by its ports. What one keeps between two batches is bounded,
//! and shared by its workers, for the batches of one source pass several of them side by side.

pub mod dedupe;
mod dropping;
pub mod filter;
mod fingerprint;
pub mod remap;
pub mod route;
pub mod sample;
pub mod throttle;

#[cfg(test)]
mod testing;
