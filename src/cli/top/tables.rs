//! What is known as tables of texts: for the screen, and for whoever reads them without one.

use chrono::{DateTime, Utc};

use super::state::{Feed, Problem, Row, State};
use crate::cli::tap::harmless;

/// What can be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tab {
    Components,
    Feeds,
    Problems,
}

impl Tab {
    pub(super) const ALL: [Tab; 3] = [Tab::Components, Tab::Feeds, Tab::Problems];

    pub(super) fn title(self) -> &'static str {
        match self {
            Tab::Components => "Components",
            Tab::Feeds => "Feeds",
            Tab::Problems => "Problems",
        }
    }

    /// The names of the columns, and whether numbers stand there.
    pub(super) fn columns(self) -> &'static [(&'static str, bool)] {
        match self {
            Tab::Components => &[
                ("COMPONENT", false),
                ("KIND", false),
                ("TYPE", false),
                ("IN/S", true),
                ("OUT/S", true),
                ("OUT", true),
                ("ERRORS", true),
                ("DROPPED", true),
                ("WAITING", true),
                ("FULL", true),
                ("BUSY", true),
                ("LAG", true),
            ],
            Tab::Feeds => &[
                ("TENANT", false),
                ("CONTENT TYPE", false),
                ("STATE", false),
                ("LAG", true),
                ("PENDING", true),
                ("LOST", true),
                ("THROTTLED", true),
                ("TOKEN ENDS", false),
                ("CERTIFICATE ENDS", false),
            ],
            Tab::Problems => &[
                ("LAST", false),
                ("LEVEL", false),
                ("TIMES", true),
                ("COMPONENT", false),
                ("TENANT", false),
                ("PROBLEM", false),
                ("FIX", false),
            ],
        }
    }
}

/// A line of a table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) cells: Vec<String>,
    pub(super) mood: Mood,
    /// What the lines are sorted by, for each column that has numbers.
    numbers: Vec<f64>,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Good,
    Worrying,
    Bad,
}

/// The lines of a tab, those that have `filter` in them, sorted by the column of this number: numbers with the largest
/// first. Without one they stand as they are declared, or the worst first.
pub(super) fn lines(state: &State, tab: Tab, filter: &str, sort: Option<usize>) -> Vec<Line> {
    let mut lines: Vec<Line> = match tab {
        Tab::Components => state.rows().iter().map(component).collect(),
        Tab::Feeds => state.feeds.iter().map(feed).collect(),
        Tab::Problems => state.problems.iter().map(problem).collect(),
    };
    for line in &mut lines {
        line.cells.iter_mut().for_each(|cell| *cell = harmless(cell));
    }
    let filter = filter.to_lowercase();
    lines.retain(|line| line.cells.iter().any(|cell| cell.to_lowercase().contains(&filter)));
    if let Some(column) = sort {
        let has_numbers = tab.columns().get(column).is_some_and(|(_, has_numbers)| *has_numbers);
        if has_numbers {
            lines.sort_by(|left, right| right.numbers[column].total_cmp(&left.numbers[column]));
        } else {
            lines.sort_by(|left, right| left.cells[column].cmp(&right.cells[column]));
        }
    }
    lines
}

fn component(row: &Row) -> Line {
    let is_full = row.fullness.is_some_and(|full| full >= 0.9);
    let mood = if row.errors > 0.0 {
        Mood::Bad
    } else if is_full || row.utilization >= 0.95 {
        Mood::Worrying
    } else {
        Mood::Good
    };
    let is_source = row.kind == "source";
    let cells = vec![
        row.id.clone(),
        row.kind.clone(),
        row.component_type.clone(),
        if is_source { String::new() } else { row.received.map(rate).unwrap_or_default() },
        row.sent.map(rate).unwrap_or_default(),
        count(row.sent_total),
        some(row.errors),
        some(row.discarded),
        some(row.buffered),
        row.fullness.map(percent).unwrap_or_default(),
        if is_source { String::new() } else { percent(row.utilization) },
        row.lag_seconds.map(duration).unwrap_or_default(),
    ];
    let numbers = vec![
        0.0,
        0.0,
        0.0,
        row.received.unwrap_or(0.0),
        row.sent.unwrap_or(0.0),
        row.sent_total,
        row.errors,
        row.discarded,
        row.buffered,
        row.fullness.unwrap_or(0.0),
        row.utilization,
        row.lag_seconds.unwrap_or(0.0),
    ];
    Line { cells, mood, numbers }
}

