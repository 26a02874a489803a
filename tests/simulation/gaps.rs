//! Reads from the log what the source reports as never listed: the place where people learn it.

use std::{fmt::Debug, sync::Arc};

use pipeline_core::Timestamp;
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use crate::{
    journal::{Entry, Journal},
    trace::Trace,
};

/// What the report of a gap says.
const MESSAGE: &str = "content created in this time was never listed and is listed no more";

/// Takes the log of one simulation.
pub(crate) struct Log {
    pub(crate) journal: Arc<Journal>,
    pub(crate) trace: Arc<Trace>,
}

#[derive(Default)]
struct Fields {
    message: String,
    tenant: String,
    content_type: String,
    from: String,
    to: String,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let place = match field.name() {
            "message" => &mut self.message,
            "tenant" => &mut self.tenant,
            "content_type" => &mut self.content_type,
            "from" => &mut self.from,
            "to" => &mut self.to,
            _ => return,
        };
        *place = format!("{value:?}").trim_matches('"').to_owned();
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn new_span(&self, _span: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _span: &span::Id, _values: &span::Record<'_>) {}

    fn record_follows_from(&self, _span: &span::Id, _follows: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let Fields { message, tenant, content_type, from, to } = fields;
        self.trace.note(format_args!("log: {message} {tenant} {content_type} {from} {to}"));
        if message == MESSAGE {
            let [from, to] = [from, to].map(|text| text.parse::<Timestamp>().unwrap());
            self.journal.add(Entry::Gap { tenant, content_type, from, to });
        }
    }

    fn enter(&self, _span: &span::Id) {}

    fn exit(&self, _span: &span::Id) {}
}
