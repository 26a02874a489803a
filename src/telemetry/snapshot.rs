//! The metrics as numbers, for the summary and the progress line. Read back from what a scrape would show, so that
//! both always say the same.

/// All samples of one scrape.
#[derive(Clone, Debug, Default)]
pub struct Snapshot(Vec<Sample>);

/// One number of a scrape.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The metric's name.
    pub name: String,
    /// The text between the braces.
    labels: String,
    /// The number.
    pub value: f64,
}

impl Sample {
    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<String> {
        self.labels().find_map(|(key, value)| (key == name).then_some(value))
    }

    /// Names and values of the labels. In the text a value has `\\`, `\"` and `\n` for what it cannot hold.
    pub(super) fn labels(&self) -> impl Iterator<Item = (&str, String)> {
        let mut rest = self.labels.as_str();
        std::iter::from_fn(move || {
            let (name, text) = rest.split_once("=\"")?;
            let mut value = String::new();
            let mut letters = text.char_indices();
            let end = loop {
                match letters.next()? {
                    (at, '"') => break at,
                    (_, '\\') => match letters.next()?.1 {
                        'n' => value.push('\n'),
                        letter => value.push(letter),
                    },
                    (_, letter) => value.push(letter),
                }
            };
            rest = text.get(end + 1..)?.trim_start_matches(',');
            Some((name, value))
        })
    }
}

impl Snapshot {
    /// Reads Prometheus' text format. Lines that are no samples are passed over.
    pub(super) fn parse(text: &str) -> Snapshot {
        let sample = |line: &str| {
            let (series, value) = line.rsplit_once(' ')?;
            let (name, labels) = match series.split_once('{') {
                Some((name, labels)) => (name, labels.strip_suffix('}')?),
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

    /// All of them.
    pub fn samples(&self) -> impl Iterator<Item = &Sample> {
        self.0.iter()
    }

    /// The sum over all series of `name` that have every one of `labels`.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let has = |sample: &Sample, (name, value): &(&str, &str)| {
            sample.label(name).as_deref() == Some(value)
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
    fn labels_are_read_as_they_were_given() {
        let snapshot = Snapshot::parse(r#"a{t="x",u="a \"b\" = {c}, d\n\\"} 3"#);
        let sample = snapshot.samples().next().unwrap();
        assert_eq!(sample.label("t").as_deref(), Some("x"));
        assert_eq!(sample.label("u").as_deref(), Some("a \"b\" = {c}, d\n\\"));
        assert_eq!(sample.label("v"), None);
    }

    #[test]
    fn series_are_added_up_by_label() {
        let text = "# TYPE a_total counter\na_total{state=\"x\",t=\"1\"} 3\na_total{state=\"y\",t=\"1\"} 4\n\nb 5\n";
        let snapshot = Snapshot::parse(text);
        assert_eq!(snapshot.sum("a_total", &[]), 7);
        assert_eq!(snapshot.sum("a_total", &[("state", "y"), ("t", "1")]), 4);
        assert_eq!(snapshot.sum("a_total", &[("te", "y")]), 0, "the end of a name is no name");
        assert_eq!(snapshot.sum("b", &[]), 5);
        assert_eq!(snapshot.sum("c", &[]), 0);
    }
}
