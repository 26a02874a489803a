//! Golden pairs: what a program makes of records that lie beside it.
//!
//! Beside `NAME.vrl` stand `NAME.input.ndjson`, one record a line, and `NAME.output.ndjson`, on the same line what the
//! program makes of it: the event; an array of events where it splits the record; `{"%dropped": …}` with `reason` and
//! `message` where it fails or aborts. Empty lines in the input are skipped. Where
//! `DIR.vrl` stands beside a folder `DIR`, the programs in it are its parts, and their records go through all of
//! `DIR.vrl`. The same checks serve `o365flow test` and the project's own tests.
//!
//! Nothing here knows what would be right: a changed output is a failure until it is accepted, by writing the output
//! files anew and reading their diff.

mod diff;

use std::{
    collections::BTreeMap,
    fmt::{self, Display},
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use pipeline_core::{Event, EventAck, Origin, Record, RecordError, Schema};
use vrl::value::{ObjectMap, Value};

use super::{
    CompileError, Coverage, Failure, FailureKind, Place, Program, Root, Runner, Source,
    Surroundings, compile_observed, compile_source,
};

/// How long a program may work on one record.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What to do with outputs that differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Report them.
    Same,
    /// Take them as right: write the output files anew.
    Update,
}

/// What a golden run found.
#[derive(Debug, Default)]
pub struct Report {
    /// Records whose outputs were as expected, or were taken as right.
    pub passed: usize,
    /// Programs without records beside them.
    pub untested: Vec<PathBuf>,
    /// Output files that were written anew.
    pub updated: Vec<PathBuf>,
    /// What went wrong.
    pub failures: Vec<GoldenFailure>,
}

impl Report {
    /// Whether nothing went wrong.
    pub fn is_ok(&self) -> bool {
        self.failures.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for failure in &self.failures {
            writeln!(formatter, "{failure}\n")?;
        }
        for path in &self.untested {
            writeln!(formatter, "{}: no records beside it", path.display())?;
        }
        for path in &self.updated {
            writeln!(formatter, "{}: written anew", path.display())?;
        }
        write!(formatter, "{} passed, {} failed", self.passed, self.failures.len())
    }
}

/// One thing that went wrong in a golden run.
#[derive(Debug, thiserror::Error)]
pub enum GoldenFailure {
    /// A file could not be read or written.
    #[error("cannot access `{}`: {source}", path.display())]
    Access {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A program was named, but has no records beside it.
    #[error("{}: there is no `{}`", program.display(), input.display())]
    NoInput {
        /// The program.
        program: PathBuf,
        /// Where its records should be.
        input: PathBuf,
    },
    /// The program does not compile.
    #[error("{}: it does not compile\n{diagnostic}", program.display())]
    Compile {
        /// The program.
        program: PathBuf,
        /// VRL's own text.
        diagnostic: String,
    },
    /// A line is not JSON.
    #[error("{}:{line}: not a JSON object: {message}", file.display())]
    NotJson {
        /// The input or the output file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        message: String,
    },
    /// The program makes something else of a record.
    #[error("{}: {}:{line}: the output differs\n{difference}", program.display(), input.display())]
    Differs {
        /// The program.
        program: PathBuf,
        /// Its input file.
        input: PathBuf,
        /// The record's line, from 1.
        line: usize,
        /// One line for each path that differs.
        difference: String,
    },
    /// The output file has more lines than there are records.
    #[error("{}: {extra} more lines than there are records", output.display())]
    TooManyOutputs {
        /// The output file.
        output: PathBuf,
        /// How many.
        extra: usize,
    },
}

/// Runs the golden pairs of `paths`: programs, or folders with programs in them. Each program is compiled against
/// `input`.
pub fn run(paths: &[PathBuf], input: &Schema, expect: Expect) -> Report {
    Golden::new(input, expect, compile_source).run(paths).report
}

/// Runs the golden pairs as [`run`] does, and tells what of the programs they ran.
pub fn run_observed(paths: &[PathBuf], input: &Schema, expect: Expect) -> (Report, Coverage) {
    let golden = Golden::new(input, expect, compile_observed).run(paths);
    let mut coverage = Coverage::default();
    for (path, program) in golden.compiled {
        coverage.add(&program, path.parent().unwrap_or(Path::new("")), "");
    }
    (golden.report, coverage)
}

type Compile = fn(Source, &Schema, &Surroundings) -> Result<Program, CompileError>;

/// A run over golden pairs.
struct Golden<'a> {
    input: &'a Schema,
    expect: Expect,
    compile: Compile,
    /// The programs so far, by their files: the parts of one are compiled once.
    compiled: BTreeMap<PathBuf, Arc<Program>>,
    report: Report,
}

impl<'a> Golden<'a> {
    fn new(input: &'a Schema, expect: Expect, compile: Compile) -> Golden<'a> {
        Golden { input, expect, compile, compiled: BTreeMap::new(), report: Report::default() }
    }

    fn run(mut self, paths: &[PathBuf]) -> Golden<'a> {
        for path in paths {
            let outcome =
                if path.is_dir() { self.run_folder(path) } else { self.run_program(path) };
            self.report.failures.extend(outcome.err());
        }
        self
    }

    fn run_folder(&mut self, folder: &Path) -> Result<(), GoldenFailure> {
        let entries = access(folder, fs::read_dir(folder))?;
        let mut paths = Vec::new();
        for entry in entries {
            paths.push(access(folder, entry)?.path());
        }
        paths.sort();
        for path in paths {
            if path.is_dir() {
                self.run_folder(&path)?;
            } else if path.extension().is_some_and(|extension| extension == "vrl") {
                match self.run_program(&path) {
                    Err(GoldenFailure::NoInput { program, .. }) => {
                        self.report.untested.push(program);
                    }
                    outcome => self.report.failures.extend(outcome.err()),
                }
            }
        }
        Ok(())
    }

