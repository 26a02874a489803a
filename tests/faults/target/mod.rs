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

/// How sinks send here: little at once, and soon again, so that a trial takes seconds.
pub(crate) const REQUEST: &str = r#"
request.concurrency = 4
request.timeout = "2s"
request.retry_initial_backoff = "200ms"
request.retry_max_backoff = "500ms"
"#;

/// Events in flight at most, where a sink sends by [`REQUEST`] and `batch.max_events = 100`.
pub(crate) const IN_FLIGHT_MAX: usize = 4 * 100;
