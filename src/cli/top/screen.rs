//! The screen: what of the tables is shown, what keys do, and how it is drawn.

use ratatui::{
    Frame,
    crossterm::event::{KeyCode, KeyEvent, KeyModifiers},
    layout::{Alignment, Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line as TextLine, Span},
    widgets::{Cell, Paragraph, Row, Table, TableState},
};

use super::{
    state::State,
    tables::{Line, Mood, Tab, lines},
};

/// What keys do.
const KEYS: &str = "tab or 1 2 3: table   ↑ ↓: move   s: sort   /: filter   p: pause   q: quit";

/// The widest a column gets that is not the last but one: texts there can be long.
const COLUMN_WIDTH_MAX: u16 = 40;

/// The screen between two keys.
#[derive(Debug)]
pub(super) struct Screen {
    pub(super) tab: Tab,
    sort: Option<usize>,
    filter: String,
    is_typing: bool,
    /// What was known when it was told to pause.
    paused: Option<Box<State>>,
    selected: usize,
}

/// What a key wants besides a changed screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Stay,
    Quit,
}

impl Default for Screen {
    fn default() -> Screen {
        Screen {
            tab: Tab::Components,
            sort: None,
            filter: String::new(),
            is_typing: false,
            paused: None,
            selected: 0,
        }
    }
}

