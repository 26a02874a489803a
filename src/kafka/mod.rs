//! What the sink and the source `kafka` share: how to reach a cluster, by librdkafka.
//!
//! Invariants: a password is in a [`secrecy::SecretString`] or in the settings handed to librdkafka, which are never
//! printed; an option passed through can't take back what the components promise; nothing that librdkafka says is lost,
//! nor repeated endlessly.
//!
//! It produces and consumes nothing.

mod complaints;
mod listener;
mod options;
mod probe;
mod security;
mod servers;
mod statistics;

pub use complaints::Complaints;
pub use listener::Listener;
pub use options::LibrdkafkaOptions;
pub use probe::{Asked, probe, unusable, without_values};
pub use security::{Mechanism, Sasl, SecurityError, client, secure, warn_of_risks};
pub use servers::servers_problem;
pub use statistics::StatisticsMetrics;