    fn run_program(&mut self, program: &Path) -> Result<(), GoldenFailure> {
        let input_file = program.with_extension("input.ndjson");
        if !input_file.exists() {
            return Err(GoldenFailure::NoInput { program: program.to_owned(), input: input_file });
        }
        let records = access(&input_file, fs::read_to_string(&input_file))?;
        let mut runner = Runner::new(self.compiled(program)?, TIMEOUT);
        let origin = Origin::new("golden", Value::Object(ObjectMap::new()));
        let mut outputs = Vec::new();
        for (line, record) in numbered(&records) {
            let record = Record::read(record.as_bytes()).map_err(|error| match error {
                RecordError::NotJson(error) => not_json(&input_file, line, &error),
                other => not_json(&input_file, line, &other),
            })?;
            let mut event = Event::of(record, Arc::clone(&origin), EventAck::unattended());
            let ended = runner.run(&mut event);
            outputs.push((line, outcome(&event, ended)));
        }
        let output = program.with_extension("output.ndjson");
        let pair = Pair { program, input: input_file, output };
        match self.expect {
            Expect::Same => pair.compare(&outputs, &mut self.report),
            Expect::Update => pair.update(&outputs, &mut self.report),
        }
    }

    /// The whole that `program` is a part of, or itself, compiled.
    fn compiled(&mut self, program: &Path) -> Result<Arc<Program>, GoldenFailure> {
        let whole = whole(program);
        if let Some(compiled) = self.compiled.get(&whole) {
            return Ok(Arc::clone(compiled));
        }
        let text = access(&whole, fs::read_to_string(&whole))?;
        // The messages of failed runs are golden too: they name the file, not the way to it from here.
        let place = Place::File(whole.file_name().unwrap_or_default().into());
        let folder = whole.parent().unwrap_or(Path::new(""));
        let compiled = Source::new(&text, &place, &|path| fs::read_to_string(folder.join(path)))
            .and_then(|source| (self.compile)(source, self.input, &Surroundings::default()))
            .map_err(|error| GoldenFailure::Compile {
                program: program.to_owned(),
                diagnostic: error.diagnostic,
            })?;
        let compiled = Arc::new(compiled);
        self.compiled.insert(whole, Arc::clone(&compiled));
        Ok(compiled)
    }
}

/// The program that `program` is a part of: where `NAME.vrl` stands beside the folder `NAME`, the programs in that
/// folder are its parts, and their records go through the whole.
fn whole(program: &Path) -> PathBuf {
    let whole = program.parent().map(|folder| folder.with_extension("vrl"));
    whole.filter(|whole| whole.is_file()).unwrap_or_else(|| program.to_owned())
}

/// What became of a record, as a line of the output file has it.
fn outcome(event: &Event, ended: Result<Root, Failure>) -> Value {
    match ended {
        Ok(Root::Object) => event.value().clone(),
        Ok(Root::Objects(events)) => Value::Array(events),
        Err(failure) => {
            let reason = match failure.kind {
                FailureKind::Abort => "abort",
                FailureKind::Error => "error",
                FailureKind::Timeout => "timeout",
            };
            let why = ObjectMap::from([
                ("reason".into(), reason.into()),
                ("message".into(), failure.message.into()),
            ]);
            Value::Object(ObjectMap::from([("%dropped".into(), Value::Object(why))]))
        }
    }
}

/// A program's files.
struct Pair<'a> {
    program: &'a Path,
    input: PathBuf,
    output: PathBuf,
}

impl Pair<'_> {
    fn compare(
        &self,
        outputs: &[(usize, Value)],
        report: &mut Report,
    ) -> Result<(), GoldenFailure> {
        let expected = access(&self.output, fs::read_to_string(&self.output))?;
        let mut expected_lines = numbered(&expected);
        for (line, output) in outputs {
            let wanted = match expected_lines.next() {
                Some((line, text)) => serde_json::from_str(text)
                    .map_err(|error| not_json(&self.output, line, &error))
                    .map(Some)?,
                None => None,
            };
            let difference = diff::describe(wanted.as_ref(), &serde_json::json!(output));
            if difference.is_empty() {
                report.passed += 1;
                continue;
            }
            report.failures.push(GoldenFailure::Differs {
                program: self.program.to_owned(),
                input: self.input.clone(),
                line: *line,
                difference,
            });
        }
        match expected_lines.count() {
            0 => Ok(()),
            extra => Err(GoldenFailure::TooManyOutputs { output: self.output.clone(), extra }),
        }
    }

    fn update(&self, outputs: &[(usize, Value)], report: &mut Report) -> Result<(), GoldenFailure> {
        let mut text = String::new();
        for (_, output) in outputs {
            text.push_str(&serde_json::json!(output).to_string());
            text.push('\n');
        }
        report.passed += outputs.len();
        let before = fs::read_to_string(&self.output).unwrap_or_default();
        if before != text {
            access(&self.output, fs::write(&self.output, text))?;
            report.updated.push(self.output.clone());
        }
        Ok(())
    }
}

/// The lines that are not empty, with their numbers from 1.
fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    lines.filter(|(_, line)| !line.is_empty())
}

fn access<T>(path: &Path, outcome: io::Result<T>) -> Result<T, GoldenFailure> {
    outcome.map_err(|source| GoldenFailure::Access { path: path.to_owned(), source })
}

fn not_json(file: &Path, line: usize, error: &dyn Display) -> GoldenFailure {
    GoldenFailure::NotJson { file: file.to_owned(), line, message: error.to_string() }
}

#[cfg(test)]
mod tests;
