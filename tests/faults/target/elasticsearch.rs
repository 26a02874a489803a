//! An index of Elasticsearch.

use std::sync::atomic::{AtomicU32, Ordering};

use super::{REQUEST, Resent, Settings, Target};
use crate::{rig::ids_in, services::Elasticsearch};

/// An index of its own on a server.
pub(crate) struct Index<'a> {
    pub(crate) server: &'a Elasticsearch,
    pub(crate) name: String,
    settings: Settings,
    more: String,
    secrets: Vec<String>,
}

impl<'a> Index<'a> {
    pub(crate) async fn on(server: &'a Elasticsearch) -> Index<'a> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("o365-faults-{}-{number}", std::process::id());
        server.create_index(&name).await;
        let secrets = server.credentials.iter().map(|(_, password)| password.clone()).collect();
        Index { server, name, settings: Settings::default(), more: String::new(), secrets }
    }

    /// With more lines in the sink's table.
    pub(crate) fn with(self, more: &str) -> Index<'a> {
        Index { more: more.to_owned(), ..self }
    }

    /// Sending more at once, or less.
    pub(crate) fn with_settings(self, settings: Settings) -> Index<'a> {
        Index { settings, ..self }
    }

    /// With one more thing that the log must not hold.
    pub(crate) fn with_secret(mut self, secret: &str) -> Index<'a> {
        self.secrets.push(secret.to_owned());
        self
    }
}

impl Target for Index<'_> {
    fn upstream(&self) -> String {
        let (_, address) = self.server.url.split_once("://").expect("a URL has a scheme");
        address.to_owned()
    }

    fn sink(&self, address: &str) -> String {
        let (scheme, _) = self.server.url.split_once("://").expect("a URL has a scheme");
        format!(
            "type = \"elasticsearch\"\nendpoints = [\"{scheme}://{address}\"]\nmode = \"bulk\"\n\
             bulk = {{ index = \"{}\", action = \"create\" }}\nid_field = \"event.id\"\n\
             batch.max_events = {}\nbatch.timeout = \"50ms\"\n\
             request.concurrency = {}\n{REQUEST}{}",
            self.name, self.settings.batch_events, self.settings.concurrency, self.more
        )
    }

    async fn ids(&self) -> Vec<String> {
        ids_in(self.server, &self.name).await
    }

    /// The id of an event is that of its document.
    fn repeats_max(&self, _resent: Resent) -> usize {
        0
    }

    fn secrets(&self) -> Vec<String> {
        self.secrets.clone()
    }
}
