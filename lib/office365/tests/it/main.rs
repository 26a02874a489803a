//! What the client promises, against a scripted API behind its transport.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod aadsts_table;
mod certificates;
mod entra;
mod federation;
mod openssl_tool;
mod operations;
mod records;
mod rotation;
mod script;
mod secrets;
mod sign_in;
mod wire;
