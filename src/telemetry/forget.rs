//! Gauges of a component that is gone. The exporter cannot delete a series, and one that nobody sets any more would look
//! alive; one without a value is left out of a scrape.

use std::collections::BTreeSet;

use metrics::{Label, gauge};

use super::snapshot::Snapshot;

/// Takes the value from every gauge in `scrape` that has the label `component_id` with this value.
pub(super) fn forget(scrape: &str, component_id: &str) {
    let gauge_of =
        |line: &str| Some(line.strip_prefix("# TYPE ")?.strip_suffix(" gauge")?.to_owned());
    let gauges: BTreeSet<String> = scrape.lines().filter_map(gauge_of).collect();
    for sample in Snapshot::parse(scrape).samples() {
        if gauges.contains(&sample.name)
            && sample.label("component_id").as_deref() == Some(component_id)
        {
            let labels = sample.labels().map(|(name, value)| Label::new(name.to_owned(), value));
            gauge!(sample.name.clone(), labels.collect::<Vec<Label>>()).set(f64::NAN);
        }
    }
}

#[cfg(test)]
mod tests {
    use metrics::counter;
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn only_the_gauges_of_the_component_lose_their_value() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            let labels = [("component_id", "out"), ("tenant", "a \"b\", c\\d=\n")];
            gauge!("buffer_size_events", &labels).set(3.0);
            gauge!("buffer_size_events", "component_id" => "other").set(3.0);
            counter!("component_sent_events_total", &labels).increment(2);
            gauge!("uptime_seconds").set(1.0);
            forget(&handle.render(), "out");
        });
        let scrape = handle.render();
        let waiting: Vec<&str> =
            scrape.lines().filter(|line| line.starts_with("buffer_size_events{")).collect();
        assert_eq!(waiting.len(), 2, "{scrape}");
        assert!(
            waiting.iter().any(|line| line.contains("out") && line.ends_with(" NaN")),
            "{scrape}"
        );
        assert!(waiting.contains(&"buffer_size_events{component_id=\"other\"} 3"), "{scrape}");
        assert!(scrape.contains("} 2") && scrape.contains("uptime_seconds 1"), "{scrape}");
    }
}
