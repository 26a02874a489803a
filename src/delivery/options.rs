//! The tables `batch` and `request` of the sinks that speak to a server.

use std::{num::NonZeroUsize, time::Duration};

use pipeline_core::Problem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    AimdSettings, BackoffSettings, BatchSettings, Concurrency, ConcurrencyOption, DeliverySettings,
    Rate,
};
use crate::config::units;

const NO_PAUSE: &str = "a server that fails would be asked again without a pause";

/// When a request is full.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BatchConfig {
    /// Events in a request.
    pub max_events: NonZeroUsize,
    /// Bytes of a request before compression. Keep it under what the server takes.
    #[serde(with = "units::byte_size")]
    pub max_bytes: usize,
    /// How long the first event of a request waits for others.
    #[serde(with = "units::duration")]
    pub timeout: Duration,
}

/// How requests are made and repeated.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RequestConfig {
    /// Requests under way at the same time: a number, or `"adaptive"` for as many as the server bears. With 1, events keep
    /// their order.
    pub concurrency: ConcurrencyOption,
    /// How `concurrency = "adaptive"` finds its number.
    pub adaptive_concurrency: AdaptiveConfig,
    /// Requests that may go in a time, those that are repeated included, as `"10/s"`, `"300/m"` or `"5000/h"`. Without it
    /// they go as they come.
    pub rate_limit: Option<Rate>,
    /// How long an answer may take. What was sent is then sent again.
    #[serde(with = "units::duration")]
    pub timeout: Duration,
    /// The wait after a first failure. It doubles from there.
    #[serde(with = "units::duration")]
    pub retry_initial_backoff: Duration,
    /// The longest wait between two attempts. There is no last one.
    #[serde(with = "units::duration")]
    pub retry_max_backoff: Duration,
}

/// How the number of requests under way follows what the server bears.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AdaptiveConfig {
    /// Requests under way at the start.
    pub initial_concurrency: NonZeroUsize,
    /// Requests under way at most. Each holds its events in memory.
    pub max_concurrency_limit: NonZeroUsize,
    /// What remains of the number when the server has too much to do; above 0 and below 1.
    #[serde(with = "units::fraction")]
    pub decrease_ratio: f64,
}

impl Default for BatchConfig {
    fn default() -> Self {
        BatchConfig {
            max_events: NonZeroUsize::new(2000).expect("it is not zero"),
            max_bytes: 8 * 1000 * 1000,
            timeout: Duration::from_secs(1),
        }
    }
}

impl Default for RequestConfig {
    fn default() -> Self {
        let backoff = BackoffSettings::default();
        RequestConfig {
            concurrency: ConcurrencyOption::Fixed(NonZeroUsize::new(4).expect("it is not zero")),
            adaptive_concurrency: AdaptiveConfig::default(),
            rate_limit: None,
            timeout: Duration::from_mins(1),
            retry_initial_backoff: backoff.initial,
            retry_max_backoff: backoff.max,
        }
    }
}

impl Default for AdaptiveConfig {
    fn default() -> Self {
        AdaptiveConfig {
            initial_concurrency: NonZeroUsize::new(2).expect("it is not zero"),
            max_concurrency_limit: NonZeroUsize::new(16).expect("it is not zero"),
            decrease_ratio: 0.8,
        }
    }
}

impl RequestConfig {
    /// Times in which nothing can be done, or which would let a server that fails be asked without a pause.
    pub fn problems(&self) -> Vec<Problem> {
        let times = [
            ("request.timeout", self.timeout, "nothing is done in no time"),
            ("request.retry_initial_backoff", self.retry_initial_backoff, NO_PAUSE),
            ("request.retry_max_backoff", self.retry_max_backoff, NO_PAUSE),
        ];
        let zero = times.into_iter().filter(|(_, time, _)| time.is_zero());
        zero.map(|(key, _, message)| Problem::at(key, message)).collect()
    }

    /// How many requests may be under way.
    pub fn concurrency(&self) -> Concurrency {
        let adaptive = &self.adaptive_concurrency;
        match self.concurrency {
            ConcurrencyOption::Fixed(limit) => Concurrency::Fixed(limit),
            ConcurrencyOption::Adaptive => Concurrency::Adaptive(AimdSettings {
                initial: adaptive.initial_concurrency,
                max: adaptive.max_concurrency_limit,
                decrease_ratio: adaptive.decrease_ratio,
            }),
        }
    }
}

impl DeliverySettings {
    /// What the two tables say of delivery.
    pub fn new(batch: &BatchConfig, request: &RequestConfig) -> DeliverySettings {
        DeliverySettings {
            batch: BatchSettings {
                events_max: batch.max_events,
                bytes_max: batch.max_bytes,
                timeout: batch.timeout,
            },
            concurrency: request.concurrency(),
            rate_limit: request.rate_limit,
            backoff: BackoffSettings {
                initial: request.retry_initial_backoff,
                max: request.retry_max_backoff,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_fails_is_never_asked_without_a_pause() {
        let check = |table: &str, expected: &[&str]| {
            let config: RequestConfig = toml::from_str(table).expect("it parses");
            let keys: Vec<String> =
                config.problems().into_iter().map(|problem| problem.key.join(".")).collect();
            assert_eq!(keys, expected, "{table}");
        };
        check("", &[]);
        check("timeout = \"0s\"", &["request.timeout"]);
        check("retry_initial_backoff = \"0s\"", &["request.retry_initial_backoff"]);
        check("retry_max_backoff = \"0s\"", &["request.retry_max_backoff"]);
    }
}
