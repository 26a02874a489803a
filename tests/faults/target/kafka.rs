//! A topic of Kafka.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

use super::{REQUEST, Resent, Settings, Target};
use crate::services::kafka::{Kafka, Listener};

/// Partitions of a topic, so that several requests are under way at the same time.
const PARTITIONS: i32 = 3;

/// A topic of its own on a broker.
pub(crate) struct Topic {
    pub(crate) broker: &'static Kafka,
    pub(crate) name: String,
    listener: Listener,
    settings: Settings,
    more: String,
    secrets: Vec<String>,
}

impl Topic {
    /// Reached by the broker's listener for a proxy, of which there is one: only one trial at a time can use it.
    pub(crate) async fn on(broker: &'static Kafka) -> Topic {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("o365-faults-{}-{number}", std::process::id());
        broker.create_topic(&name, PARTITIONS, &[]).await;
        Topic {
            broker,
            name,
            listener: Listener::Proxied,
            settings: Settings::default(),
            more: String::new(),
            secrets: vec![broker.password()],
        }
    }

    /// Reached by another listener.
    pub(crate) fn by(self, listener: Listener) -> Topic {
        Topic { listener, ..self }
    }

    /// With more lines in the sink's table.
    pub(crate) fn with(self, more: &str) -> Topic {
        Topic { more: more.to_owned(), ..self }
    }

    /// Sending more at once, or less.
    pub(crate) fn with_settings(self, settings: Settings) -> Topic {
        Topic { settings, ..self }
    }

    /// With one more thing that the log must not hold.
    pub(crate) fn with_secret(mut self, secret: &str) -> Topic {
        self.secrets.push(secret.to_owned());
        self
    }
}

impl Target for Topic {
    fn upstream(&self) -> String {
        match self.listener {
            Listener::Proxied => self.broker.upstream(),
            Listener::Plaintext | Listener::SaslSsl | Listener::Ssl => {
                self.broker.bootstrap(self.listener)
            }
        }
    }

    fn proxy_address(&self) -> Option<String> {
        matches!(self.listener, Listener::Proxied).then(|| self.broker.bootstrap(Listener::Proxied))
    }

    fn sink(&self, address: &str) -> String {
        format!(
            "type = \"kafka\"\nbootstrap_servers = \"{address}\"\ntopic = \"{}\"\n\
             batch.max_events = {}\nbatch.timeout = \"50ms\"\nrequest.concurrency = {}\n{REQUEST}{}",
            self.name, self.settings.batch_events, self.settings.concurrency, self.more
        )
    }

    async fn ids(&self) -> Vec<String> {
        let messages = self.broker.messages(&self.name);
        let id = |value: &[u8]| {
            let event: Value = serde_json::from_slice(value).expect("an event is JSON");
            event["event"]["id"].as_str().expect("an event has an id").to_owned()
        };
        messages.iter().map(|message| id(&message.value)).collect()
    }

    /// The broker knows what it has got from a producer before, which is one for each process.
    fn repeats_max(&self, resent: Resent) -> usize {
        match resent {
            Resent::InFlight(_times) => 0,
            Resent::Events(events) => events,
        }
    }

    fn secrets(&self) -> Vec<String> {
        self.secrets.clone()
    }
}
