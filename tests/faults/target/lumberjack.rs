//! A Lumberjack receiver.

use std::path::{Path, PathBuf};

use super::{REQUEST, Resent, Settings, Target};
use crate::services::lumberjack::{Lumberjack, Security};

/// A receiver of its own.
pub(crate) struct Receiver {
    pub(crate) server: Lumberjack,
    settings: Settings,
    more: String,
}

impl Receiver {
    /// Without TLS; `switches` are those of the receiver, as `-never-ack`.
    pub(crate) fn start(switches: &[&str]) -> Receiver {
        Receiver::from(Lumberjack::start(Security::Plain, switches))
    }

    /// With TLS.
    pub(crate) fn secure(security: Security) -> Receiver {
        let server = Lumberjack::start(security, &[]);
        let ca = server.file("ca.crt");
        Receiver::from(server).trusting(&ca)
    }

    /// With an authority that the sink trusts.
    pub(crate) fn trusting(self, ca: &Path) -> Receiver {
        Receiver {
            more: format!("tls.enabled = true\ntls.ca_file = \"{}\"\n", ca.display()),
            ..self
        }
    }

    fn from(server: Lumberjack) -> Receiver {
        Receiver { server, settings: Settings::default(), more: String::new() }
    }

    /// Sending more at once, or less.
    pub(crate) fn with_settings(self, settings: Settings) -> Receiver {
        Receiver { settings, ..self }
    }

    /// A file of the certificates that a secure receiver's start makes.
    pub(crate) fn certificate(&self, name: &str) -> PathBuf {
        self.server.file("certificates").join(name)
    }
}

impl Target for Receiver {
    fn upstream(&self) -> String {
        self.server.address.clone()
    }

    fn sink(&self, address: &str) -> String {
        format!(
            "type = \"lumberjack\"\nhosts = [\"{address}\"]\n\
             batch.max_events = {}\nbatch.timeout = \"50ms\"\nrequest.concurrency = {}\n{REQUEST}{}",
            self.settings.batch_events, self.settings.concurrency, self.more
        )
    }

    async fn ids(&self) -> Vec<String> {
        let repeated = |(id, times)| std::iter::repeat_n(id, times);
        self.server.arrivals().into_iter().flat_map(repeated).collect()
    }

    /// A receiver knows nothing of what it has got before.
    fn repeats_max(&self, resent: Resent) -> usize {
        match resent {
            Resent::InFlight(times) => times * self.settings.in_flight_max(),
            Resent::Events(events) => events,
        }
    }

    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }
}
