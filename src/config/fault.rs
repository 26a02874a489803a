//! A mistake in a configuration, and how it is shown: file, line, what is wrong, how to mend it.

use std::{
    fmt,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Variables' values that are shorter are not hidden: they would be found in words of ours, and are no secrets.
const HIDDEN_BYTES_MIN: usize = 4;

/// A configuration file's name and text, kept to turn offsets into lines.
#[derive(PartialEq, Eq)]
pub struct SourceFile {
    /// The name as the user gave it.
    pub path: PathBuf,
    /// The text.
    pub text: String,
}

impl fmt::Debug for SourceFile {
    /// Shows the name alone: the text may hold secrets.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SourceFile").field("path", &self.path).finish_non_exhaustive()
    }
}

/// A place in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    file: Arc<SourceFile>,
    bytes: Range<usize>,
}

impl Span {
    /// The place of `bytes` in `file`.
    pub fn new(file: &Arc<SourceFile>, bytes: Range<usize>) -> Span {
        Span { file: Arc::clone(file), bytes }
    }

    /// Line and column of the place's start, both from 1.
    pub fn line_and_column(&self) -> (usize, usize) {
        let before = &self.file.text[..self.start()];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// The file's name as the user gave it.
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// Where the place starts, moved back to a character's first byte.
    pub(super) fn start(&self) -> usize {
        self.file.text.floor_char_boundary(self.bytes.start)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.line_and_column();
        write!(formatter, "{}:{line}:{column}", self.file.path.display())
    }
}

/// One mistake, at its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where; nothing for what concerns no place in a file.
    pub span: Option<Span>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub fix: Option<String>,
    /// A longer explanation.
    pub detail: Option<String>,
    /// A variable is not set, and a stand-in took its place: nothing else can be wrong for that.
    pub is_unset_variable: bool,
    /// The configuration may be right: what it relies on did not answer, and may do so later.
    pub may_pass: bool,
}

impl Fault {
    /// A fault at `span`.
    pub fn at(span: &Span, message: impl Into<String>) -> Fault {
        Fault {
            span: Some(span.clone()),
            message: message.into(),
            fix: None,
            detail: None,
            is_unset_variable: false,
            may_pass: false,
        }
    }

    /// A fault of no place.
    pub fn general(message: impl Into<String>) -> Fault {
        Fault {
            span: None,
            message: message.into(),
            fix: None,
            detail: None,
            is_unset_variable: false,
            may_pass: false,
        }
    }

    /// Says that it may be gone at the next try.
    #[must_use]
    pub(super) fn passing(mut self) -> Fault {
        self.may_pass = true;
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Fault {
        self.fix = Some(fix.into());
        self
    }

    /// Takes the value of a variable out of the text.
    pub(super) fn hide(&mut self, value: &str) {
        // A compiler shows a value of several lines line by line.
        for line in value.lines().map(str::trim).filter(|line| line.len() >= HIDDEN_BYTES_MIN) {
            let texts = [Some(&mut self.message), self.fix.as_mut(), self.detail.as_mut()];
            for text in texts.into_iter().flatten().filter(|text| text.contains(line)) {
                *text = text.replace(line, "(hidden value)");
            }
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The line itself is not shown: it may hold a secret.
        match &self.span {
            Some(span) => write!(formatter, "{span}: {}", self.message)?,
            None => write!(formatter, "{}", self.message)?,
        }
        if let Some(detail) = &self.detail {
            for line in detail.trim_end().lines() {
                write!(formatter, "\n    {line}")?;
            }
        }
        match &self.fix {
            Some(fix) => write!(formatter, "\n  fix: {fix}"),
            None => Ok(()),
        }
    }
}

/// The name among `known` that `wrong` was probably meant to be.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |name: &str| strsim::jaro_winkler(&wrong.to_lowercase(), &name.to_lowercase());
    known
        .into_iter()
        .map(|name| (likeness(name), name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .map(|(_, name)| name)
}
