//! Events into messages: topic, key, headers and the event as JSON.
//!
//! An event's content is freed once it is encoded; what is left can be sent any number of times, and becomes the dead
//! letter if it never can be.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use pipeline_core::{ComponentId, DeadLetter, Event, EventAck, LetterKind, Origin, Timestamp};
use rdkafka::message::{Header, OwnedHeaders};
use vrl::{path::OwnedValuePath, value::Value};

use super::config::Config;
use crate::delivery::{Encoded, Rejected, Template};

/// The longest name of a topic.
const TOPIC_BYTES_MAX: usize = 249;

/// Bytes by which a mapped event outgrows its record, roughly.
const GROWTH: usize = 2;

/// Makes messages of events.
#[derive(Debug)]
pub(super) struct Encoder {
    topic: Template,
    headers: BTreeMap<String, Template>,
    /// None: no message has a key.
    key_field: Option<OwnedValuePath>,
    timestamp_field: OwnedValuePath,
    component_id: ComponentId,
}

/// Names and values.
type Headers = Vec<(Arc<str>, String)>;

/// Messages that are sent and settled together.
#[derive(Debug)]
pub(super) struct ProduceRequest {
    /// Keys and payloads of all messages.
    bytes: Arc<Vec<u8>>,
    pub messages: Vec<Message>,
}

/// One event as a message.
#[derive(Debug)]
pub(super) struct Message {
    pub ack: EventAck,
    /// Whose name the dead letter bears.
    origin: Arc<str>,
    pub topic: Arc<str>,
    key: Option<Range<usize>>,
    payload: Range<usize>,
    headers: Headers,
    /// The broker refused it in company: whether the fault is its own shows when it is sent alone.
    pub is_alone: bool,
}

impl Encoder {
    /// As `config` says.
    pub(super) fn new(config: &Config, component_id: ComponentId) -> Encoder {
        Encoder {
            topic: config.topic.clone(),
            headers: config.headers.clone(),
            key_field: (!config.key_field.is_root()).then(|| config.key_field.clone()),
            timestamp_field: config.timestamp_field.clone(),
            component_id,
        }
    }

    /// Makes one request of `events`. `now` is the time of what is rejected.
    pub(super) fn encode(&self, events: Vec<Event>, now: Timestamp) -> Encoded<ProduceRequest> {
        let mut encoded = Encoded { requests: Vec::new(), rejected: Vec::new() };
        let received: usize = events.iter().map(Event::byte_size).sum();
        let mut bytes = Vec::with_capacity(received.saturating_mul(GROWTH));
        let mut messages = Vec::with_capacity(events.len());
        let mut names = Names::default();
        let header_names: Vec<Arc<str>> =
            self.headers.keys().map(|name| name.as_str().into()).collect();
        for event in events {
            let described = self.describe(&event, &header_names, &mut names);
            let (topic, headers) = match described {
                Ok(described) => described,
                Err(reason) => {
                    let id = Arc::clone(&self.component_id);
                    let letter = DeadLetter::of(&event, id, LetterKind::UnusableField, reason, now);
                    encoded.rejected.push(Rejected { letter, ack: event.into_ack() });
                    continue;
                }
            };
            let start = bytes.len();
            let key = self.key_field.as_ref().and_then(|field| event.at(field));
            let key =
                key.is_some_and(|key| push_key(key, &mut bytes)).then_some(start..bytes.len());
            let start = bytes.len();
            event.write_json(&mut bytes);
            let payload = start..bytes.len();
            let origin = names.origin(event.origin());
            let ack = event.into_ack();
            messages.push(Message { ack, origin, topic, key, payload, headers, is_alone: false });
        }
        if !messages.is_empty() {
            encoded.requests.push(ProduceRequest { bytes: Arc::new(bytes), messages });
        }
        encoded
    }

    /// The topic and the headers of an event, or why it can have none.
    fn describe(
        &self,
        event: &Event,
        header_names: &[Arc<str>],
        names: &mut Names,
    ) -> Result<(Arc<str>, Headers), String> {
        names.scratch.clear();
        self.topic
            .render(event, &self.timestamp_field, "topic", &mut names.scratch)
            .map_err(|error| error.to_string())?;
        let topic = names.topic()?;
        let mut headers = Vec::with_capacity(self.headers.len());
        for (name, template) in header_names.iter().zip(self.headers.values()) {
            let mut value = String::new();
            template
                .render(event, &self.timestamp_field, "header", &mut value)
                .map_err(|error| error.to_string())?;
            headers.push((Arc::clone(name), value));
        }
        Ok((topic, headers))
    }
}

