//! A program's text, with the parts that it includes put in their places.
//!
//! A line that holds nothing but `include "PATH"` stands for the text of that file, read relative to the file that the
//! line stands in. So a long program is read, and overridden, concern by concern, and is still one program: its parts
//! share variables, and one compilation checks them all. Every byte of the whole remembers its file, so messages name
//! the part and the line that its author sees.
//!
//! A line that reads so inside a string or a comment is part of that. What this does not do: look through symbolic
//! links, so that a part which includes itself by one is found to be too deep, and not to be itself.

use std::{
    io,
    ops::Range,
    path::{Component, Path, PathBuf},
};

use super::{CompileError, Place, builtin::read_or_builtin, compile::finding_at};

/// How deep parts may include parts.
const DEPTH_MAX: usize = 16;

/// Reads a file that a configuration or a program names.
pub type ReadFile<'a> = &'a dyn Fn(&Path) -> io::Result<String>;

/// A program's whole text, and where each piece of it comes from.
#[derive(Clone, Debug)]
pub struct Source {
    text: String,
    parts: Vec<Part>,
    /// In the order of the text, without gaps.
    pieces: Vec<Piece>,
}

/// A text that the whole was put together from.
#[derive(Clone, Debug)]
struct Part {
    place: Place,
    text: String,
}

/// A stretch of the whole that comes from one part.
#[derive(Clone, Debug)]
struct Piece {
    whole: Range<usize>,
    part: usize,
    /// Where the stretch begins in the part's own text.
    start: usize,
}

impl Source {
    /// A text that is the whole program, without parts.
    pub fn plain(text: &str, place: &Place) -> Source {
        let part = Part { place: place.clone(), text: text.to_owned() };
        let piece = Piece { whole: 0..text.len(), part: 0, start: 0 };
        Source { text: text.to_owned(), parts: vec![part], pieces: vec![piece] }
    }

    /// The text at `place` with its parts.
    ///
    /// # Errors
    /// A part that cannot be read, or includes itself.
    pub fn new(text: &str, place: &Place, read_file: ReadFile<'_>) -> Result<Source, CompileError> {
        let mut source = Source { text: String::new(), parts: Vec::new(), pieces: Vec::new() };
        let mut open = Vec::new();
        if let Place::File(path) = place {
            open.push(plain(path));
        }
        source.append(text, place, read_file, &mut open)?;
        Ok(source)
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where the program itself stands.
    pub fn place(&self) -> &Place {
        &self.parts[0].place
    }

    /// The files of the parts, the program's own included.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.parts.iter().filter_map(|part| match &part.place {
            Place::File(path) => Some(path.as_path()),
            Place::Inline | Place::Option(_) => None,
        })
    }

    /// The part that the byte at `offset` of the whole comes from, with its text and the byte's offset there.
    pub fn locate(&self, offset: usize) -> (&Place, &str, usize) {
        let piece = self.piece_at(offset);
        let part = &self.parts[piece.part];
        let within = offset.min(piece.whole.end) - piece.whole.start;
        (&part.place, &part.text, piece.start + within)
    }

    /// The number of the part that the byte at `offset` of the whole comes from.
    pub(super) fn part_at(&self, offset: usize) -> usize {
        self.piece_at(offset).part
    }

    fn piece_at(&self, offset: usize) -> &Piece {
        let following = self.pieces.partition_point(|piece| piece.whole.start <= offset);
        &self.pieces[following.saturating_sub(1)]
    }

    fn append(
        &mut self,
        text: &str,
        place: &Place,
        read_file: ReadFile<'_>,
        open: &mut Vec<PathBuf>,
    ) -> Result<(), CompileError> {
        // Some editors put a mark at the start, which is no part of the language.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let part = self.parts.len();
        self.parts.push(Part { place: place.clone(), text: text.to_owned() });
        let (mut start, mut inside) = (0, Inside::Code);
        for line in text.split_inclusive('\n') {
            let end = start + line.len();
            match included(line).filter(|_| inside == Inside::Code) {
                None => {
                    self.append_piece(part, line, start);
                    inside = inside.after(line);
                }
                Some(path) => {
                    let path = beside(place, path);
                    let text = read_part(&path, read_file, open)
                        .map_err(|message| refusal(place, text, start, &message))?;
                    open.push(path.clone());
                    self.append(&text, &Place::File(path), read_file, open)?;
                    open.pop();
                    // A part's last line need not have an end, and must not run into what follows.
                    self.append_piece(part, "\n", end - 1);
                }
            }
            start = end;
        }
        Ok(())
    }

    fn append_piece(&mut self, part: usize, text: &str, start: usize) {
        let begin = self.text.len();
        self.text.push_str(text);
        let whole = begin..self.text.len();
        match self.pieces.last_mut() {
            Some(last) if last.part == part && last.start + last.whole.len() == start => {
                last.whole.end = whole.end;
            }
            _ => self.pieces.push(Piece { whole, part, start }),
        }
    }
}

