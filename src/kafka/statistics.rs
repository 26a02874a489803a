//! Librdkafka's statistics as metrics: a few numbers for the client, a few for each broker.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use metrics::{Counter, Gauge, counter, gauge};
use pipeline_core::ComponentMetrics;
use serde::Deserialize;
use tracing::debug;

/// Brokers that get metrics of their own. The largest clusters have more; a scrape must not.
const BROKERS_MAX: usize = 64;

const MICROSECONDS_PER_SECOND: f64 = 1e6;

/// The metrics of one component's client, over all clients that it has had.
pub struct StatisticsMetrics {
    labels: Vec<(&'static str, String)>,
    queue_messages: Gauge,
    queue_bytes: Gauge,
    totals: [Counter; 4],
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What the client had counted when it was last heard: requests, bytes out, responses, bytes in.
    counted: [u64; 4],
    brokers: HashMap<i32, BrokerMetrics>,
}

struct BrokerMetrics {
    round_trip: Gauge,
    totals: [Counter; 3],
    counted: [u64; 3],
}

/// The part of the statistics that is read; librdkafka's STATISTICS.md has all of it.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Statistics {
    msg_cnt: u64,
    msg_size: u64,
    tx: u64,
    tx_bytes: u64,
    rx: u64,
    rx_bytes: u64,
    brokers: HashMap<String, Broker>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Broker {
    nodeid: i32,
    connects: u64,
    disconnects: u64,
    txerrs: u64,
    rtt: Option<RoundTrip>,
}

#[derive(Deserialize)]
struct RoundTrip {
    /// In microseconds, over the last interval.
    avg: f64,
}

impl std::fmt::Debug for StatisticsMetrics {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("StatisticsMetrics")
            .field("labels", &self.labels)
            .finish_non_exhaustive()
    }
}

impl StatisticsMetrics {
    /// The handles, with the component's labels.
    pub fn new(metrics: &ComponentMetrics) -> StatisticsMetrics {
        let labels = metrics.labels().to_vec();
        StatisticsMetrics {
            queue_messages: gauge!("kafka_queue_messages", &labels),
            queue_bytes: gauge!("kafka_queue_messages_bytes", &labels),
            totals: [
                counter!("kafka_requests_total", &labels),
                counter!("kafka_requests_bytes_total", &labels),
                counter!("kafka_responses_total", &labels),
                counter!("kafka_responses_bytes_total", &labels),
            ],
            labels,
            state: Mutex::default(),
        }
    }

    /// Publishes what a client tells, as JSON.
    pub fn publish(&self, json: &[u8]) {
        let statistics: Statistics = match serde_json::from_slice(json) {
            Ok(statistics) => statistics,
            Err(error) => {
                debug!(%error, "the statistics of librdkafka cannot be read");
                return;
            }
        };
        self.queue_messages.set(to_f64(statistics.msg_cnt));
        self.queue_bytes.set(to_f64(statistics.msg_size));
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = [statistics.tx, statistics.tx_bytes, statistics.rx, statistics.rx_bytes];
        advance(&self.totals, &mut state.counted, now);
        for broker in statistics.brokers.into_values() {
            // A negative number is one of librdkafka's own: an address that it was given, or a group's coordinator.
            let is_known = state.brokers.contains_key(&broker.nodeid);
            if broker.nodeid < 0 || (!is_known && state.brokers.len() >= BROKERS_MAX) {
                continue;
            }
            state
                .brokers
                .entry(broker.nodeid)
                .or_insert_with(|| self.of_broker(broker.nodeid))
                .publish(&broker);
        }
    }

    fn of_broker(&self, id: i32) -> BrokerMetrics {
        let mut labels = self.labels.clone();
        labels.push(("broker_id", id.to_string()));
        BrokerMetrics {
            round_trip: gauge!("kafka_broker_round_trip_seconds", &labels),
            totals: [
                counter!("kafka_broker_connects_total", &labels),
                counter!("kafka_broker_disconnects_total", &labels),
                counter!("kafka_broker_send_errors_total", &labels),
            ],
            counted: [0; 3],
        }
    }
}

impl BrokerMetrics {
    fn publish(&mut self, broker: &Broker) {
        if let Some(round_trip) = &broker.rtt {
            self.round_trip.set(round_trip.avg / MICROSECONDS_PER_SECOND);
        }
        let now = [broker.connects, broker.disconnects, broker.txerrs];
        advance(&self.totals, &mut self.counted, now);
    }
}

/// Adds what was counted since the last time. A client that takes another's place counts from zero.
fn advance<const N: usize>(totals: &[Counter; N], counted: &mut [u64; N], now: [u64; N]) {
    for ((total, before), now) in totals.iter().zip(counted.iter_mut()).zip(now) {
        total.increment(now.checked_sub(*before).unwrap_or(now));
        *before = now;
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; a queue is far below 2^52")]
fn to_f64(count: u64) -> f64 {
    count as f64
}