impl ProduceRequest {
    /// The same bytes with other messages of theirs.
    pub(super) fn with(&self, messages: Vec<Message>) -> ProduceRequest {
        ProduceRequest { bytes: Arc::clone(&self.bytes), messages }
    }

    /// Key and payload of a message of this request.
    pub(super) fn content(&self, message: &Message) -> (Option<&[u8]>, &[u8]) {
        (message.key.clone().map(|key| &self.bytes[key]), &self.bytes[message.payload.clone()])
    }

    /// A message of this request as a dead letter.
    pub(super) fn reject(
        &self,
        message: Message,
        (kind, reason): (LetterKind, String),
        component_id: &ComponentId,
        time: Timestamp,
    ) -> Rejected {
        let letter = DeadLetter {
            component_id: Arc::clone(component_id),
            kind,
            reason,
            time,
            origin: message.origin.to_string(),
            metadata: None,
            payload: self.bytes[message.payload].to_vec(),
        };
        Rejected { letter, ack: message.ack }
    }
}

impl Message {
    /// The headers as librdkafka wants them; it owns what it is given.
    pub(super) fn headers(&self) -> Option<OwnedHeaders> {
        if self.headers.is_empty() {
            return None;
        }
        let headers = OwnedHeaders::new_with_capacity(self.headers.len());
        Some(self.headers.iter().fold(headers, |headers, (key, value)| {
            headers.insert(Header { key, value: Some(value) })
        }))
    }

    /// Size of what is stored of it, but for its headers.
    pub(super) fn bytes(&self) -> usize {
        self.payload.len() + self.key.as_ref().map_or(0, Range::len)
    }
}

/// Names that the events of a batch share, so that each is allocated once.
#[derive(Default)]
struct Names {
    scratch: String,
    topic: Option<Arc<str>>,
    origin: Option<(Arc<Origin>, Arc<str>)>,
}

impl Names {
    /// What is in `scratch` as the name of a topic, if it can be one.
    fn topic(&mut self) -> Result<Arc<str>, String> {
        if let Some(last) = &self.topic
            && **last == *self.scratch
        {
            return Ok(Arc::clone(last));
        }
        if let Some(reason) = topic_problem(&self.scratch) {
            return Err(format!("`{}` can't be the name of a topic: {reason}", self.scratch));
        }
        let name: Arc<str> = self.scratch.as_str().into();
        self.topic = Some(Arc::clone(&name));
        Ok(name)
    }

    fn origin(&mut self, origin: &Arc<Origin>) -> Arc<str> {
        if let Some((last, name)) = &self.origin
            && Arc::ptr_eq(last, origin)
        {
            return Arc::clone(name);
        }
        let name: Arc<str> = origin.name().into();
        self.origin = Some((Arc::clone(origin), Arc::clone(&name)));
        name
    }
}

/// Why a text can't be the name of a topic.
pub(super) fn topic_problem(name: &str) -> Option<&'static str> {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if name.is_empty() {
        Some("it is empty")
    } else if name == "." || name == ".." {
        Some("it is a path")
    } else if name.len() > TOPIC_BYTES_MAX {
        Some("it has more than 249 characters")
    } else if !name.bytes().all(is_legal) {
        Some("it has other characters than letters, digits, `.`, `_` and `-`")
    } else {
        None
    }
}

/// Appends a scalar as a key; whether there is one.
fn push_key(value: &Value, out: &mut Vec<u8>) -> bool {
    let text = match value {
        Value::Bytes(bytes) => {
            out.extend_from_slice(bytes);
            return !bytes.is_empty();
        }
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Boolean(truth) => truth.to_string(),
        Value::Timestamp(time) => time.to_rfc3339(),
        Value::String(_) => match value.to_str_lossy() {
            Some(text) => text.into_owned(),
            None => return false,
        },
        Value::Regex(_) | Value::Object(_) | Value::Array(_) | Value::Null => return false,
    };
    out.extend_from_slice(text.as_bytes());
    !text.is_empty()
}
