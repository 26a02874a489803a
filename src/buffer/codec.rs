//! Events as bytes and back, without loss: CBOR (RFC 8949), compressed with zstd.
//!
//! Invariant: what is decoded is what was encoded, down to the type of each value, the metadata and the origin's name. One
//! exception: a regular expression comes back as a string, which is how every sink writes it. Bytes that no encoder wrote
//! are an error, never a panic.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use chrono::DateTime;
use minicbor::{
    data::{Tag, Type},
    decode::Error,
};
use pipeline_core::{Event, EventAck, Origin};
use vrl::{
    path::OwnedValuePath,
    value::{KeyString, ObjectMap, Value},
};

/// Fast, and audit records shrink to a tenth with it.
const ZSTD_LEVEL: i32 = 1;

/// A point of time in seconds and nanoseconds: RFC 9581.
const EXTENDED_TIME: Tag = Tag::new(1001);
const SECONDS: i64 = 1;
const NANOSECONDS: i64 = -9;

/// A regular expression: RFC 8949, 3.4.5.3.
const REGEX: Tag = Tag::new(35);

/// Values inside of values, beyond which no program of ours goes; what is decoded recursively needs a bound.
const DEPTH_MAX: usize = 1000;

type Encoder<'a> = minicbor::Encoder<&'a mut Vec<u8>>;
type Decoder<'a> = minicbor::Decoder<'a>;

