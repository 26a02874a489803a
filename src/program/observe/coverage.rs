//! Which statements ran, over any number of programs, file by file.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt,
    path::Path,
};

use super::Observed;
use crate::program::{Place, Program, Source};

/// What ran of the programs that were added. Parts that several of them share count once.
#[derive(Clone, Debug, Default)]
pub struct Coverage(BTreeMap<String, BTreeMap<(usize, usize), Statement>>);

/// A statement, by its place in its own file.
#[derive(Clone, Debug)]
struct Statement {
    first_line: usize,
    last_line: usize,
    text: String,
    has_run: bool,
}

/// What ran of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileCoverage {
    /// The file, or what the text is called.
    pub file: String,
    /// Statements that ran.
    pub covered: usize,
    /// All statements.
    pub total: usize,
    /// What did not run, in the order of the lines.
    pub not_run: Vec<NotRun>,
}

/// Neighbouring statements that no case ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotRun {
    /// Where the first of them begins, from 1.
    pub first_line: usize,
    /// Where the last of them ends.
    pub last_line: usize,
    /// The first of them, up to the end of its first line.
    pub text: String,
}

impl Coverage {
    /// Adds what was observed of `program`; nothing if it was not compiled to be observed. Its files are named relative
    /// to `folder`; a program that stands in no file is listed as `name`.
    pub fn add(&mut self, program: &Program, folder: &Path, name: &str) {
        let Some(observations) = program.observations() else { return };
        for observed in &observations.statements {
            let (file, key, statement) = statement(program.source(), observed);
            let file = file.map_or(name.to_owned(), |file| folder.join(file).display().to_string());
            match self.0.entry(file).or_default().entry(key) {
                Entry::Vacant(entry) => drop(entry.insert(statement)),
                Entry::Occupied(mut entry) => entry.get_mut().has_run |= statement.has_run,
            }
        }
    }

    /// What ran, by file.
    pub fn files(&self) -> Vec<FileCoverage> {
        let file = |(file, statements): (&String, &BTreeMap<_, Statement>)| FileCoverage {
            file: file.clone(),
            covered: statements.values().filter(|statement| statement.has_run).count(),
            total: statements.len(),
            not_run: not_run(statements.values()),
        };
        self.0.iter().map(file).collect()
    }

    /// The part of all statements that ran, in percent.
    pub fn percent(&self) -> f64 {
        let statements = || self.0.values().flat_map(BTreeMap::values);
        percent(statements().filter(|statement| statement.has_run).count(), statements().count())
    }
}

fn percent(part: usize, whole: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "programs are short")]
    let ratio = if whole == 0 { 1.0 } else { part as f64 / whole as f64 };
    ratio * 100.0
}

/// A statement's file, if it stands in one, its place there, and what is known of it.
fn statement<'a>(
    source: &'a Source,
    observed: &Observed,
) -> (Option<&'a Path>, (usize, usize), Statement) {
    let (place, text, start) = source.locate(observed.span.start());
    let (last_place, _, last) = source.locate(observed.span.end().saturating_sub(1));
    // Of what goes on in a part that it includes, only the start is told.
    let last = if last_place == place { last } else { start };
    let file = match place {
        Place::File(path) => Some(path.as_path()),
        Place::Inline | Place::Option(_) => None,
    };
    let line = |offset: usize| text[..offset].matches('\n').count() + 1;
    let own = text.get(start..=last).unwrap_or_default().trim_start();
    let statement = Statement {
        first_line: line(last + 1 - own.len()),
        last_line: line(last),
        text: own.lines().next().unwrap_or_default().to_owned(),
        has_run: observed.runs() > 0,
    };
    // The longer of two that begin together comes first: what it holds comes after it.
    (file, (start, usize::MAX - last), statement)
}

fn not_run<'a>(statements: impl Iterator<Item = &'a Statement>) -> Vec<NotRun> {
    let mut found: Vec<NotRun> = Vec::new();
    let mut goes_on = false;
    for Statement { first_line, last_line, text, has_run } in statements {
        match found.last_mut() {
            Some(last) if goes_on && !has_run => last.last_line = last.last_line.max(*last_line),
            _ if !has_run => found.push(NotRun {
                first_line: *first_line,
                last_line: *last_line,
                text: text.clone(),
            }),
            _ => {}
        }
        goes_on = !has_run;
    }
    found
}

impl fmt::Display for FileCoverage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FileCoverage { file, covered, total, not_run } = self;
        let percent = percent(*covered, *total);
        write!(formatter, "{file}: {covered} of {total} statements ran ({percent:.1} %)")?;
        for NotRun { first_line, last_line, text } in not_run {
            let lines = if first_line == last_line {
                first_line.to_string()
            } else {
                format!("{first_line}-{last_line}")
            };
            write!(formatter, "\n  {lines:>9}  {text}")?;
        }
        Ok(())
    }
}
