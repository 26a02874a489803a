//! What o365flow promises, against real servers.

mod elasticsearch;
mod services;
