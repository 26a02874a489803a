//! One thing that was logged, with its place: which component, tenant and content type it concerns.

use std::{
    error::Error,
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
};

use serde_json::Value;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    span,
};
use tracing_subscriber::{layer::Context, registry::LookupSpan};

/// What was logged.
#[derive(Clone, Debug)]
pub(in crate::telemetry) struct Record {
    pub(in crate::telemetry) level: Level,
    pub(in crate::telemetry) message: String,
    pub(in crate::telemetry) place: Place,
    pub(in crate::telemetry) fields: Vec<(&'static str, Value)>,
    /// The line of code, and the place: the same for all that floods in from one cause.
    pub(in crate::telemetry) cause: u64,
    /// The same for records that differ in numbers at most.
    pub(in crate::telemetry) likeness: u64,
}

/// What a record concerns.
#[derive(Clone, Debug, Default, Hash, PartialEq, Eq)]
pub(in crate::telemetry) struct Place {
    pub(in crate::telemetry) component_id: Option<String>,
    pub(in crate::telemetry) tenant: Option<String>,
    pub(in crate::telemetry) content_type: Option<String>,
}

impl Place {
    /// What a span says of it.
    pub(in crate::telemetry) fn of_span(attributes: &span::Attributes<'_>) -> Place {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        fields.take_place()
    }

    fn or(self, outer: &Place) -> Place {
        Place {
            component_id: self.component_id.or_else(|| outer.component_id.clone()),
            tenant: self.tenant.or_else(|| outer.tenant.clone()),
            content_type: self.content_type.or_else(|| outer.content_type.clone()),
        }
    }

    /// With what the spans around `event` say.
    fn in_spans_of<S: Subscriber + for<'a> LookupSpan<'a>>(
        self,
        event: &Event<'_>,
        ctx: &Context<'_, S>,
    ) -> Place {
        let spans = ctx.event_scope(event).into_iter().flatten();
        spans.fold(self, |place, span| match span.extensions().get::<Place>() {
            Some(outer) => place.or(outer),
            None => place,
        })
    }

    /// What `event` concerns.
    pub(in crate::telemetry) fn of_event<S: Subscriber + for<'a> LookupSpan<'a>>(
        event: &Event<'_>,
        ctx: &Context<'_, S>,
    ) -> Place {
        let mut fields = Fields::default();
        event.record(&mut fields);
        fields.take_place().in_spans_of(event, ctx)
    }
}

impl Record {
    pub(in crate::telemetry) fn new<S: Subscriber + for<'a> LookupSpan<'a>>(
        event: &Event<'_>,
        ctx: &Context<'_, S>,
    ) -> Record {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let place = fields.take_place().in_spans_of(event, ctx);
        let Fields { message, others } = fields;
        let mut hasher = DefaultHasher::new();
        (event.metadata().callsite(), &place).hash(&mut hasher);
        let cause = hasher.finish();
        message.hash(&mut hasher);
        for (name, value) in &others {
            if let Value::String(text) = value {
                (name, text).hash(&mut hasher);
            }
        }
        Record {
            level: *event.metadata().level(),
            message,
            place,
            fields: others,
            cause,
            likeness: hasher.finish(),
        }
    }
}

/// The fields of an event or a span.
#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, Value)>,
}

impl Fields {
    fn take(&mut self, name: &str) -> Option<String> {
        let at = self.others.iter().position(|(other, _)| *other == name)?;
        match self.others.remove(at).1 {
            Value::String(text) => Some(text),
            other => Some(other.to_string()),
        }
    }

    fn take_place(&mut self) -> Place {
        Place {
            component_id: self.take("component_id"),
            tenant: self.take("tenant"),
            content_type: self.take("content_type"),
        }
    }

    fn add(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            ("message", other) => self.message = other.to_string(),
            // What the `log` crate's records carry besides: where they come from.
            (name, _) if name.starts_with("log.") => {}
            (name, value) => self.others.push((name.strip_prefix("r#").unwrap_or(name), value)),
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut text = value.to_string();
        let mut behind = value.source();
        while let Some(error) = behind {
            text.push_str(": ");
            text.push_str(&error.to_string());
            behind = error.source();
        }
        self.add(field, text.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}").into());
    }
}