fn feed(feed: &Feed) -> Line {
    let mood = match feed.state.as_str() {
        "ok" | "new" | "gone" => Mood::Good,
        "losing" => Mood::Bad,
        _ if feed.lost > 0.0 => Mood::Bad,
        _ => Mood::Worrying,
    };
    let cells = vec![
        feed.tenant_name.clone().unwrap_or_else(|| feed.tenant.clone()),
        feed.content_type.clone(),
        feed.state.clone(),
        feed.lag_seconds.map(duration).unwrap_or_default(),
        some(feed.pending),
        some(feed.lost),
        some(feed.throttled),
        feed.token_expires.map(minute).unwrap_or_default(),
        feed.certificate_expires.map(minute).unwrap_or_default(),
    ];
    let lag = feed.lag_seconds.unwrap_or(0.0);
    let numbers = vec![0.0, 0.0, 0.0, lag, feed.pending, feed.lost, feed.throttled, 0.0, 0.0];
    Line { cells, mood, numbers }
}

fn problem(problem: &Problem) -> Line {
    let is_error = problem.level.eq_ignore_ascii_case("error");
    let message = match &problem.error {
        Some(error) => format!("{}: {error}", problem.message),
        None => problem.message.clone(),
    };
    let tenant = [&problem.tenant, &problem.content_type];
    let tenant: Vec<&str> = tenant.into_iter().flatten().map(String::as_str).collect();
    let cells = vec![
        problem.at.format("%H:%M:%S").to_string(),
        problem.level.to_lowercase(),
        problem.count.max(1).to_string(),
        problem.component_id.clone().unwrap_or_default(),
        tenant.join(" "),
        message,
        problem.fix.clone().unwrap_or_default(),
    ];
    #[expect(clippy::cast_precision_loss, reason = "nobody sees 2^52 repeats of one problem")]
    let numbers = vec![0.0, 0.0, problem.count as f64, 0.0, 0.0, 0.0, 0.0];
    Line { cells, mood: if is_error { Mood::Bad } else { Mood::Worrying }, numbers }
}

/// All tables, one below the other.
pub(super) fn plain(state: &State) -> String {
    let mut text = String::new();
    for tab in Tab::ALL {
        let lines = lines(state, tab, "", None);
        if !lines.is_empty() {
            text.push_str(&aligned(tab, &lines));
            text.push('\n');
        }
    }
    text.trim_end().to_owned()
}

fn aligned(tab: Tab, lines: &[Line]) -> String {
    let columns = tab.columns();
    let width = |column: usize| {
        let cells = lines.iter().map(|line| line.cells[column].chars().count());
        cells.max().unwrap_or(0).max(columns[column].0.len())
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let mut text = String::new();
    let names: Vec<String> = columns.iter().map(|(name, _)| (*name).to_owned()).collect();
    for cells in std::iter::once(&names).chain(lines.iter().map(|line| &line.cells)) {
        let padded = cells.iter().zip(columns).zip(&widths).map(|((cell, (_, right)), width)| {
            if *right { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        text.push_str(padded.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// A number of events, short.
fn count(number: f64) -> String {
    match number {
        number if number >= 1e9 => format!("{:.1}G", number / 1e9),
        number if number >= 1e6 => format!("{:.1}M", number / 1e6),
        number if number >= 1e4 => format!("{:.1}k", number / 1e3),
        number => format!("{number:.0}"),
    }
}

/// As [`count`], and nothing for none.
fn some(number: f64) -> String {
    if number > 0.0 { count(number) } else { String::new() }
}

fn rate(number: f64) -> String {
    if number > 0.0 && number < 10.0 { format!("{number:.1}") } else { count(number) }
}

fn percent(part: f64) -> String {
    format!("{:.0}%", part * 100.0)
}

fn duration(seconds: f64) -> String {
    match seconds {
        seconds if seconds >= 172_800.0 => format!("{:.0}d", seconds / 86_400.0),
        seconds if seconds >= 7_200.0 => format!("{:.0}h", seconds / 3_600.0),
        seconds if seconds >= 120.0 => format!("{:.0}m", seconds / 60.0),
        seconds => format!("{:.0}s", seconds.max(0.0)),
    }
}

fn minute(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M").to_string()
}