/// What was stored cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum DecodeError {
    #[error("it cannot be unpacked")]
    Unpack(#[source] std::io::Error),
    #[error("it is not what an encoder writes")]
    Decode(#[from] Error),
}

/// An event without an acknowledgement.
#[derive(Debug)]
pub(super) struct Content {
    value: Value,
    own_metadata: Option<Value>,
    pub(super) byte_size: usize,
    origin: Arc<Origin>,
}

impl Content {
    /// The event again, with an acknowledgement of its own.
    pub(super) fn into_event(self, ack: EventAck) -> Event {
        let mut event = Event::new(self.value, self.byte_size, self.origin, ack);
        if let Some(metadata) = self.own_metadata {
            event.set_metadata(&OwnedValuePath::root(), metadata);
        }
        event
    }
}

/// The events as bytes.
pub(super) fn encode(events: &[Event]) -> Vec<u8> {
    let bytes: usize = events.iter().map(Event::byte_size).sum();
    let mut plain = Vec::with_capacity(bytes + bytes / 2);
    write_events(&mut Encoder::new(&mut plain), events).expect("writing to memory does not fail");
    zstd::bulk::compress(&plain, ZSTD_LEVEL).expect("zstd takes any bytes")
}

/// The events of bytes that [`encode`] has given.
pub(super) fn decode(packed: &[u8]) -> Result<Vec<Content>, DecodeError> {
    let plain = zstd::stream::decode_all(packed).map_err(DecodeError::Unpack)?;
    Ok(read_events(&mut Decoder::new(&plain))?)
}

type Written = Result<(), minicbor::encode::Error<Infallible>>;

fn write_events(out: &mut Encoder<'_>, events: &[Event]) -> Written {
    let mut origins: Vec<&Arc<Origin>> = Vec::new();
    let mut numbers = Vec::with_capacity(events.len());
    for event in events {
        // Events of one origin stand together.
        if origins.last().is_none_or(|last| !Arc::ptr_eq(last, event.origin())) {
            origins.push(event.origin());
        }
        numbers.push(origins.len() - 1);
    }
    out.array(2)?.array(origins.len() as u64)?;
    for origin in origins {
        out.array(2)?.str(origin.name())?;
        write_value(out, origin.metadata())?;
    }
    out.array(events.len() as u64)?;
    for (event, number) in events.iter().zip(numbers) {
        out.array(4)?.u64(number as u64)?.u64(event.byte_size() as u64)?;
        write_value(out, event.value())?;
        if std::ptr::eq(event.metadata(), event.origin().metadata()) {
            out.undefined()?;
        } else {
            write_value(out, event.metadata())?;
        }
    }
    Ok(())
}

fn write_value(out: &mut Encoder<'_>, value: &Value) -> Written {
    match value {
        Value::Null => out.null()?,
        Value::Boolean(value) => out.bool(*value)?,
        Value::Integer(value) => out.i64(*value)?,
        Value::Float(value) => out.f64(value.into_inner())?,
        Value::Bytes(value) => out.bytes(value)?,
        Value::String(value) => out.str(value)?,
        Value::Regex(value) => out.tag(REGEX)?.str(value.as_str())?,
        Value::Timestamp(time) => {
            out.tag(EXTENDED_TIME)?.map(2)?.i64(SECONDS)?.i64(time.timestamp())?;
            out.i64(NANOSECONDS)?.u32(time.timestamp_subsec_nanos())?
        }
        Value::Array(values) => {
            out.array(values.len() as u64)?;
            for value in values {
                write_value(out, value)?;
            }
            out
        }
        Value::Object(fields) => {
            out.map(fields.len() as u64)?;
            for (name, value) in fields {
                out.str(name.as_str())?;
                write_value(out, value)?;
            }
            out
        }
    };
    Ok(())
}

fn read_events(input: &mut Decoder<'_>) -> Result<Vec<Content>, Error> {
    expect_array(input, 2)?;
    let mut origins = Vec::new();
    for _ in 0..array(input)? {
        expect_array(input, 2)?;
        let name = input.str()?;
        origins.push(Origin::new(name, read_value(input, DEPTH_MAX)?));
    }
    let mut events = Vec::new();
    for _ in 0..array(input)? {
        expect_array(input, 4)?;
        let origin = usize::try_from(input.u64()?).ok().and_then(|number| origins.get(number));
        let origin = origin.ok_or_else(|| Error::message("no such origin"))?;
        let byte_size = usize::try_from(input.u64()?).unwrap_or(usize::MAX);
        let value = read_value(input, DEPTH_MAX)?;
        let own_metadata = if input.datatype()? == Type::Undefined {
            input.undefined()?;
            None
        } else {
            Some(read_value(input, DEPTH_MAX)?)
        };
        events.push(Content { value, own_metadata, byte_size, origin: Arc::clone(origin) });
    }
    Ok(events)
}

fn read_value(input: &mut Decoder<'_>, depth_left: usize) -> Result<Value, Error> {
    let Some(depth_left) = depth_left.checked_sub(1) else {
        return Err(Error::message("values are nested too deep"));
    };
    Ok(match input.datatype()? {
        Type::Null => {
            input.null()?;
            Value::Null
        }
        Type::Bool => Value::Boolean(input.bool()?),
        Type::F64 => {
            let value = input.f64()?;
            if value.is_nan() {
                return Err(Error::message("a value that is no number"));
            }
            Value::from_f64_or_zero(value)
        }
        Type::Bytes => Value::Bytes(Bytes::copy_from_slice(input.bytes()?)),
        Type::String => Value::from(input.str()?),
        Type::Tag => read_tagged(input)?,
        Type::Array => {
            let mut values = Vec::new();
            for _ in 0..array(input)? {
                values.push(read_value(input, depth_left)?);
            }
            Value::Array(values)
        }
        Type::Map => {
            let fields = input.map()?.ok_or_else(|| Error::message("an open map"))?;
            let mut object = ObjectMap::new();
            for _ in 0..fields {
                let name = KeyString::from(input.str()?);
                object.insert(name, read_value(input, depth_left)?);
            }
            Value::Object(object)
        }
        // Everything else that an encoder writes is an integer.
        _ => Value::Integer(input.i64()?),
    })
}

fn read_tagged(input: &mut Decoder<'_>) -> Result<Value, Error> {
    let tag = input.tag()?;
    if tag == REGEX {
        return Ok(Value::from(input.str()?));
    }
    if tag != EXTENDED_TIME || input.map()? != Some(2) || input.i64()? != SECONDS {
        return Err(Error::message("an unknown tag"));
    }
    let seconds = input.i64()?;
    if input.i64()? != NANOSECONDS {
        return Err(Error::message("a time without nanoseconds"));
    }
    let time = DateTime::from_timestamp(seconds, input.u32()?);
    time.map(Value::Timestamp).ok_or_else(|| Error::message("a time out of range"))
}

fn array(input: &mut Decoder<'_>) -> Result<u64, Error> {
    input.array()?.ok_or_else(|| Error::message("an open array"))
}

fn expect_array(input: &mut Decoder<'_>, length: u64) -> Result<(), Error> {
    let found = array(input)?;
    let fits = found == length;
    fits.then_some(()).ok_or_else(|| Error::message("an array of another length"))
}
