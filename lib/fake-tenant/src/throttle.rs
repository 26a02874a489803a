//! How many requests a publisher may make: one token bucket for each tenant and publisher, full at first.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

#[derive(Debug, Default)]
pub(crate) struct Buckets(HashMap<(String, String), Bucket>);

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: DateTime<Utc>,
}

impl Buckets {
    /// Takes one request from the budget; `false` when it is used up.
    pub(crate) fn take(
        &mut self,
        tenant: &str,
        publisher: &str,
        per_minute: u32,
        now: DateTime<Utc>,
    ) -> bool {
        let capacity = f64::from(per_minute);
        let key = (tenant.to_owned(), publisher.to_owned());
        let bucket = self.0.entry(key).or_insert(Bucket { tokens: capacity, filled: now });
        let passed = (now - bucket.filled).as_seconds_f64().max(0.0);
        bucket.tokens = (bucket.tokens + passed * capacity / 60.0).min(capacity);
        bucket.filled = now;
        if bucket.tokens < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }
}
