//! `parse_address`, `first_address`, `host_name`: the forms in which audit records write addresses.

use std::net::{IpAddr, Ipv6Addr};

use vrl::prelude::*;

use super::call::{Argument, call};

/// Words that stand where a host name could, and name none.
const NO_HOST: &[&str] = &["null", "none", "unknown", "undefined", "sanitized", "redacted"];

/// `parse_address(value)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct ParseAddress;

impl Function for ParseAddress {
    fn identifier(&self) -> &'static str {
        "parse_address"
    }

    fn summary(&self) -> &'static str {
        "an address in any form that audit records use"
    }

    fn usage(&self) -> &'static str {
        "Reads an address with or without a port and brackets: `192.0.2.1`, `192.0.2.1:443`, `[192.0.2.1]:443`, \
         `2001:db8::1`, `[2001:db8::1]:443`, `[2001:db8::1]`, a host name with or without a port, or a host name \
         followed by its address in parentheses. Gives an object with those of `ip`, `port` and `host` that the text \
         holds. An IPv4 address that is mapped into IPv6 (`::ffff:192.0.2.1`) becomes the IPv4 address. What is no \
         address, such as an empty string, `null` or `<null>`, gives null."
    }

    fn category(&self) -> &'static str {
        Category::Ip.as_ref()
    }

    fn return_kind(&self) -> u16 {
        kind::OBJECT | kind::NULL
    }

    fn notices(&self) -> &'static [&'static str] {
        &[
            "`OriginatingServer` ends in an Exchange build number in parentheses, which can look like an IPv4 address: \
           it is not for this function.",
        ]
    }

    fn parameters(&self) -> &'static [Parameter] {
        const PARAMETERS: &[Parameter] =
            &[Parameter::required("value", kind::ANY, "The text to read.")];
        PARAMETERS
    }

    fn examples(&self) -> &'static [Example] {
        &[
            example! {
                title: "IPv4 with a port",
                source: r#"parse_address("192.0.2.1:443")"#,
                result: Ok(r#"{ "ip": "192.0.2.1", "port": 443 }"#),
            },
            example! {
                title: "IPv6 with a port",
                source: r#"parse_address("[2001:db8::1]:443")"#,
                result: Ok(r#"{ "ip": "2001:db8::1", "port": 443 }"#),
            },
            example! {
                title: "IPv6 alone",
                source: r#"parse_address("2001:db8::1")"#,
                result: Ok(r#"{ "ip": "2001:db8::1" }"#),
            },
            example! {
                title: "IPv4 mapped into IPv6",
                source: r#"parse_address("::ffff:192.0.2.1")"#,
                result: Ok(r#"{ "ip": "192.0.2.1" }"#),
            },
            example! {
                title: "A host name with its address",
                source: r#"parse_address("[MAIL01 (192.0.2.1)]")"#,
                result: Ok(r#"{ "host": "MAIL01", "ip": "192.0.2.1" }"#),
            },
            example! {
                title: "A host name with a port",
                source: r#"parse_address("[localhost]:12345")"#,
                result: Ok(r#"{ "host": "localhost", "port": 12345 }"#),
            },
            example! {
                title: "No address",
                source: r#"parse_address("<null>")"#,
                result: Ok("null"),
            },
        ]
    }

    fn compile(
        &self,
        _state: &TypeState,
        _context: &mut FunctionCompileContext,
        arguments: ArgumentList,
    ) -> Compiled {
        let address = Collection::empty()
            .with_known("host", Kind::bytes().or_undefined())
            .with_known("ip", Kind::bytes().or_undefined())
            .with_known("port", Kind::integer().or_undefined());
        Ok(call(&arguments, address_or_null, TypeDef::object(address).or_null()))
    }
}

fn address_or_null(value: &Value) -> Value {
    let address = value.to_str().and_then(parse_address);
    address.map_or(Value::Null, |address| Value::Object(address.into_fields()))
}

/// `first_address(value)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct FirstAddress;

impl Function for FirstAddress {
    fn identifier(&self) -> &'static str {
        "first_address"
    }

    fn summary(&self) -> &'static str {
        "the first good address of several"
    }

    fn usage(&self) -> &'static str {
        "Reads a list of texts as `parse_address` does. Gives the first with an IP address, or else the first with a \
         host name, in the fields of ECS: an object with `address`, the text, and those of `domain`, `ip` and `port` \
         that it holds. A port that only a later text has, of the same IP address, is taken from there. Without any, \
         null."
    }

    fn category(&self) -> &'static str {
        Category::Ip.as_ref()
    }

    fn return_kind(&self) -> u16 {
        kind::OBJECT | kind::NULL
    }

    fn parameters(&self) -> &'static [Parameter] {
        const PARAMETERS: &[Parameter] =
            &[Parameter::required("value", kind::ANY, "The list of texts.")];
        PARAMETERS
    }

    fn examples(&self) -> &'static [Example] {
        &[
            example! {
                title: "The first is empty",
                source: r#"first_address(["", "192.0.2.1:443"])"#,
                result: Ok(r#"{ "address": "192.0.2.1:443", "ip": "192.0.2.1", "port": 443 }"#),
            },
            example! {
                title: "An IP address before a host name",
                source: r#"first_address(["client.contoso.example", null, "2001:db8::1"])"#,
                result: Ok(r#"{ "address": "2001:db8::1", "ip": "2001:db8::1" }"#),
            },
            example! { title: "None", source: r#"first_address(["<null>"])"#, result: Ok("null") },
        ]
    }

    fn compile(
        &self,
        _state: &TypeState,
        _context: &mut FunctionCompileContext,
        arguments: ArgumentList,
    ) -> Compiled {
        let address = Collection::empty()
            .with_known("address", Kind::bytes())
            .with_known("domain", Kind::bytes().or_undefined())
            .with_known("ip", Kind::bytes().or_undefined())
            .with_known("port", Kind::integer().or_undefined());
        let result = TypeDef::object(address).or_null().infallible();
        Ok(FirstAddressCall { texts: Argument::new(&arguments, "value"), result }.as_expr())
    }
}

#[derive(Clone, Debug)]
struct FirstAddressCall {
    texts: Argument,
    result: TypeDef,
}

impl FunctionExpression for FirstAddressCall {
    fn resolve(&self, context: &mut Context) -> Resolved {
        let mut best: Option<(Value, Address)> = None;
        self.texts.look_at_each(context, &mut |text| better(&mut best, text))?;
        let Some((text, address)) = best else { return Ok(Value::Null) };
        let mut fields = ObjectMap::from([("address".into(), trimmed(text))]);
        let others = [
            ("domain", address.host.map(Value::from)),
            ("ip", address.ip.map(|ip| Value::from(ip.to_string()))),
            ("port", address.port.map(Value::from)),
        ];
        fields.extend(others.into_iter().filter_map(|(name, value)| Some((name.into(), value?))));
        Ok(Value::Object(fields))
    }

    fn type_def(&self, _state: &TypeState) -> TypeDef {
        self.result.clone()
    }
}

/// Puts the address that `text` holds in the place of the best one so far, if it is better.
fn better(best: &mut Option<(Value, Address)>, text: &Value) {
    let Some(address) = text.to_str().and_then(parse_address) else { return };
    match best {
        Some((_, best)) if best.ip.is_some() => {
            if best.ip == address.ip {
                best.port = best.port.or(address.port);
            }
        }
        Some(_) if address.ip.is_none() => {}
        _ => *best = Some((text.clone(), address)),
    }
}

/// A text without the white space around it; not copied where there is none.
fn trimmed(text: Value) -> Value {
    match text.to_str().map(|text| (text, text.trim())) {
        Some((text, trimmed)) if trimmed.len() < text.len() => Value::from(trimmed.to_owned()),
        _ => text,
    }
}

/// `host_name(value)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct HostName;

impl Function for HostName {
    fn identifier(&self) -> &'static str {
        "host_name"
    }

    fn summary(&self) -> &'static str {
        "the host name at the start of a text"
    }

    fn usage(&self) -> &'static str {
        "Gives the host name with which a text begins: all of it, or what stands before a parenthesis. It is for \
         `OriginatingServer`, whose parenthesis holds a version. Where there is no host name, null."
    }

    fn category(&self) -> &'static str {
        Category::Parse.as_ref()
    }

    fn return_kind(&self) -> u16 {
        kind::BYTES | kind::NULL
    }

    fn parameters(&self) -> &'static [Parameter] {
        const PARAMETERS: &[Parameter] =
            &[Parameter::required("value", kind::ANY, "The text to read.")];
        PARAMETERS
    }

    fn examples(&self) -> &'static [Example] {
        &[
            example! {
                title: "A server of Exchange",
                source: r#"host_name("MAIL01 (15.20.2707.017)")"#,
                result: Ok("MAIL01"),
            },
            example! { title: "No host", source: r#"host_name("Origin Server")"#, result: Ok("null") },
        ]
    }

    fn compile(
        &self,
        _state: &TypeState,
        _context: &mut FunctionCompileContext,
        arguments: ArgumentList,
    ) -> Compiled {
        Ok(call(&arguments, leading_host, TypeDef::bytes().or_null()))
    }
}

