//! The rules of the service, each asked through [`crate::FakeTenants::handle`].

mod assertion;
mod client;
mod content;
mod listing;
mod sign_in;
mod socket;
mod subscriptions;
