//! The source `file`: audit records that lie in files. NDJSON, JSON arrays, and the CSV exports of
//! `Search-UnifiedAuditLog` and of the portal, whose column `AuditData` is the record; packed with gzip or not, in UTF-8
//! or UTF-16.
//!
//! How it works: [`watch`] finds the files, [`reader`] cuts a chunk of records from one, [`deliver`] sends it and waits
//! until each record is delivered or a dead letter, and only then does [`checkpoints`] move.
//!
//! Invariants:
//! - What a checkpoint covers was delivered, filtered on purpose, or is a dead letter on disk. A kill repeats at most what
//!   was on its way.
//! - A checkpoint is used only for a file that has the same start, and the same text before the place to go on at
//!   ([`identity`]): a file that was replaced or cut short is read from its start.
//! - Memory is bounded by `max_in_flight_bytes` and `record_bytes_max`, however large files are.
//!
//! What it does not do: remove or change files, or read what a program has written to a file that is gone.

mod checkpoints;
mod config;
mod content;
mod deliver;
mod identity;
mod lines;
mod progress;
mod read_error;
mod reader;
mod source;
mod text;
mod tracked;
mod watch;

pub use config::{Config, Format, Mode, Schema};

#[cfg(test)]
mod tests;