fn leading_host(value: &Value) -> Value {
    let host = || {
        let text = value.to_str()?.trim().trim_start_matches('[');
        let host = text.split_once('(').map_or(text, |(host, _version)| host);
        host_name(host.trim())?.host
    };
    host().map_or(Value::Null, Value::from)
}

/// What an address text holds. Never all empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) host: Option<String>,
    pub(super) ip: Option<IpAddr>,
    pub(super) port: Option<u16>,
}

impl Address {
    fn into_fields(self) -> ObjectMap {
        let fields = [
            ("host", self.host.map(Value::from)),
            ("ip", self.ip.map(|ip| Value::from(ip.to_string()))),
            ("port", self.port.map(Value::from)),
        ];
        fields.into_iter().filter_map(|(name, value)| Some((name.into(), value?))).collect()
    }
}

/// Reads an address with or without a port.
pub(super) fn parse_address(text: &str) -> Option<Address> {
    let text = text.trim();
    if let Some(address) = host_or_ip(text) {
        return Some(address);
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']')?,
        None => text.split_at(text.find(':')?),
    };
    let port = match port {
        "" => None,
        port => {
            let digits = port.strip_prefix(':')?;
            // A sign would be taken for part of the number.
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            Some(plain.then(|| digits.parse().ok())??)
        }
    };
    Some(Address { port, ..host_or_ip(host.trim())? })
}

