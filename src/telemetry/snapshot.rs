//! The metrics as numbers, for the summary and the progress line. Read back from what a scrape would show, so that
//! both always say the same.

/// All samples of one scrape.
#[derive(Clone, Debug, Default)]
pub struct Snapshot(Vec<Sample>);

#[derive(Clone, Debug)]
struct Sample {
    name: String,
    /// The text between the braces.
    labels: String,
    value: f64,
}

impl Snapshot {
    /// Reads Prometheus' text format. Lines that are no samples are passed over.
    pub(super) fn parse(text: &str) -> Snapshot {
        let sample = |line: &str| {
            let (series, value) = line.rsplit_once(' ')?;
            let (name, labels) = match series.split_once('{') {
                Some((name, labels)) => (name, labels.trim_end_matches('}')),
                None => (series, ""),
            };
            Some(Sample {
                name: name.to_owned(),
                labels: labels.to_owned(),
                value: value.parse().ok()?,
            })
        };
        Snapshot(text.lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect())
    }

    /// The sum over all series of `name` that have every one of `labels`.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let has = |sample: &Sample, (key, value): &(&str, &str)| {
            sample.labels.contains(&format!("{key}=\"{value}\""))
        };
        let of_name = self.0.iter().filter(|sample| sample.name == name);
        let chosen = of_name.filter(|sample| labels.iter().all(|label| has(sample, label)));
        as_count(chosen.map(|sample| sample.value).sum())
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counters are whole and not negative"
)]
fn as_count(value: f64) -> u64 {
    value.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_added_up_by_label() {
        let text = "# TYPE a_total counter\na_total{state=\"x\",t=\"1\"} 3\na_total{state=\"y\",t=\"1\"} 4\n\nb 5\n";
        let snapshot = Snapshot::parse(text);
        assert_eq!(snapshot.sum("a_total", &[]), 7);
        assert_eq!(snapshot.sum("a_total", &[("state", "y"), ("t", "1")]), 4);
        assert_eq!(snapshot.sum("b", &[]), 5);
        assert_eq!(snapshot.sum("c", &[]), 0);
    }
}
