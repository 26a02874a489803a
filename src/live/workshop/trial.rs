//! Trying a program on some events.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use metrics::NoopRecorder;
use pipeline_core::{
    Batch, Clock, ComponentKind, ComponentMetrics, Event, Outputs, Prepared, Problem,
    TransformContext,
};
use serde::Serialize;
use tokio::time::Instant;
use tracing::subscriber::NoSubscriber;
use vrl::{path::OwnedValuePath, value::Value};

use super::{NoProgram, Workshop};

/// How long the events of one trial may take, besides the one that is at work then: that ends with its transform's own
/// `timeout`.
const TRIAL_MAX: Duration = Duration::from_secs(2);

/// How long the program runs on and on to be timed.
const TIMING_MAX: Duration = Duration::from_millis(50);

/// What came of a trial.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Trial {
    /// Whether the program compiles.
    pub ok: bool,
    /// What the compiler says of it.
    pub diagnostics: Vec<Diagnostic>,
    /// What became of each event.
    pub results: Vec<Tried>,
    /// Whether the time was over before every event was tried.
    pub incomplete: bool,
    /// What an event takes; nothing where none was tried.
    pub nanoseconds_per_event: Option<u64>,
}

/// Something that the compiler says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Diagnostic {
    /// The file of the part that it is about; nothing for a text in the configuration.
    pub file: Option<PathBuf>,
    /// From 1; nothing for what concerns the program as a whole.
    pub line: Option<usize>,
    /// From 1, in characters.
    pub column: Option<usize>,
    /// How bad it is.
    pub severity: Severity,
    /// What it is, in one line.
    pub message: String,
    /// All that the compiler says about it.
    pub text: String,
}

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The program cannot run.
    Error,
    /// It can.
    Warning,
}

/// What became of one event.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tried {
    /// The event.
    pub input: Value,
    /// What left; nothing for an event that was filtered out.
    pub outputs: Vec<Left>,
    /// Why the program failed on it.
    pub error: Option<String>,
}

/// An event that left.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Left {
    /// The port.
    pub port: String,
    /// Its content.
    pub event: Value,
}

impl Workshop {
    /// Tries `text` in the place of the program of `id` on each of `events`. Blocks.
    pub(super) fn try_program(
        &self,
        id: &str,
        text: &str,
        events: &[Event],
        clock: &Arc<dyn Clock>,
    ) -> Result<Trial, NoProgram> {
        let prepared = match self.prepare(id, text)? {
            Ok(prepared) => prepared,
            Err(problems) => {
                let diagnostics = diagnostics(&problems, Severity::Error);
                return Ok(Trial { diagnostics, ..Trial::default() });
            }
        };
        let trial = || {
            tracing::subscriber::with_default(NoSubscriber::new(), || {
                try_events(id, &prepared, events, clock)
            })
        };
        let (results, nanoseconds_per_event) = metrics::with_local_recorder(&NoopRecorder, trial);
        Ok(Trial {
            ok: true,
            diagnostics: diagnostics(&prepared.warnings, Severity::Warning),
            incomplete: results.len() < events.len(),
            results,
            nanoseconds_per_event,
        })
    }

    /// The transform `id` with `text` as its program.
    pub(super) fn prepare(
        &self,
        id: &str,
        text: &str,
    ) -> Result<Result<Prepared, Vec<Problem>>, NoProgram> {
        let (workplace, program) = self.find(id)?;
        let context = TransformContext {
            id: Arc::clone(&workplace.id),
            input: workplace.input.clone(),
            read_file: &|path| fs::read_to_string(path),
            tables: &self.tables,
        };
        Ok(program.with_text(text).prepare(&context))
    }
}

fn try_events(
    id: &str,
    prepared: &Prepared,
    events: &[Event],
    clock: &Arc<dyn Clock>,
) -> (Vec<Tried>, Option<u64>) {
    let metrics = ComponentMetrics::new(ComponentKind::Transform, "trial", &id.into());
    let mut worker = prepared.factory.worker(&metrics, clock);
    let start = Instant::now();
    let mut results = Vec::with_capacity(events.len());
    for event in events {
        if start.elapsed() >= TRIAL_MAX {
            break;
        }
        let mut outputs = Outputs::new(prepared.outputs.len());
        worker.transform(Batch::from(vec![event.detached()]), &mut outputs);
        let ports = prepared.outputs.iter().enumerate();
        let left: Vec<(&str, &Event)> = ports
            .flat_map(|(number, output)| {
                outputs.left_by(number).iter().map(|event| (output.port.as_str(), event))
            })
            .collect();
        results.push(Tried {
            input: event.value().clone(),
            error: left.iter().find_map(|(_, event)| failure(event)),
            outputs: left
                .iter()
                .map(|(port, event)| Left {
                    port: (*port).to_owned(),
                    event: event.value().clone(),
                })
                .collect(),
        });
    }
    let tried = &events[..results.len()];
    let (mut took, mut passed) = (Duration::ZERO, 0_u128);
    while !tried.is_empty() && took < TIMING_MAX && start.elapsed() < TRIAL_MAX {
        let batch = Batch::from(tried.iter().map(Event::detached).collect::<Vec<_>>());
        let mut outputs = Outputs::new(prepared.outputs.len());
        let start = Instant::now();
        worker.transform(batch, &mut outputs);
        took += start.elapsed();
        passed += tried.len() as u128;
    }
    let each = took.as_nanos().checked_div(passed).and_then(|each| u64::try_from(each).ok());
    (results, each)
}

/// Why a program failed on an event, as its transform has noted it.
fn failure(event: &Event) -> Option<String> {
    let message = ["dropped", "message"].map(str::to_owned);
    let path = OwnedValuePath::from(
        message.into_iter().map(|name| vrl::path::OwnedSegment::field(&name)).collect::<Vec<_>>(),
    );
    event.metadata().get(&path)?.to_str_lossy().map(std::borrow::Cow::into_owned)
}

/// What problems say, one by one.
pub(super) fn diagnostics(problems: &[Problem], severity: Severity) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    for problem in problems {
        if problem.findings.is_empty() {
            let texts = [Some(&problem.message), problem.detail.as_ref(), problem.fix.as_ref()];
            let texts: Vec<&str> = texts.into_iter().flatten().map(String::as_str).collect();
            diagnostics.push(Diagnostic {
                file: None,
                line: None,
                column: None,
                severity,
                message: problem.message.clone(),
                text: texts.join("\n"),
            });
        }
        diagnostics.extend(problem.findings.iter().map(|finding| Diagnostic {
            file: finding.file.clone(),
            line: Some(finding.line),
            column: Some(finding.column),
            severity: if finding.is_warning { Severity::Warning } else { Severity::Error },
            message: finding.message.clone(),
            text: finding.drawn.clone(),
        }));
    }
    diagnostics
}
