//! The hosts that no proxy is used for, as a `no_proxy` list names them.
//!
//! Names are compared as text and never resolved: an address in the list covers requests to that address, not to names
//! that lead to it.

use std::net::IpAddr;
use std::str::FromStr;

/// A list of hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DirectHosts(Vec<Entry>);

/// Why an entry names no host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{entry}` is not a host, `.domain`, IP address, network such as `10.0.0.0/8`, or `*`, with or without a port"
)]
pub struct DirectHostsError {
    entry: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    host: Host,
    /// Any, where none is given.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Any,
    /// The name, in lower case, and all names below it.
    Domain(String),
    Network {
        address: IpAddr,
        /// How many of the leading bits count.
        bits: u32,
    },
}

impl DirectHosts {
    /// Reads entries such as `example.com`, `.example.com` and `*.example.com`, which all mean the name and those below
    /// it, `10.1.2.3`, `10.0.0.0/8`, `::1`, `host:8080`, `[::1]:8080`, and `*` for everything.
    pub fn new<'a>(
        entries: impl IntoIterator<Item = &'a str>,
    ) -> Result<DirectHosts, DirectHostsError> {
        entries.into_iter().map(str::parse).collect::<Result<_, _>>().map(DirectHosts)
    }

    /// Takes the entries of the other list as well.
    #[must_use]
    pub fn and(mut self, other: DirectHosts) -> DirectHosts {
        self.0.extend(other.0);
        self
    }

    /// Whether the host of a URL, with this port, is reached directly. This machine and its neighbours always are.
    pub(super) fn has(&self, host: &str, port: u16) -> bool {
        let host = host.to_ascii_lowercase();
        let bare = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
        let address: Option<IpAddr> = bare.parse().ok();
        if bare == "localhost" || address.is_some_and(is_local) {
            return true;
        }
        let is_port = |entry: &Entry| entry.port.is_none_or(|wanted| wanted == port);
        self.0.iter().any(|entry| is_port(entry) && entry.host.covers(bare, address))
    }
}

impl Host {
    fn covers(&self, name: &str, asked: Option<IpAddr>) -> bool {
        match self {
            Host::Any => true,
            Host::Domain(domain) => name
                .strip_suffix(domain.as_str())
                .is_some_and(|before| before.is_empty() || before.ends_with('.')),
            Host::Network { address, bits } => {
                asked.is_some_and(|asked| is_in_network(asked.to_canonical(), *address, *bits))
            }
        }
    }
}

impl FromStr for Entry {
    type Err = DirectHostsError;

    fn from_str(text: &str) -> Result<Entry, DirectHostsError> {
        let wrong = || DirectHostsError { entry: text.to_owned() };
        let whole = text.trim();
        // An IPv6 address has colons of its own.
        if let Some(host) = parse_network(whole) {
            return Ok(Entry { host, port: None });
        }
        let (host, port) = match whole.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().map_err(|_| wrong())?)),
            None => (whole, None),
        };
        let host = match host {
            "*" => Host::Any,
            host => parse_network(host).or_else(|| parse_domain(host)).ok_or_else(wrong)?,
        };
        Ok(Entry { host, port })
    }
}

fn parse_network(text: &str) -> Option<Host> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let address = address.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(address);
    let address = address.parse::<IpAddr>().ok()?;
    let all = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Some(all), |bits| bits.parse().ok()).filter(|bits| *bits <= all)?;
    Some(Host::Network { address, bits })
}

fn parse_domain(text: &str) -> Option<Host> {
    let name = text.strip_prefix("*.").or_else(|| text.strip_prefix('.')).unwrap_or(text);
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_name = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let has_digits_only = name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let is_domain = name.split('.').all(is_name) && !has_digits_only;
    is_domain.then(|| Host::Domain(name.to_ascii_lowercase()))
}

fn is_in_network(asked: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (asked, network) {
        (IpAddr::V4(asked), IpAddr::V4(network)) => {
            let differ = asked.to_bits() ^ network.to_bits();
            differ.leading_zeros() >= bits
        }
        (IpAddr::V6(asked), IpAddr::V6(network)) => {
            let differ = asked.to_bits() ^ network.to_bits();
            differ.leading_zeros() >= bits
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

fn is_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_link_local(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(entry: &str, direct: &[&str], proxied: &[&str]) {
        let hosts = DirectHosts::new([entry]).expect(entry);
        let has = |asked: &str| {
            let (host, port) = asked.rsplit_once('#').unwrap_or((asked, "443"));
            hosts.has(host, port.parse().expect(asked))
        };
        for asked in direct {
            assert!(has(asked), "{entry}: {asked} is not direct");
        }
        for asked in proxied {
            assert!(!has(asked), "{entry}: {asked} is direct");
        }
    }

    #[test]
    fn a_domain_is_its_name_and_all_below() {
        for entry in
            ["example.com", ".example.com", "*.example.com", " EXAMPLE.com ", "example.com."]
        {
            check(
                entry,
                &["example.com", "Example.Com", "a.b.example.com", "example.com."],
                &["notexample.com", "example.com.evil", "example.co", "com", "10.0.0.1"],
            );
        }
        check("intranet", &["intranet"], &["intranet2", "myintranet"]);
    }

    #[test]
    fn addresses_and_networks() {
        check("10.1.2.3", &["10.1.2.3", "[::ffff:10.1.2.3]"], &["10.1.2.30", "110.1.2.3"]);
        check("10.0.0.0/8", &["10.255.0.1"], &["11.0.0.1", "name", "[a00::]"]);
        check("192.168.1.128/25", &["192.168.1.200"], &["192.168.1.1"]);
        check("0.0.0.0/0", &["8.8.8.8"], &["[2001:db8::1]"]);
        check("2001:db8::/32", &["[2001:db8:1::1]"], &["[2001:db9::1]", "32.1.13.184"]);
        check("2001:db8::7", &["[2001:DB8::7]"], &["[2001:db8::8]"]);
        check("[2001:db8::7]", &["[2001:db8::7]"], &[]);
    }

    #[test]
    fn a_port_narrows_the_entry() {
        check("es:9200", &["es#9200"], &["es", "es#92"]);
        check("10.0.0.1:80", &["10.0.0.1#80"], &["10.0.0.1"]);
        check("10.0.0.0/8:80", &["10.9.0.1#80"], &["10.9.0.1"]);
        check("[2001:db8::7]:81", &["[2001:db8::7]#81"], &["[2001:db8::7]"]);
        check("*:8080", &["any.where#8080"], &["any.where"]);
    }

    #[test]
    fn a_star_is_everything_and_this_machine_is_always_direct() {
        check("*", &["any.where", "8.8.8.8", "[2001:db8::1]"], &[]);
        check(
            "elsewhere",
            &["localhost", "LOCALHOST.", "127.0.0.9", "[::1]", "169.254.169.254", "[fe80::1]"],
            &["localhost.example", "127.example", "169.253.1.1"],
        );
    }

    #[test]
    fn refuses_what_names_no_host() {
        for entry in [
            "",
            " ",
            "10.0.0.0/33",
            "10.0.0/8",
            "::1/129",
            "host:port",
            "a b",
            "*com",
            "http://host",
            "exa*mple.com",
            ".",
            "*.",
            "a..b",
            "256.1.1.1",
            "1.2.3",
        ] {
            let hosts = DirectHosts::new([entry]);
            assert!(hosts.is_err(), "{entry}: {hosts:?}");
        }
    }
}
