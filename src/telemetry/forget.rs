//! Gauges of a component that is gone. The exporter cannot delete a series, and one that nobody sets any more would look
//! alive; one without a value is left out of a scrape.

use std::collections::BTreeSet;

use metrics::{Label, gauge};

/// Takes the value from every gauge in `scrape` that has the label `component_id` with this value.
pub(super) fn forget(scrape: &str, component_id: &str) {
    let is_gauge =
        |line: &str| Some(line.strip_prefix("# TYPE ")?.strip_suffix(" gauge")?.to_owned());
    let gauges: BTreeSet<String> = scrape.lines().filter_map(is_gauge).collect();
    for line in scrape.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, rest)) = line.split_once('{') else { continue };
        let Some((labels, _)) = rest.rsplit_once('}') else { continue };
        let labels = labels_in(labels);
        let is_its = |label: &Label| label.key() == "component_id" && label.value() == component_id;
        if gauges.contains(name) && labels.iter().any(is_its) {
            gauge!(name.to_owned(), labels).set(f64::NAN);
        }
    }
}

/// The labels in `key="value",…`, in which a value has `\\`, `\"` and `\n` for what it can't hold.
fn labels_in(mut text: &str) -> Vec<Label> {
    let mut labels = Vec::new();
    while let Some((key, rest)) = text.split_once("=\"") {
        let mut value = String::new();
        let mut characters = rest.char_indices();
        let end = loop {
            match characters.next() {
                Some((_, '\\')) => match characters.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, escaped)) => value.push(escaped),
                    None => break rest.len(),
                },
                Some((at, '"')) => break at + 1,
                Some((_, character)) => value.push(character),
                None => break rest.len(),
            }
        };
        labels.push(Label::new(key.trim_start_matches(',').to_owned(), value));
        text = &rest[end..];
    }
    labels
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