/// The text of the part at `path`, which the last of the files `open` includes.
fn read_part(path: &Path, read_file: ReadFile<'_>, open: &[PathBuf]) -> Result<String, String> {
    let shown = path.display();
    if let Some(first) = open.iter().position(|open| open == path) {
        let way = open[first..].iter().map(|open| open.display().to_string());
        let way: Vec<String> = way.chain([shown.to_string()]).collect();
        return Err(format!("`{shown}` includes itself: {}", way.join(" → ")));
    }
    if open.len() > DEPTH_MAX {
        return Err(format!("`{shown}` is too deep: {DEPTH_MAX} parts include one another"));
    }
    read_or_builtin(path, read_file)
        .map_err(|error| format!("cannot read the part `{shown}`: {error}"))
}

/// What is wrong with the line of `text` that begins at `start`, drawn as the compiler draws its findings.
fn refusal(place: &Place, text: &str, start: usize, message: &str) -> CompileError {
    let line = text[..start].matches('\n').count() + 1;
    let shown = text[start..].lines().next().unwrap_or_default().trim_end();
    let (number, gap) = (line.to_string(), " ".repeat(line.to_string().len()));
    let diagnostic = format!("{gap} ┌─ {place}:{line}:1\n{gap} │\n{number} │ {shown}");
    CompileError {
        message: format!("{}: {message}", place.line(text, start)),
        findings: vec![finding_at((place, text, start), message, &diagnostic)],
        diagnostic,
    }
}

/// What a line begins in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inside {
    Code,
    /// `"…"`.
    String,
    /// `s'…'`, `r'…'` or `t'…'`.
    RawString,
}

impl Inside {
    /// What the line after `line` begins in.
    fn after(mut self, line: &str) -> Inside {
        let mut before = None;
        let mut letters = line.chars();
        while let Some(letter) = letters.next() {
            match (self, letter) {
                (Inside::Code, '#') => return self,
                (Inside::Code, '"') => self = Inside::String,
                (Inside::Code, '\'') if matches!(before, Some('s' | 'r' | 't')) => {
                    self = Inside::RawString;
                }
                (Inside::String, '"') | (Inside::RawString, '\'') => self = Inside::Code,
                (Inside::String | Inside::RawString, '\\') => {
                    letters.next();
                }
                (Inside::Code | Inside::String | Inside::RawString, _) => {}
            }
            before = Some(letter);
        }
        self
    }
}

/// The path that a line includes, where it does so.
fn included(line: &str) -> Option<&str> {
    let rest = line.trim().strip_prefix("include")?;
    let quoted = rest.strip_prefix(char::is_whitespace)?.trim().strip_prefix('"')?;
    let (path, after) = quoted.split_once('"')?;
    let after = after.trim_start();
    (after.is_empty() || after.starts_with('#')).then_some(path)
}

/// `path` relative to the file at `place`.
fn beside(place: &Place, path: &str) -> PathBuf {
    match place {
        Place::File(file) => plain(&file.parent().unwrap_or(Path::new("")).join(path)),
        Place::Inline | Place::Option(_) => plain(Path::new(path)),
    }
}