impl Screen {
    /// Does what a key is for.
    pub(super) fn press(&mut self, key: KeyEvent, state: &State) -> Wish {
        let is_interrupt =
            key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
        if is_interrupt {
            return Wish::Quit;
        }
        if self.is_typing {
            self.type_filter(key.code);
            return Wish::Stay;
        }
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return Wish::Quit,
            KeyCode::Tab | KeyCode::Right => self.turn(1),
            KeyCode::BackTab | KeyCode::Left => self.turn(Tab::ALL.len() - 1),
            KeyCode::Char('1') => self.show(Tab::Components),
            KeyCode::Char('2') => self.show(Tab::Feeds),
            KeyCode::Char('3') => self.show(Tab::Problems),
            KeyCode::Down | KeyCode::Char('j') => self.selected = self.selected.saturating_add(1),
            KeyCode::Up | KeyCode::Char('k') => self.selected = self.selected.saturating_sub(1),
            KeyCode::PageDown => self.selected = self.selected.saturating_add(10),
            KeyCode::PageUp => self.selected = self.selected.saturating_sub(10),
            KeyCode::Home => self.selected = 0,
            KeyCode::Char('s') => {
                let next = self.sort.map_or(0, |column| column + 1);
                self.sort = (next < self.tab.columns().len()).then_some(next);
            }
            KeyCode::Char('/') => self.is_typing = true,
            KeyCode::Char('p') => {
                self.paused = match self.paused {
                    Some(_) => None,
                    None => Some(Box::new(state.clone())),
                };
            }
            _ => {}
        }
        Wish::Stay
    }

    fn type_filter(&mut self, key: KeyCode) {
        match key {
            KeyCode::Enter => self.is_typing = false,
            KeyCode::Esc => {
                self.is_typing = false;
                self.filter.clear();
            }
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Char(letter) => self.filter.push(letter),
            _ => {}
        }
        self.selected = 0;
    }

    fn turn(&mut self, steps: usize) {
        let here = Tab::ALL.iter().position(|tab| *tab == self.tab).unwrap_or_default();
        self.show(Tab::ALL[(here + steps) % Tab::ALL.len()]);
    }

    fn show(&mut self, tab: Tab) {
        (self.tab, self.sort, self.selected) = (tab, None, 0);
    }

    /// Draws all of it. `connection` says how things are with the API.
    pub(super) fn draw(&mut self, frame: &mut Frame<'_>, state: &State, connection: &str) {
        let is_paused = self.paused.is_some();
        let shown = self.paused.take();
        let state = shown.as_deref().unwrap_or(state);
        let [head, body, foot] =
            Layout::vertical([Constraint::Length(2), Constraint::Min(0), Constraint::Length(1)])
                .areas(frame.area());
        self.draw_head(frame, head, state, (connection, is_paused));
        self.draw_table(frame, body, state);
        let foot_text = if self.is_typing || !self.filter.is_empty() {
            let cursor = if self.is_typing { "▏" } else { "" };
            format!("filter: {}{cursor}   enter: keep   esc: clear", self.filter)
        } else {
            KEYS.to_owned()
        };
        frame.render_widget(Paragraph::new(foot_text).style(dim()), foot);
        self.paused = shown;
    }

    fn draw_head(
        &self,
        frame: &mut Frame<'_>,
        area: Rect,
        state: &State,
        (connection, is_paused): (&str, bool),
    ) {
        let mut tabs = Vec::new();
        for (number, tab) in Tab::ALL.into_iter().enumerate() {
            let many = match tab {
                Tab::Components => state.components.len(),
                Tab::Feeds => state.feeds.len(),
                Tab::Problems => state.problems.len(),
            };
            let style = if tab == self.tab {
                Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD)
            } else {
                Style::new()
            };
            tabs.push(Span::styled(format!(" {} {} {many} ", number + 1, tab.title()), style));
            tabs.push(Span::raw(" "));
        }
        let paused = if is_paused { "paused · " } else { "" };
        let status = format!("{paused}generation {} · {connection}", state.generation);
        let [line, second] =
            Layout::vertical([Constraint::Length(1), Constraint::Length(1)]).areas(area);
        frame.render_widget(Paragraph::new(TextLine::from(tabs)), line);
        let (status, style) = match &state.refused_reload {
            None => (status, dim()),
            Some(why) => {
                let why = why.lines().next().unwrap_or_default();
                (format!("{status} · a reload was refused: {why}"), Style::new().fg(Color::Red))
            }
        };
        frame.render_widget(Paragraph::new(status).style(style), second);
    }

    fn draw_table(&mut self, frame: &mut Frame<'_>, area: Rect, state: &State) {
        let lines = lines(state, self.tab, &self.filter, self.sort);
        self.selected = self.selected.min(lines.len().saturating_sub(1));
        if lines.is_empty() {
            let text = match self.tab {
                _ if !self.filter.is_empty() => "nothing has that in it",
                Tab::Components => "waiting for the program to say what runs",
                Tab::Feeds => "no feeds are known yet",
                Tab::Problems => "no problems",
            };
            frame.render_widget(Paragraph::new(text).style(dim()), area);
            return;
        }
        let columns = self.tab.columns();
        let head = columns.iter().enumerate().map(|(number, (name, right))| {
            let mark = if self.sort == Some(number) { "▼" } else { "" };
            cell(&format!("{name}{mark}"), *right)
        });
        let head =
            Row::new(head.collect::<Vec<_>>()).style(Style::new().add_modifier(Modifier::BOLD));
        let rows = lines.iter().map(|line| {
            let cells = line.cells.iter().zip(columns).map(|(text, (_, right))| cell(text, *right));
            Row::new(cells.collect::<Vec<_>>()).style(style(line.mood))
        });
        let table = Table::new(rows.collect::<Vec<_>>(), widths(self.tab, &lines))
            .header(head)
            .column_spacing(2)
            .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
        let mut place = TableState::new().with_selected(Some(self.selected));
        frame.render_stateful_widget(table, area, &mut place);
    }
}

fn cell(text: &str, right: bool) -> Cell<'static> {
    let line = TextLine::from(text.to_owned());
    Cell::from(if right { line.alignment(Alignment::Right) } else { line })
}

fn widths(tab: Tab, lines: &[Line]) -> Vec<Constraint> {
    let columns = tab.columns().iter().enumerate();
    let width = |(number, (name, _)): (usize, &(&str, bool))| {
        let cells = lines.iter().map(|line| line.cells[number].chars().count());
        // A mark for the sorted column fits too.
        let widest = cells.max().unwrap_or(0).max(name.len() + 1);
        let widest = u16::try_from(widest).unwrap_or(u16::MAX);
        match *name {
            "PROBLEM" => Constraint::Fill(2),
            "FIX" => Constraint::Fill(1),
            _ => Constraint::Length(widest.min(COLUMN_WIDTH_MAX)),
        }
    };
    columns.map(width).collect()
}

fn style(mood: Mood) -> Style {
    match mood {
        Mood::Good => Style::new(),
        Mood::Worrying => Style::new().fg(Color::Yellow),
        Mood::Bad => Style::new().fg(Color::Red),
    }
}

fn dim() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}
