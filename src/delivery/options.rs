//! The tables `batch` and `request` of the sinks that speak to a server.

use std::{num::NonZeroUsize, time::Duration};

use serde::{Deserialize, Serialize};

use super::{BackoffSettings, BatchSettings, DeliverySettings};
use crate::config::units;

/// When a request is full.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RequestConfig {
    /// Requests under way at the same time.
    pub concurrency: NonZeroUsize,
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
            concurrency: NonZeroUsize::new(4).expect("it is not zero"),
            timeout: Duration::from_mins(1),
            retry_initial_backoff: backoff.initial,
            retry_max_backoff: backoff.max,
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
            concurrency: request.concurrency,
            backoff: BackoffSettings {
                initial: request.retry_initial_backoff,
                max: request.retry_max_backoff,
            },
        }
    }
}
