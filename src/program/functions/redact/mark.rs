//! What stands in the place of a secret.
//!
//! A mask says nothing at all. A keyed hash (HMAC-SHA-256, its first 128 bits) lets equal secrets be seen as equal by
//! whoever has the events, and tested by whoever has the key. A number stays a number, so that no field changes its type.

use ring::hmac;
use vrl::value::Value;

/// What a mask looks like.
const MASK: &str = "[redacted]";

/// How a hash begins.
const HASH: &str = "hmac-";

/// How the hash of a person begins.
const PERSON: &str = "user-";

/// Hexadecimal digits of a hash.
const DIGITS: usize = 32;

/// Bits of a number's hash: as many as every reader of JSON keeps exact.
const NUMBER_BITS: u32 = 48;

/// Makes what stands in the place of secrets.
#[derive(Clone, Debug)]
pub(super) enum Mark {
    /// The same text for all.
    Mask,
    /// A hash with this key.
    Hash(hmac::Key),
}

/// The key that `text` is.
pub(super) fn key(text: &str) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, text.as_bytes())
}

impl Mark {
    /// In the place of text.
    pub(super) fn text(&self, secret: &str) -> String {
        match self {
            Mark::Mask => MASK.to_owned(),
            Mark::Hash(key) => format!("{HASH}{}", hexadecimal(key, secret)),
        }
    }

    /// In the place of a number that is written as `secret`.
    pub(super) fn number(&self, secret: &str) -> Value {
        match self {
            Mark::Mask => Value::Integer(0),
            Mark::Hash(key) => Value::Integer(number(key, secret)),
        }
    }
}

/// In the place of a person called `name`, whose case does not matter.
pub(super) fn person(key: &hmac::Key, name: &str) -> String {
    format!("{PERSON}{}", hexadecimal(key, &name.to_lowercase()))
}

/// The first bits of a hash, as a number.
pub(super) fn number(key: &hmac::Key, secret: &str) -> i64 {
    let tag = hmac::sign(key, secret.as_bytes());
    let bytes = tag.as_ref().iter().take(NUMBER_BITS as usize / 8);
    bytes.fold(0, |number, byte| (number << 8) | i64::from(*byte))
}

/// Whether `text` is one that stands in the place of something already.
pub(super) fn is_mark(text: &str) -> bool {
    let hash =
        |text: &str| text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    text == MASK || text.strip_prefix(HASH).or(text.strip_prefix(PERSON)).is_some_and(hash)
}

fn hexadecimal(key: &hmac::Key, secret: &str) -> String {
    let tag = hmac::sign(key, secret.as_bytes());
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16);
    let bytes = tag.as_ref().iter().take(DIGITS / 2);
    bytes.flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).flatten().collect()
}
