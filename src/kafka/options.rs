//! Options passed through to librdkafka, under their own names.
//!
//! Invariant: none of them can take back what the components promise, load code, or hold what has an option here.

use std::collections::BTreeMap;

use pipeline_core::Problem;
use rdkafka::{ClientConfig, error::KafkaError};
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// What has an option of its own, by the names that librdkafka knows it under.
const HAS_OPTION: &[(&str, &str)] = &[
    ("bootstrap.servers", "bootstrap_servers"),
    ("metadata.broker.list", "bootstrap_servers"),
    ("security.protocol", "tls"),
    ("sasl.mechanism", "sasl"),
    ("sasl.mechanisms", "sasl"),
    ("sasl.username", "sasl"),
    ("sasl.password", "sasl"),
    ("ssl.ca.location", "tls"),
    ("ssl.ca.pem", "tls"),
    ("ssl.certificate.location", "tls"),
    ("ssl.key.location", "tls"),
    ("enable.ssl.certificate.verification", "tls"),
    ("ssl.endpoint.identification.algorithm", "tls"),
    ("statistics.interval.ms", "statistics_interval"),
];

/// What librdkafka must not be told otherwise, and why.
const FIXED: &[(&str, &str)] = &[
    ("plugin.library.paths", "it loads code"),
    ("ssl.engine.location", "it loads code"),
    ("ssl.providers", "it loads code"),
    ("sasl.kerberos.kinit.cmd", "it runs a command"),
    ("log.queue", "the program reads librdkafka's log itself"),
    ("enabled_events", "the program needs all of librdkafka's events"),
];

/// The table `librdkafka_options`. What it holds may be secret, and is never printed.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(with = "BTreeMap<String, String>")]
pub struct LibrdkafkaOptions(BTreeMap<String, SecretString>);

impl LibrdkafkaOptions {
    /// The value of an option, where it is set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(ExposeSecret::expose_secret)
    }

    /// Adds the options to `config`, in the place of what it says.
    pub fn apply(&self, config: &mut ClientConfig) {
        for (name, value) in &self.0 {
            config.set(name, value.expose_secret());
        }
    }

    /// What is wrong with the table. `has_option` and `fixed` are the component's own additions: options that it has
    /// itself, and what it must not be told otherwise, with the reason.
    pub fn problems(&self, has_option: &[(&str, &str)], fixed: &[(&str, &str)]) -> Vec<Problem> {
        let find = |lists: [&[(&str, &str)]; 2], name: &str| {
            let found = lists.concat().into_iter().find(|(known, _)| *known == name);
            found.map(|(_, of)| of.to_owned())
        };
        let mut problems = Vec::new();
        for (name, value) in &self.0 {
            let at = |message: String| {
                let mut problem = Problem::at("librdkafka_options", message);
                // The name holds dots, which are none between tables.
                problem.key.push(name.clone());
                problem
            };
            if let Some(option) = find([HAS_OPTION, has_option], name) {
                problems.push(
                    at(format!("`{name}` has an option of its own")).fix(format!("set `{option}`")),
                );
            } else if let Some(reason) = find([FIXED, fixed], name) {
                problems.push(at(format!("`{name}` can't be set: {reason}")).fix("remove it"));
            } else if let Err(message) = check(name, value) {
                problems.push(at(message));
            }
        }
        problems
    }
}

/// Asks librdkafka whether it takes the option; the answer never holds the value.
fn check(name: &str, value: &SecretString) -> Result<(), String> {
    let mut config = ClientConfig::new();
    config.set(name, value.expose_secret());
    match config.create_native_config() {
        Ok(_) => Ok(()),
        Err(KafkaError::ClientConfig(
            rdkafka::types::RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN,
            ..,
        )) => Err(format!("librdkafka has no option `{name}`")),
        Err(_) => Err(format!("librdkafka does not take this value for `{name}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(table: &str, expected: &[&str]) {
        let options: LibrdkafkaOptions = toml::from_str(table).expect("it parses");
        let problems = options.problems(&[("linger.ms", "batch")], &[("acks", "all must")]);
        let said: Vec<String> = problems
            .into_iter()
            .map(|problem| format!("{}: {}", problem.key.join("/"), problem.message))
            .collect();
        assert_eq!(said, expected);
        assert!(!format!("{options:?} {said:?}").contains("hush"), "a value was printed");
    }

    #[test]
    fn what_librdkafka_takes_is_passed_through() {
        check("\"socket.keepalive.enable\" = \"true\"\n\"ssl.key.password\" = \"hush\"", &[]);
    }

    #[test]
    fn what_it_does_not_know_or_must_not_be_told_is_a_problem() {
        check(
            "acks = \"0\"\n\"linger.ms\" = \"1\"\nnonsense = \"hush\"\n\
             \"sasl.password\" = \"hush\"\n\"socket.keepalive.enable\" = \"hush\"",
            &[
                "librdkafka_options/acks: `acks` can't be set: all must",
                "librdkafka_options/linger.ms: `linger.ms` has an option of its own",
                "librdkafka_options/nonsense: librdkafka has no option `nonsense`",
                "librdkafka_options/sasl.password: `sasl.password` has an option of its own",
                "librdkafka_options/socket.keepalive.enable: librdkafka does not take this value \
                 for `socket.keepalive.enable`",
            ],
        );
    }
}
