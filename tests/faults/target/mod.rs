//! The real servers that trials deliver to.

mod elasticsearch;

pub(crate) use elasticsearch::Index;

/// A server with a place of its own for one trial: an index, a topic.
pub(crate) trait Target {
    /// Where it listens, as `host:port`.
    fn upstream(&self) -> String;

    /// The sink's table under the heading `[sinks.out]`, without `inputs`; `address` is where the proxy listens.
    fn sink(&self, address: &str) -> String;

    /// The id of every event that it holds, repeats included.
    async fn ids(&self) -> Vec<String>;

    /// How many events may be there twice when, `times` times, all that was in flight was sent again.
    fn repeats_max(&self, times: usize) -> usize;

    /// What the log must not hold.
    fn secrets(&self) -> Vec<String>;
}

/// How sinks send here, beside [`Settings`]: soon again, so that a trial takes seconds.
pub(crate) const REQUEST: &str = r#"
request.timeout = "2s"
request.retry_initial_backoff = "200ms"
request.retry_max_backoff = "500ms"
"#;

/// How much a sink sends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Events in a request.
    pub(crate) batch_events: usize,
    /// Requests under way at the same time.
    pub(crate) concurrency: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { batch_events: 100, concurrency: 4 }
    }
}
