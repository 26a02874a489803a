//! Writes MaxMind databases, for tests: no file of MaxMind's can be part of this project.
//!
//! The format is <https://maxmind.github.io/MaxMind-DB/>: a binary tree over the bits of addresses, whose leaves point
//! to records. Networks must not overlap.

use std::net::IpAddr;

use serde_json::{Value, json};

/// What comes before the metadata.
const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";

/// Bytes between the tree and the records.
const SEPARATOR_BYTES: usize = 16;

#[derive(Clone, Copy)]
enum Child {
    Nothing,
    Node(usize),
    /// By its offset among the records.
    Record(usize),
}

/// A database called `kind` of these networks, each with its record.
pub(crate) fn database(kind: &str, networks: &[(&str, Value)]) -> Vec<u8> {
    let (mut nodes, mut records) = (vec![[Child::Nothing; 2]], Vec::new());
    for (network, record) in networks {
        let (address, prefix) = network.split_once('/').expect("a network has a length");
        let offset = records.len();
        write(record, &mut records);
        // An IPv4 address is the last 32 bits of an IPv6 one.
        let (bits, above) = match address.parse().expect("an address") {
            IpAddr::V4(address) => (u128::from(u32::from(address)), 96),
            IpAddr::V6(address) => (u128::from(address), 0),
        };
        let length = above + prefix.parse::<usize>().expect("a length");
        let mut at = 0;
        for depth in 0..length {
            let side = usize::from(bits >> (127 - depth) & 1 == 1);
            if depth + 1 == length {
                nodes[at][side] = Child::Record(offset);
                break;
            }
            at = match nodes[at][side] {
                Child::Node(next) => next,
                Child::Record(_) => panic!("networks overlap"),
                Child::Nothing => {
                    nodes.push([Child::Nothing; 2]);
                    let next = nodes.len() - 1;
                    nodes[at][side] = Child::Node(next);
                    next
                }
            };
        }
    }
    let count = nodes.len();
    let mut bytes = Vec::new();
    for child in nodes.iter().flatten() {
        let number = match child {
            Child::Nothing => count,
            Child::Node(number) => *number,
            Child::Record(offset) => count + SEPARATOR_BYTES + offset,
        };
        bytes.extend(u32::try_from(number).expect("a small database").to_be_bytes());
    }
    bytes.extend([0; SEPARATOR_BYTES]);
    bytes.extend(records);
    bytes.extend(MARKER);
    write(
        &json!({
            "binary_format_major_version": 2,
            "binary_format_minor_version": 0,
            "build_epoch": 1_700_000_000,
            "database_type": kind,
            "description": { "en": "a database of a test" },
            "ip_version": 6,
            "languages": ["en", "de"],
            "node_count": count,
            "record_size": 32,
        }),
        &mut bytes,
    );
    bytes
}

/// Writes a value: its type and length, and then itself.
fn write(value: &Value, bytes: &mut Vec<u8>) {
    match value {
        Value::String(text) => {
            start(2, text.len(), bytes);
            bytes.extend(text.as_bytes());
        }
        Value::Number(number) => {
            if let Some(number) = number.as_u64() {
                let kind = match number {
                    0..0x1_0000 => 5,
                    0x1_0000..0x1_0000_0000 => 6,
                    _ => 9,
                };
                unsigned(kind, number, bytes);
            } else {
                start(3, 8, bytes);
                bytes.extend(number.as_f64().expect("a float").to_be_bytes());
            }
        }
        Value::Bool(value) => start(14, usize::from(*value), bytes),
        Value::Array(items) => {
            start(11, items.len(), bytes);
            for item in items {
                write(item, bytes);
            }
        }
        Value::Object(fields) => {
            start(7, fields.len(), bytes);
            for (name, field) in fields {
                write(&Value::from(name.as_str()), bytes);
                // Readers want these two in one size, however small they are.
                match (name.as_str(), field.as_u64()) {
                    ("build_epoch", Some(number)) => unsigned(9, number, bytes),
                    ("node_count", Some(number)) => unsigned(6, number, bytes),
                    _ => write(field, bytes),
                }
            }
        }
        Value::Null => panic!("the format has no null"),
    }
}

/// Writes a number without its leading zeros.
fn unsigned(kind: u8, number: u64, bytes: &mut Vec<u8>) {
    let digits = number.to_be_bytes();
    let leading = digits.iter().take_while(|digit| **digit == 0).count();
    start(kind, digits.len() - leading, bytes);
    bytes.extend(&digits[leading..]);
}

/// The byte of type and length, and what it has no room for.
fn start(kind: u8, length: usize, bytes: &mut Vec<u8>) {
    let short = u8::try_from(length.min(29)).expect("at most 29");
    if kind > 7 {
        bytes.extend([short, kind - 7]);
    } else {
        bytes.push(kind << 5 | short);
    }
    if length >= 29 {
        bytes.push(u8::try_from(length - 29).expect("a test's texts are short"));
    }
}