/// The path without the steps that lead nowhere, so that a file has one name.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for step in path.components() {
        match step {
            Component::CurDir => {}
            Component::ParentDir if plain.file_name().is_some() => {
                plain.pop();
            }
            step => plain.push(step),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path) -> io::Result<String> {
        match path.to_str() {
            Some("a/one.vrl") => {
                Ok(".one = 1\n  include \"more/two.vrl\" # more\n.after = 1".into())
            }
            Some("a/more/two.vrl") => Ok(".two = 2".into()),
            Some("loop.vrl") => Ok(".x = 1\ninclude \"a/../loop.vrl\"\n".into()),
            Some("a/back.vrl") => Ok("include \"./main.vrl\"".into()),
            Some("a/windows.vrl") => {
                Ok("\u{feff}.one = 1\r\ninclude \"more/two.vrl\"\r\n.after = 1\r\n".into())
            }
            Some("a/latin.vrl") => Err(io::ErrorKind::InvalidData.into()),
            Some(deep) if deep.starts_with("a/d") => Ok(format!("include \"{}d\"", &deep[2..])),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn source(text: &str) -> Result<Source, CompileError> {
        Source::new(text, &Place::File("a/main.vrl".into()), &read)
    }

    #[test]
    fn parts_stand_where_they_are_included() {
        let source = source("include \"one.vrl\"\n.last = 1\n").expect("the parts are there");
        assert_eq!(source.text(), ".one = 1\n.two = 2\n.after = 1\n.last = 1\n");
        let files: Vec<&Path> = source.files().collect();
        assert_eq!(files, ["a/main.vrl", "a/one.vrl", "a/more/two.vrl"].map(Path::new));
    }

    #[test]
    fn every_byte_knows_its_file_and_line() {
        let source = source("include \"one.vrl\"\n.last = 1\n").expect("the parts are there");
        for (what, expected) in [
            (".one", "a/one.vrl:1"),
            (".two", "a/more/two.vrl:1"),
            (".after", "a/one.vrl:3"),
            (".last", "a/main.vrl:2"),
        ] {
            let offset = source.text().find(what).expect("it is in the text");
            let (place, text, offset) = source.locate(offset);
            assert_eq!(place.line(text, offset), expected);
            assert!(text[offset..].starts_with(what), "{what}");
        }
    }

    #[test]
    fn a_part_that_is_not_there_or_includes_itself_is_named_with_the_line() {
        let message = |text: &str| source(text).expect_err("it is wrong").message;
        assert_eq!(
            message("\ninclude \"three.vrl\""),
            "a/main.vrl:2: cannot read the part `a/three.vrl`: entity not found"
        );
        assert_eq!(
            message("include \"latin.vrl\""),
            "a/main.vrl:1: cannot read the part `a/latin.vrl`: invalid data"
        );
        assert_eq!(
            message("include \"../loop.vrl\""),
            "loop.vrl:2: `loop.vrl` includes itself: loop.vrl → loop.vrl"
        );
        assert_eq!(
            message("include \"back.vrl\""),
            "a/back.vrl:1: `a/main.vrl` includes itself: a/main.vrl → a/back.vrl → a/main.vrl"
        );
        assert!(message("include \"d\"").ends_with("is too deep: 16 parts include one another"));
    }

    #[test]
    fn the_line_that_includes_is_drawn() {
        let error = source(".a = 1\n\n  include \"three.vrl\"\r\n.b = 1").expect_err("it is wrong");
        assert_eq!(error.diagnostic, "  ┌─ a/main.vrl:3:1\n  │\n3 │   include \"three.vrl\"");
    }

    #[test]
    fn files_of_windows_are_read_alike() {
        let source =
            source("include \"windows.vrl\"\r\n.last = 1\r\n").expect("the parts are there");
        assert_eq!(source.text(), ".one = 1\r\n.two = 2\n.after = 1\r\n\n.last = 1\r\n");
        let offset = source.text().find(".after").expect("it is in the text");
        let (place, text, offset) = source.locate(offset);
        assert_eq!(place.line(text, offset), "a/windows.vrl:3");
    }

    #[test]
    fn what_stands_in_a_string_or_a_comment_is_left_alone() {
        for text in [
            "x = \"one\ninclude \\\"one.vrl\\\"\n\"",
            "x = s'one \" \\' \ninclude \"one.vrl\"\n'",
            "x = r'\\'\ninclude \"one.vrl\"\n'",
        ] {
            assert_eq!(source(text).expect("no part is read").text(), text);
        }
        for text in [
            "# it's \" a comment\ninclude \"one.vrl\"",
            "x = \"a # b\" # \"\ninclude \"one.vrl\"",
            "x = s'\"'\ninclude \"one.vrl\"",
        ] {
            let source = source(text).expect("the parts are there");
            assert!(source.text().contains(".two = 2"), "{text}");
        }
    }

    #[test]
    fn only_a_line_of_its_own_includes() {
        for line in ["# include \"x\"", "x = \"include\"", "include(\"x\")", "include \"x\" + 1"] {
            assert_eq!(included(line), None, "{line}");
        }
    }
}
