//! How a transform lets go of events: by the port `dropped` where it could not tell what to do with one, with the
//! reason in the metadata; or on purpose.
//!
//! Invariant: an event that a program failed on leaves as it came. What is then done with it, whoever reads the port
//! decides; where nobody does, the topology keeps it as a dead letter.

use pipeline_core::{
    ComponentId, ComponentMetrics, DROPPED_PORT, ErrorStage, Event, Outcome, Output, Problem,
    Schema, TransformContext,
};
use tracing::warn;
use vrl::{
    owned_value_path,
    path::OwnedValuePath,
    value::{Kind, ObjectMap, Value, kind::Collection},
};

use crate::program::{
    CompileError, Condition, Failure, FailureKind, compile_condition, tables::Tables,
};

/// One worker's way to let go of events.
pub(super) struct Dropping {
    id: ComponentId,
    metrics: ComponentMetrics,
    /// Whether a failure was logged: the first one is, the rest are counted.
    complained: bool,
    /// Where in the metadata the reason goes.
    dropped: OwnedValuePath,
}

impl Dropping {
    /// For the transform `id`, whose counters are `metrics`.
    pub(super) fn new(id: &ComponentId, metrics: &ComponentMetrics) -> Dropping {
        Dropping {
            id: ComponentId::clone(id),
            metrics: metrics.clone(),
            complained: false,
            dropped: OwnedValuePath::single_field("dropped"),
        }
    }

    /// Ends the way of an event that the configuration does not want.
    pub(super) fn filter(&self, event: Event) {
        self.metrics.discarded_intentionally(1);
        event.settle(Outcome::Filtered);
    }

    /// Counts a failure.
    pub(super) fn count(&mut self, failure: &Failure) {
        let error_type = match failure.kind {
            FailureKind::Abort | FailureKind::Error => "conversion_failed",
            FailureKind::Timeout => "timed_out",
        };
        self.metrics.error(error_type, ErrorStage::Processing);
        if !self.complained {
            self.complained = true;
            // Without the message, which can quote the record.
            warn!(component_id = %self.id, error_type, "the program failed on an event; more will only be counted");
        }
    }

    /// Notes in the metadata of an event that leaves by the port `dropped` why it does.
    pub(super) fn note(&self, event: &mut Event, failure: Failure) {
        let reason = match failure.kind {
            FailureKind::Abort | FailureKind::Error => "error",
            FailureKind::Timeout => "timeout",
        };
        let why = [
            ("component_id", Value::from(&*self.id)),
            ("reason", Value::from(reason)),
            ("message", Value::from(failure.message)),
        ];
        let why: ObjectMap = why.into_iter().map(|(key, value)| (key.into(), value)).collect();
        event.set_metadata(&self.dropped, Value::Object(why));
    }
}

/// The port `dropped` of a transform that `input` reaches: what came in, with the reason in its metadata.
pub(super) fn dropped_output(input: &Schema) -> Output {
    let why = Collection::empty()
        .with_known("component_id", Kind::bytes())
        .with_known("message", Kind::bytes())
        .with_known("reason", Kind::bytes());
    let mut schema = input.clone();
    schema.metadata.set_at_path(&owned_value_path!("dropped"), Kind::object(why));
    Output::named(DROPPED_PORT, schema)
}

/// What the compiler says of the program in the option `key`.
pub(super) fn problem(key: &str, error: CompileError) -> Problem {
    let CompileError { message, diagnostic, findings } = error;
    Problem { findings, ..Problem::at(key, message).detail(diagnostic) }
}

/// Compiles the condition in the option `key`. What is odd about it is added to `warnings`.
pub(super) fn condition(
    key: &str,
    text: &str,
    context: &TransformContext<'_>,
    warnings: &mut Vec<Problem>,
) -> Result<Condition, Problem> {
    let condition =
        compile_condition(text, key, &context.input, &Tables::shared_by(context.tables))
            .map_err(|error| problem(key, error))?;
    warnings.extend(condition.warnings().cloned().map(|warning| problem(key, warning)));
    Ok(condition)
}
