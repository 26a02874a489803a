//! From VRL source to a program with the kinds of what it leaves behind.
//!
//! The output kind is what VRL's compiler computes, with one correction: VRL does not follow the state of `.` along
//! a `return`, so a program with one promises less (see [`Program::output`]).

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use pipeline_core::{ProgramFinding, Schema};
use vrl::{
    compiler::{
        CompileConfig, Function, TypeDef, TypeInfo, TypeState,
        state::{ExternalEnv, LocalEnv},
    },
    diagnostic::{Diagnostic, DiagnosticList, Formatter, Span},
    parser::parse,
    value::{Kind, kind::Collection},
};

use super::{
    Source, Surroundings, functions,
    observe::{Mark, Observations, marked},
    surroundings::ProgramText,
};

mod pieces;

use pieces::{Compiled, PieceCompiler};

/// Where a program's text stands, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a file of its own, named as the user named it.
    File(PathBuf),
    /// In an option `source` of the configuration; lines count from the start of the option's text.
    Inline,
    /// In the option of this name; lines count likewise.
    Option(String),
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File(path) => path.display().fmt(formatter),
            Place::Inline => formatter.write_str("source"),
            Place::Option(name) => formatter.write_str(name),
        }
    }
}

impl Place {
    /// The line in which `offset` lies, a number of bytes into the program's text.
    pub(super) fn line(&self, source: &str, offset: usize) -> String {
        let line = source.get(..offset).unwrap_or(source).matches('\n').count() + 1;
        match self {
            Place::File(path) => format!("{}:{line}", path.display()),
            Place::Inline | Place::Option(_) => format!("{self} line {line}"),
        }
    }
}

/// A program ready to run.
#[derive(Debug)]
pub struct Program {
    /// They run one after the other, and share variables.
    pub(super) pieces: Vec<vrl::compiler::Program>,
    /// The type of the last expression's value.
    pub(super) result: TypeDef,
    source: Source,
    output: Schema,
    warnings: Option<CompileError>,
    observations: Option<Arc<Observations>>,
}

impl Program {
    /// What an event is after a run that ended well. Where the program can leave an array at the root, the kind is
    /// that of the array's elements, for each becomes an event.
    pub fn output(&self) -> &Schema {
        &self.output
    }

    /// Whether a run can end in an error that the program itself raises.
    pub fn is_fallible(&self) -> bool {
        self.pieces.iter().any(|piece| piece.info().fallible)
    }

    /// Whether a run can end in an `abort`.
    pub fn is_abortable(&self) -> bool {
        self.pieces.iter().any(|piece| piece.info().abortable)
    }

    /// Says where `span` lies and what stands there, up to the end of its first line.
    pub(super) fn show(&self, span: Span) -> String {
        let (place, text, offset) = self.source.locate(span.start());
        let line = place.line(text, offset);
        let text = self.source.text().get(span.range()).and_then(|text| text.lines().next());
        format!("{line}: {}", text.unwrap_or_default())
    }

    /// The files that it was compiled from, its parts included.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.source.files()
    }

    /// The text that it was compiled from.
    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    /// What was seen of its statements, where it was compiled to be observed.
    pub(super) fn observations(&self) -> Option<&Arc<Observations>> {
        self.observations.as_ref()
    }

    /// What the compiler found odd without being wrong.
    pub fn warnings(&self) -> Option<&CompileError> {
        self.warnings.as_ref()
    }
}

/// What VRL's compiler says about a program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CompileError {
    /// The first finding in one line, with its place.
    pub message: String,
    /// All findings as the compiler draws them, with their places.
    pub diagnostic: String,
    /// The same, one by one.
    pub findings: Vec<ProgramFinding>,
}

/// Compiles the text `source`, which includes nothing and has no settings, against `input`, the kinds of what will
/// reach it.
///
/// # Errors
/// All that is wrong with the program, as VRL says it.
pub fn compile(source: &str, place: &Place, input: &Schema) -> Result<Program, CompileError> {
    compile_source(Source::plain(source, place), input, &Surroundings::default())
}

/// Compiles `source` against `input`, the kinds of what will reach it.
///
/// # Errors
/// All that is wrong with the program, as VRL says it.
pub fn compile_source(
    source: Source,
    input: &Schema,
    surroundings: &Surroundings,
) -> Result<Program, CompileError> {
    compile_limited(source, input, surroundings, |_| (), false)
}

