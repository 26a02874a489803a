//! Of which fields a program has to know what they are.
//!
//! VRL copies and compares what it knows of an event with every function call that it compiles: a mapping of 700 lines
//! took twelve seconds with a thousand known fields. So it is told only of those on which anything can depend.

use std::collections::HashSet;

use vrl::prelude::*;

use super::super::own;

/// VRL's functions for which it makes no difference what they are given.
const INDIFFERENT: [&str; 2] = ["del", "exists"];

/// The names in all paths of a program, but for the paths that are only ever given to functions that take anything.
pub(super) fn asked(program: &str) -> HashSet<&str> {
    let indifferent: HashSet<&str> = own()
        .iter()
        .filter(|function| {
            function.parameters().iter().all(|parameter| parameter.kind == kind::ANY)
        })
        .map(|function| function.identifier())
        .chain(INDIFFERENT)
        .collect();
    let is_path = |letter: char| is_word(letter) || matches!(letter, '.' | '@' | '"');
    let mut names = HashSet::new();
    let mut start = 0;
    for piece in program.split_inclusive(|letter| !is_path(letter)) {
        let path = piece.trim_end_matches(|letter| !is_path(letter));
        let caller = program.get(..start).and_then(caller);
        start += piece.len();
        if path.contains('.') && !caller.is_some_and(|caller| indifferent.contains(caller)) {
            names.extend(path.split(|letter| !is_word(letter)));
        }
    }
    names
}

/// The function whose first argument starts where `before` ends.
fn caller(before: &str) -> Option<&str> {
    before.trim_end().strip_suffix('(')?.rsplit(|letter| !is_word(letter)).next()
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_count_where_something_depends_on_what_they_are() {
        let program = "a = .x.First\nb = text_or_null(.x.Second) || downcase(.x.Third)\n\
                       if exists(.x.Fourth) { del( .x.Fifth ) }\nc = [.x.\"Sixth\"]\nd = Seventh";
        let names = asked(program);
        for name in ["First", "Third", "Sixth"] {
            assert!(names.contains(name), "{name}");
        }
        for name in ["Second", "Fourth", "Fifth", "Seventh"] {
            assert!(!names.contains(name), "{name}");
        }
    }
}
