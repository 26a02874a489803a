//! Where events come from. Each source is one folder; none knows another.

pub mod office365;
