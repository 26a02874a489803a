//! Where events leave the topology. Each sink is a file or folder of its own and knows no other.

pub mod blackhole;
pub mod console;
pub mod elasticsearch;
pub mod file;
pub mod kafka;
pub mod lumberjack;

#[cfg(test)]
mod testing;
