//! An event that passed, as it is shown.
//!
//! Invariant: what is shown has no control characters but line feeds of ours: an event must not be able to do something
//! to the terminal.

use std::fmt::Write;

use clap::ValueEnum;
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

/// Lines around a change that are shown.
const CONTEXT_LINES: usize = 2;

/// How events are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// One line of JSON an event, with what is known of it.
    Json,
    /// The event over several lines.
    Pretty,
    /// What has changed in it; with `--side both` only.
    Diff,
}

/// How events are shown here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    format: Format,
    is_coloured: bool,
}

const DIM: &str = "\u{1b}[2m";
const RED: &str = "\u{1b}[31m";
const GREEN: &str = "\u{1b}[32m";
const PLAIN: &str = "\u{1b}[0m";

impl Shown {
    pub(super) fn new(format: Format, is_coloured: bool) -> Shown {
        Shown { format, is_coloured }
    }

    pub(super) fn tells_what_was_skipped(self) -> bool {
        self.format != Format::Json
    }

    /// The text of an event, of which `data` is all that the API says, without a line feed at the end.
    pub(super) fn event(self, data: &str) -> String {
        let event: Value = serde_json::from_str(data).unwrap_or(Value::Null);
        let text = match self.format {
            Format::Json => return harmless(data),
            Format::Pretty => format!("{}\n{}", self.head(&event), pretty(&event["event"])),
            Format::Diff => {
                format!("{}\n{}", self.head(&event), self.diff(&event["before"], &event["event"]))
            }
        };
        text.trim_end().to_owned()
    }

    /// The line above an event: when, where, and why it was dropped.
    fn head(self, event: &Value) -> String {
        let text = |name: &str| event[name].as_str().unwrap_or_default();
        let mut head = format!("── {} {}", text("at"), text("component"));
        match event["port"].as_str() {
            Some("") => {}
            Some(port) => write!(head, ".{port}").expect("a String takes all"),
            None if event["side"] == "in" => head.push_str(" ←"),
            None => {}
        }
        if let Some(reason) = event["metadata"]["dropped"]["message"].as_str() {
            write!(head, " ({reason})").expect("a String takes all");
        }
        self.coloured(DIM, &harmless(&head))
    }

    fn diff(self, before: &Value, after: &Value) -> String {
        if before.is_null() {
            let gone = self.coloured(RED, "nothing became of it");
            return format!("{gone}\n{}", pretty(after));
        }
        let (before, after) = (pretty(before) + "\n", pretty(after) + "\n");
        let diff = TextDiff::from_lines(&before, &after);
        let groups = diff.grouped_ops(CONTEXT_LINES);
        if groups.is_empty() {
            return self.coloured(DIM, "unchanged");
        }
        let mut text = String::new();
        for (number, group) in groups.iter().enumerate() {
            if number > 0 {
                text.push_str(&self.coloured(DIM, "  …"));
                text.push('\n');
            }
            for change in group.iter().flat_map(|change| diff.iter_changes(change)) {
                let line = change.value().trim_end();
                let shown = match change.tag() {
                    ChangeTag::Delete => self.coloured(RED, &format!("- {line}")),
                    ChangeTag::Insert => self.coloured(GREEN, &format!("+ {line}")),
                    ChangeTag::Equal => format!("  {line}"),
                };
                text.push_str(&shown);
                text.push('\n');
            }
        }
        text
    }

    fn coloured(self, colour: &str, text: &str) -> String {
        if self.is_coloured { format!("{colour}{text}{PLAIN}") } else { text.to_owned() }
    }
}

/// The number at `name` of a JSON object.
pub(super) fn number(data: &str, name: &str) -> u64 {
    let value: Value = serde_json::from_str(data).unwrap_or(Value::Null);
    value[name].as_u64().unwrap_or_default()
}

/// JSON over several lines, as it can be shown.
fn pretty(value: &Value) -> String {
    let text = serde_json::to_string_pretty(value).expect("JSON can be written");
    text.lines().map(harmless).collect::<Vec<_>>().join("\n")
}

/// A text without control characters. JSON hides those of ASCII by itself; terminals know others, and letters that turn
/// the direction of others round.
pub(in crate::cli) fn harmless(text: &str) -> String {
    let is_harmful = |letter: char| {
        letter.is_control() || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(is_harmful) {
        return text.to_owned();
    }
    let mut harmless = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_harmful(letter) {
            write!(harmless, "\\u{:04x}", u32::from(letter)).expect("a String takes all");
        } else {
            harmless.push(letter);
        }
    }
    harmless
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::json;

    use super::*;

    fn check(format: Format, event: &Value, expected: &Expect) {
        expected.assert_eq(&Shown::new(format, false).event(&event.to_string()));
    }

    #[test]
    fn an_event_is_shown_with_where_it_passed() {
        let event = json!({
            "component": "ecs", "port": "dropped", "side": "out", "at": "2026-01-02T03:04:05Z",
            "event": {"a": 1}, "metadata": {"dropped": {"message": "no time"}},
        });
        check(
            Format::Pretty,
            &event,
            &expect![[r#"
            ── 2026-01-02T03:04:05Z ecs.dropped (no time)
            {
              "a": 1
            }"#]],
        );
        let event = json!({"component": "out", "port": null, "side": "in", "at": "", "event": {}});
        check(
            Format::Pretty,
            &event,
            &expect![[r#"
            ──  out ←
            {}"#]],
        );
        check(
            Format::Json,
            &event,
            &expect![[r#"{"at":"","component":"out","event":{},"port":null,"side":"in"}"#]],
        );
    }

    #[test]
    fn what_has_changed_is_shown_as_lines() {
        let event = |before: Value, after: Value| json!({"component": "ecs", "port": "", "side": "out", "at": "now", "before": before, "event": after});
        let before =
            json!({"a": 1, "b": [1, 2], "c": {"d": "x"}, "e": 1, "f": 2, "g": 3, "h": 4, "i": 5});
        let mut after = before.clone();
        after["a"] = json!("one");
        after["i"] = json!(6);
        check(
            Format::Diff,
            &event(before.clone(), after),
            &expect![[r#"
            ── now ecs
              {
            -   "a": 1,
            +   "a": "one",
                "b": [
                  1,
              …
                "g": 3,
                "h": 4,
            -   "i": 5
            +   "i": 6
              }"#]],
        );
        check(
            Format::Diff,
            &event(before.clone(), before.clone()),
            &expect![[r#"
            ── now ecs
            unchanged"#]],
        );
        let gone = json!({"component": "ecs", "side": "in", "at": "now", "event": {"a": 1}});
        check(
            Format::Diff,
            &gone,
            &expect![[r#"
            ── now ecs ←
            nothing became of it
            {
              "a": 1
            }"#]],
        );
    }

    #[test]
    fn an_event_cannot_do_anything_to_the_terminal() {
        let evil = "\u{1b}]0;x\u{7}\u{9b}31m\u{202e}\u{7f}";
        let event = json!({"component": evil, "at": evil, "event": {evil: evil}, "metadata": {"dropped": {"message": evil}}});
        for format in [Format::Json, Format::Pretty, Format::Diff] {
            let shown = Shown::new(format, false).event(&event.to_string());
            let harmful = shown
                .chars()
                .find(|letter| (letter.is_control() && *letter != '\n') || *letter == '\u{202e}');
            assert_eq!(harmful, None, "{shown:?}");
        }
    }
}
