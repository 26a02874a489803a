//! Where events come from. Each source is one folder; none knows another. What they share of the records is in `record`.

pub mod file;
pub mod kafka;
pub mod office365;
mod record;
