//! The transforms. Each takes batches and lets events out by its ports, and keeps nothing between two batches.

pub mod remap;