/// Compiles as [`compile_source`] does, so that [`Coverage`](super::Coverage) and [`profile`](super::profile) can tell
/// which statements ran, and what they cost.
///
/// # Errors
/// All that is wrong with the program, as VRL says it.
pub fn compile_observed(
    source: Source,
    input: &Schema,
    surroundings: &Surroundings,
) -> Result<Program, CompileError> {
    let mut program = compile_source(source, input, surroundings)?;
    let ast = parse(program.source.text()).expect("a program that compiles can be parsed");
    let (ast, observations) = marked(ast);
    let mut functions = functions();
    functions.push(Box::new(Mark(Arc::clone(&observations))));
    let source = &program.source;
    let config = || configuration(source, surroundings);
    let compiled =
        PieceCompiler { source, functions: &functions, config: &config, is_asked: false }
            .compile_parsed(ast, &state(input))
            .map_err(|findings| describe(source, findings))?;
    program.pieces = compiled.pieces;
    program.observations = Some(observations);
    Ok(program)
}

/// Compiles `source` to run where `types` hold; gives its pieces, and what holds after them.
///
/// # Errors
/// All that is wrong with it, as VRL says it.
pub(super) fn compile_statement(
    source: &Source,
    functions: &[Box<dyn Function>],
    surroundings: &Surroundings,
    types: &TypeState,
) -> Result<(Vec<vrl::compiler::Program>, TypeState), CompileError> {
    let config = || {
        let mut config = configuration(source, surroundings);
        config.disable_unused_expression_check();
        config
    };
    PieceCompiler { source, functions, config: &config, is_asked: true }
        .compile(types)
        .map(|compiled| (compiled.pieces, compiled.end.state))
        .map_err(|findings| describe(source, findings))
}

/// What functions find when they are compiled.
fn configuration(source: &Source, surroundings: &Surroundings) -> CompileConfig {
    let mut config = CompileConfig::default();
    config.set_custom(surroundings.clone());
    config.set_custom(ProgramText(source.text().into()));
    config
}

/// What a program is told of the events that will reach it.
fn state(input: &Schema) -> TypeState {
    let external = ExternalEnv::new_with_kind(input.event.clone(), input.metadata.clone());
    TypeState { local: LocalEnv::default(), external }
}

/// Compiles as [`compile_source`] does, with what `limit` says of what the program may do, and whether its last
/// expression is its answer to a question.
pub(super) fn compile_limited(
    source: Source,
    input: &Schema,
    surroundings: &Surroundings,
    limit: impl Fn(&mut CompileConfig),
    is_asked: bool,
) -> Result<Program, CompileError> {
    let config = || {
        let mut config = configuration(&source, surroundings);
        limit(&mut config);
        config
    };
    let Compiled { pieces, end, warnings } =
        PieceCompiler { source: &source, functions: &functions(), config: &config, is_asked }
            .compile(&state(input))
            .map_err(|findings| describe(&source, findings))?;
    let Some(output) = output(&end, input) else {
        let message = format!("{}: the program never leaves an object at the root", source.place());
        let diagnostic = "an event is an object: the last value given to `.` must be one, or an \
                          array of them"
            .to_owned();
        let findings = vec![finding_at((source.place(), "", 0), &message, &diagnostic)];
        return Err(CompileError { message, diagnostic, findings });
    };
    let warnings = (!warnings.is_empty()).then(|| describe(&source, warnings));
    Ok(Program { pieces, result: end.result, source, output, warnings, observations: None })
}

/// The kinds after a run, or nothing where the root can never be an object.
fn output(end: &TypeInfo, input: &Schema) -> Option<Schema> {
    let mut output = Schema {
        event: events_of(end.state.external.target_kind())?,
        metadata: end.state.external.metadata_kind().clone(),
    };
    if !end.result.returns().is_never() {
        // After a `return` the state is one between the first and the last, which VRL does not record: what either
        // of them names can be there, and can be anything.
        output = output.merge(input.clone());
        output.event = loosened(&output.event);
        output.metadata = loosened(&output.metadata);
    }
    Some(output)
}

