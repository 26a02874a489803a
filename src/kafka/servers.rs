//! The addresses under which a cluster is found first.
//!
//! Invariant: no address that is taken can hold a password: librdkafka repeats addresses in its log and errors.

use std::net::Ipv6Addr;

use pipeline_core::Problem;

/// What is wrong with the option `bootstrap_servers`.
pub fn servers_problem(servers: &str) -> Option<Problem> {
    let mut named =
        servers.split(',').map(str::trim).filter(|server| !server.is_empty()).peekable();
    let (message, fix) = if named.peek().is_none() {
        ("no broker is given", "add bootstrap_servers = \"host:9092\"")
    } else if named.all(is_server) {
        return None;
    } else {
        // The text is not repeated: it may hold a password.
        (
            "a broker is not like \"host:9092\" or \"[::1]:9092\": it has no scheme, user or path",
            "give host and port alone; `sasl` says who to be, `tls` whether to encrypt",
        )
    };
    Some(Problem::at("bootstrap_servers", message).fix(fix))
}

/// Whether this is a name or an address, with or without a port.
fn is_server(text: &str) -> bool {
    let (is_host, port) = if let Some(rest) = text.strip_prefix('[') {
        let Some((host, rest)) = rest.split_once(']') else { return false };
        let port = rest.strip_prefix(':');
        (host.parse::<Ipv6Addr>().is_ok() && (port.is_some() || rest.is_empty()), port)
    } else {
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        };
        let is_plain = |one: char| one.is_ascii_alphanumeric() || matches!(one, '.' | '-' | '_');
        (!host.is_empty() && host.chars().all(is_plain), port)
    };
    // Librdkafka takes a port that is too large for another one.
    is_host && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports_are_taken_and_nothing_else() {
        for servers in ["k:9092", "k", "10.0.0.1:9092, kafka_b.example:1,", "[::1]:9092", "[::1]"] {
            assert!(servers_problem(servers).is_none(), "{servers}");
        }
        for servers in [
            "",
            " , ",
            "k:",
            "k:0",
            "k:99999",
            ":9092",
            "[::1",
            "[k]:1",
            "[::1]9",
            "ssl://k:9092",
            "k:9092,user:hush@k:9092",
            "http://user:hush@k",
            "k/hush",
            "k hush",
        ] {
            let problem = servers_problem(servers).expect(servers);
            assert!(!format!("{problem:?}").contains("hush"), "{problem:?}");
        }
    }
}