/// Reads an address without a port, a host name, or `HOST (ADDRESS)`.
fn host_or_ip(text: &str) -> Option<Address> {
    if let Some(ip) = ip(text) {
        return Some(Address { ip: Some(ip), ..Address::default() });
    }
    if let Some((host, rest)) = text.split_once('(') {
        let ip = ip(rest.strip_suffix(')')?.trim());
        return Some(Address { ip, ..host_name(host.trim())? });
    }
    host_name(text)
}

fn ip(text: &str) -> Option<IpAddr> {
    // The zone of a link-local address (`fe80::1%eth0`) means something on one machine only.
    let address = text.split_once('%').map_or(text, |(address, _zone)| address);
    let ip = address.parse().ok()?;
    Some(match ip {
        IpAddr::V6(mapped) => unmapped(mapped),
        IpAddr::V4(_) => ip,
    })
}

fn unmapped(ip: Ipv6Addr) -> IpAddr {
    ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4)
}

/// Takes what can be a host name: not a number like `10.900.0.1`, and no word that stands for nothing.
fn host_name(text: &str) -> Option<Address> {
    let last_label = text.rsplit('.').next()?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let is_name = text.len() <= 253
        && text.bytes().all(allowed)
        && text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
        && !last_label.bytes().all(|byte| byte.is_ascii_digit())
        && !NO_HOST.iter().any(|word| text.eq_ignore_ascii_case(word));
    is_name.then(|| Address { host: Some(text.to_owned()), ..Address::default() })
}