/// The kind of the events that a root of kind `root` becomes: itself where it is an object, its elements where it is
/// an array. Anything else is an error at run time.
fn events_of(root: &Kind) -> Option<Kind> {
    let object = |kind: &Kind| kind.as_object().map(|fields| Kind::object(fields.clone()));
    let elements = root.as_array().and_then(|elements| object(&elements.reduced_kind()));
    match (object(root), elements) {
        (Some(itself), Some(element)) => Some(itself.union(element)),
        (itself, element) => itself.or(element),
    }
}

/// An object with the same fields, each of which can be anything.
fn loosened(kind: &Kind) -> Kind {
    let known = kind.as_object().map(Collection::known).into_iter().flatten();
    let anything = |kind: &Kind| match kind.as_object() {
        Some(_) => Kind::any().without_object().union(loosened(kind)),
        None => Kind::any(),
    };
    let known = known.map(|(name, kind)| (name.clone(), anything(kind))).collect();
    Kind::object(Collection::from_parts(known, Kind::any()))
}

/// What the compiler has found, with the places in the parts.
pub(super) fn describe(source: &Source, findings: DiagnosticList) -> CompileError {
    let first = findings.iter().find(|finding| finding.is_problem()).or(findings.iter().next());
    let message =
        first.map_or_else(|| source.place().to_string(), |finding| one_line(source, finding));
    let marked = findings.into_iter().map(|finding| mark(source, finding));
    let findings: Vec<ProgramFinding> = marked.collect();
    let drawn: Vec<&str> = findings.iter().map(|finding| finding.drawn.as_str()).collect();
    CompileError { message, diagnostic: drawn.join("\n\n"), findings }
}

/// A finding with its place in the part that it is about.
fn mark(source: &Source, finding: Diagnostic) -> ProgramFinding {
    let labels = finding.labels();
    let label = labels.iter().find(|label| label.primary).or(labels.first());
    let message = match label.map(|label| label.message.as_str()) {
        Some(detail) if !detail.is_empty() && detail != finding.message() => {
            format!("{}: {detail}", bare(&finding))
        }
        _ => bare(&finding),
    };
    let (place, is_warning) = (source.locate(offset(&finding)), !finding.is_problem());
    ProgramFinding { is_warning, ..finding_at(place, &message, &draw(source, finding)) }
}

/// Something wrong at a place: a part, its text, and an offset in that.
pub(super) fn finding_at(
    (place, text, offset): (&Place, &str, usize),
    message: &str,
    drawn: &str,
) -> ProgramFinding {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let file = match place {
        Place::File(path) => Some(path.clone()),
        Place::Inline | Place::Option(_) => None,
    };
    ProgramFinding {
        file,
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        is_warning: false,
        message: message.to_owned(),
        drawn: drawn.to_owned(),
    }
}

/// A finding as VRL draws it, in the text of the part that it is about.
fn draw(source: &Source, mut finding: Diagnostic) -> String {
    let (place, text, _) = source.locate(offset(&finding));
    finding.labels.retain_mut(|label| {
        let (other, _, start) = source.locate(label.span.start());
        label.span = Span::new(start, start + label.span.end() - label.span.start());
        other == place && label.span.end() <= text.len()
    });
    // VRL's formatter has no name for the text: it draws `┌─ :3:5`.
    let drawn = Formatter::new(text, finding).to_string();
    drawn.trim().replace("┌─ :", &format!("┌─ {place}:"))
}

fn one_line(source: &Source, finding: &Diagnostic) -> String {
    let (place, text, offset) = source.locate(offset(finding));
    format!("{}: {}", place.line(text, offset), bare(finding))
}

/// A finding without its place.
fn bare(finding: &Diagnostic) -> String {
    // A function's own finding comes wrapped in one that says only that a function has found something.
    let inner = finding.message().strip_prefix("function compilation error: error[E");
    match inner.and_then(|inner| inner.split_once("] ")) {
        Some((code, message)) => format!("{message} (E{code})"),
        None => format!("{} (E{:03})", finding.message(), finding.code),
    }
}

/// Where in the whole text a finding is.
fn offset(finding: &Diagnostic) -> usize {
    let label = finding.labels().iter().find(|label| label.primary).or(finding.labels().first());
    label.map_or(0, |label| label.span.start())
}

#[cfg(test)]
mod tests;
