//! Librdkafka's statistics as metrics: a few numbers for the client, a few for each broker.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};
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
        describe();
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

fn describe() {
    for (name, unit, text) in [
        ("kafka_queue_messages", Unit::Count, "Messages that librdkafka has not reported on yet."),
        ("kafka_queue_messages_bytes", Unit::Bytes, "Size of the messages not reported on yet."),
        (
            "kafka_broker_round_trip_seconds",
            Unit::Seconds,
            "How long a broker takes to answer, over the last interval of statistics.",
        ),
    ] {
        describe_gauge!(name, unit, text);
    }
    for (name, unit, text) in [
        ("kafka_requests_total", Unit::Count, "Requests to all brokers."),
        ("kafka_requests_bytes_total", Unit::Bytes, "Size of the requests to all brokers."),
        ("kafka_responses_total", Unit::Count, "Responses of all brokers."),
        ("kafka_responses_bytes_total", Unit::Bytes, "Size of the responses of all brokers."),
        ("kafka_broker_connects_total", Unit::Count, "Connections made to a broker."),
        ("kafka_broker_disconnects_total", Unit::Count, "Connections to a broker that ended."),
        ("kafka_broker_send_errors_total", Unit::Count, "Requests that could not be sent."),
    ] {
        describe_counter!(name, unit, text);
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use metrics_exporter_prometheus::PrometheusBuilder;
    use pipeline_core::{ComponentKind, testing::metrics};

    use super::*;

    /// What is scraped after `told`, without labels but those of brokers.
    fn scrape(told: &[&str]) -> BTreeMap<String, String> {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            let statistics = StatisticsMetrics::new(&metrics(ComponentKind::Sink, "kafka"));
            for json in told {
                statistics.publish(json.as_bytes());
            }
        });
        let value = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            let (name, labels) = name.split_once('{')?;
            let broker = labels.split("broker_id=").nth(1).unwrap_or_default();
            Some((format!("{name}{}", broker.trim_end_matches('}')), value.to_owned()))
        };
        let text = handle.render();
        text.lines().filter(|line| !line.starts_with('#')).filter_map(value).collect()
    }

    #[test]
    fn counters_go_on_where_another_client_takes_over() {
        let scraped = scrape(&[
            r#"{"msg_cnt":7,"msg_size":70,"tx":5,"tx_bytes":50,"brokers":{"a":{"nodeid":1,"connects":2,"rtt":{"avg":1500}},"b":{"nodeid":-1,"connects":9}}}"#,
            r#"{"msg_cnt":1,"tx":8,"brokers":{"a":{"nodeid":1,"connects":3}}}"#,
            r#"{"tx":2}"#,
            "no JSON",
        ]);
        let value = |name: &str| scraped.get(name).map(String::as_str);
        assert_eq!(value("kafka_requests_total"), Some("10"), "{scraped:?}");
        assert_eq!(value("kafka_queue_messages"), Some("0"));
        assert_eq!(value("kafka_broker_connects_total\"1\""), Some("3"));
        assert_eq!(value("kafka_broker_round_trip_seconds\"1\""), Some("0.0015"));
        assert!(!scraped.keys().any(|name| name.contains("\"-1\"")), "{scraped:?}");
    }

    #[test]
    fn brokers_with_metrics_of_their_own_are_few() {
        let brokers: Vec<String> =
            (0..200).map(|id| format!(r#""b{id}":{{"nodeid":{id},"connects":1}}"#)).collect();
        let scraped = scrape(&[&format!(r#"{{"brokers":{{{}}}}}"#, brokers.join(","))]);
        let connects = "kafka_broker_connects_total";
        assert_eq!(scraped.keys().filter(|name| name.starts_with(connects)).count(), BROKERS_MAX);
    }
}
