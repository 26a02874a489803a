use expect_test::{Expect, expect};
use ratatui::{
    Terminal,
    backend::TestBackend,
    crossterm::event::{KeyCode, KeyEvent, KeyModifiers},
};
use serde_json::{Value, json};

use super::{
    screen::{Screen, Wish},
    state::State,
    tables::{Tab, plain},
};
use crate::cli::remote::Message;

fn take(state: &mut State, event: &str, data: &Value) {
    state.take(&Message { event: event.to_owned(), data: data.to_string() });
}

fn stats(second: u32, sent: f64) -> Value {
    json!({
        "at": format!("2026-01-02T03:04:{second:02}Z"),
        "components": {
            "office365": {"sent_events": sent},
            "ecs": {"received_events": sent, "sent_events": sent, "utilization": 0.42},
            "elastic": {
                "received_events": sent / 2.0, "sent_events": 12_345_678.0 + sent / 2.0, "errors": 3.0,
                "buffer_events": 900.0, "buffer_max_events": 1000.0, "utilization": 0.97,
            },
        },
        "sources": {"office365": {"lag_seconds": 7300.0}},
    })
}

/// A running program, as it says itself.
fn state() -> State {
    let mut state = State::default();
    let component = |id: &str, kind: &str, component_type: &str| json!({"id": id, "kind": kind, "component_type": component_type, "inputs": [], "outputs": []});
    let components = [
        component("office365", "source", "office365"),
        component("ecs", "transform", "remap"),
        component("elastic", "sink", "elasticsearch"),
    ];
    take(&mut state, "topology", &json!({"generation": 2, "components": components}));
    take(&mut state, "stats", &stats(1, 1000.0));
    take(&mut state, "stats", &stats(3, 1500.0));
    let feed = |tenant: &str, state: &str, lag: f64| {
        json!({
            "source": "office365", "tenant": "0f1e", "tenant_name": tenant, "content_type": "Audit.Exchange",
            "state": state, "lag_seconds": lag, "throttled": 2, "pending": 40, "lost": 0,
            "token_expires": "2026-01-02T04:00:00Z", "certificate_expires": null, "hours": [],
        })
    };
    take(
        &mut state,
        "feeds",
        &json!([feed("contoso", "behind", 9000.0), feed("fabrikam", "ok", 61.0)]),
    );
    let problem = |at: &str, message: &str, count: u32| {
        json!({
            "at": at, "level": "WARN", "component_id": "elastic", "message": message,
            "error": "connection refused\u{1b}[31m", "fix": "start the server", "count": count,
        })
    };
    take(&mut state, "problem", &problem("2026-01-02T03:04:01Z", "bulk request failed", 1));
    take(&mut state, "problem", &problem("2026-01-02T03:04:05Z", "bulk request failed", 7));
    take(&mut state, "problem", &problem("2026-01-02T03:04:02Z", "a sink is slow", 1));
    take(&mut state, "something new", &json!({}));
    state
}

fn drawn(screen: &mut Screen, state: &State, (width, height): (u16, u16)) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
    let draw = |frame: &mut ratatui::Frame<'_>| screen.draw(frame, state, "http://127.0.0.1:8686");
    terminal.draw(draw).expect("it is drawn");
    let buffer = terminal.backend().buffer();
    let lines = buffer.content.chunks(usize::from(width)).map(|cells| {
        cells.iter().map(ratatui::buffer::Cell::symbol).collect::<String>().trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn check(keys: &[KeyCode], expected: &Expect) {
    let (mut screen, state) = (Screen::default(), state());
    for key in keys {
        let wish = screen.press(KeyEvent::new(*key, KeyModifiers::NONE), &state);
        assert_eq!(wish, Wish::Stay);
    }
    expected.assert_eq(&drawn(&mut screen, &state, (110, 8)));
}

#[test]
fn components_are_shown_with_what_they_do() {
    check(
        &[],
        &expect![[r#"
         1 Components 3   2 Feeds 2   3 Problems 2
        generation 2 · http://127.0.0.1:8686
        COMPONENT   KIND       TYPE            IN/S   OUT/S    OUT   ERRORS   DROPPED   WAITING   FULL   BUSY   LAG
        office365   source     office365                250   1500                                               2h
        ecs         transform  remap            250     250   1500                                        42%
        elastic     sink       elasticsearch    125     125  12.3M        3                 900    90%    97%

        tab or 1 2 3: table   ↑ ↓: move   s: sort   /: filter   p: pause   q: quit"#]],
    );
}

#[test]
fn feeds_and_problems_have_tables_of_their_own() {
    check(
        &[KeyCode::Tab],
        &expect![[r#"
         1 Components 3   2 Feeds 2   3 Problems 2
        generation 2 · http://127.0.0.1:8686
        TENANT    CONTENT TYPE    STATE    LAG   PENDING   LOST   THROTTLED  TOKEN ENDS        CERTIFICATE ENDS
        contoso   Audit.Exchange  behind    2h        40                  2  2026-01-02 04:00
        fabrikam  Audit.Exchange  ok       61s        40                  2  2026-01-02 04:00


        tab or 1 2 3: table   ↑ ↓: move   s: sort   /: filter   p: pause   q: quit"#]],
    );
    check(
        &[KeyCode::Char('3')],
        &expect![[r#"
         1 Components 3   2 Feeds 2   3 Problems 2
        generation 2 · http://127.0.0.1:8686
        LAST      LEVEL    TIMES  COMPONENT   TENANT   PROBLEM                                    FIX
        03:04:05  warn         7  elastic              bulk request failed: connection refused\u  start the server
        03:04:02  warn         1  elastic              a sink is slow: connection refused\u001b[  start the server


        tab or 1 2 3: table   ↑ ↓: move   s: sort   /: filter   p: pause   q: quit"#]],
    );
    check(
        &[KeyCode::BackTab, KeyCode::Tab],
        &expect![[r#"
         1 Components 3   2 Feeds 2   3 Problems 2
        generation 2 · http://127.0.0.1:8686
        COMPONENT   KIND       TYPE            IN/S   OUT/S    OUT   ERRORS   DROPPED   WAITING   FULL   BUSY   LAG
        office365   source     office365                250   1500                                               2h
        ecs         transform  remap            250     250   1500                                        42%
        elastic     sink       elasticsearch    125     125  12.3M        3                 900    90%    97%

        tab or 1 2 3: table   ↑ ↓: move   s: sort   /: filter   p: pause   q: quit"#]],
    );
}

#[test]
fn tables_can_be_sorted_and_filtered() {
    let sort = [KeyCode::Char('s'); 6];
    check(
        &sort,
        &expect![[r#"
         1 Components 3   2 Feeds 2   3 Problems 2
        generation 2 · http://127.0.0.1:8686
        COMPONENT   KIND       TYPE            IN/S   OUT/S   OUT▼   ERRORS   DROPPED   WAITING   FULL   BUSY   LAG
        elastic     sink       elasticsearch    125     125  12.3M        3                 900    90%    97%
        office365   source     office365                250   1500                                               2h
        ecs         transform  remap            250     250   1500                                        42%

        tab or 1 2 3: table   ↑ ↓: move   s: sort   /: filter   p: pause   q: quit"#]],
    );
    let filter = ['/', 'e', 'l', 'a', 'x'].map(KeyCode::Char);
    check(
        &[&filter[..], &[KeyCode::Backspace, KeyCode::Enter]].concat(),
        &expect![[r#"
         1 Components 3   2 Feeds 2   3 Problems 2
        generation 2 · http://127.0.0.1:8686
        COMPONENT   KIND   TYPE            IN/S   OUT/S    OUT   ERRORS   DROPPED   WAITING   FULL   BUSY   LAG
        elastic     sink   elasticsearch    125     125  12.3M        3                 900    90%    97%



        filter: ela   enter: keep   esc: clear"#]],
    );
    check(
        &[&filter[..], &[KeyCode::Enter]].concat(),
        &expect![[r#"
         1 Components 3   2 Feeds 2   3 Problems 2
        generation 2 · http://127.0.0.1:8686
        nothing has that in it




        filter: elax   enter: keep   esc: clear"#]],
    );
    check(
        &[&filter[..], &[KeyCode::Esc]].concat(),
        &expect![[r#"
         1 Components 3   2 Feeds 2   3 Problems 2
        generation 2 · http://127.0.0.1:8686
        COMPONENT   KIND       TYPE            IN/S   OUT/S    OUT   ERRORS   DROPPED   WAITING   FULL   BUSY   LAG
        office365   source     office365                250   1500                                               2h
        ecs         transform  remap            250     250   1500                                        42%
        elastic     sink       elasticsearch    125     125  12.3M        3                 900    90%    97%

        tab or 1 2 3: table   ↑ ↓: move   s: sort   /: filter   p: pause   q: quit"#]],
    );
}

#[test]
fn a_paused_screen_stays_as_it_was() {
    let (mut screen, mut state) = (Screen::default(), state());
    let pause = KeyEvent::new(KeyCode::Char('p'), KeyModifiers::NONE);
    assert_eq!(screen.press(pause, &state), Wish::Stay);
    let before = drawn(&mut screen, &state, (110, 8));
    take(&mut state, "stats", &stats(4, 9000.0));
    let still = drawn(&mut screen, &state, (110, 8));
    assert!(before == still && still.contains("paused"), "{still}");
    assert_eq!(screen.press(pause, &state), Wish::Stay);
    assert_ne!(drawn(&mut screen, &state, (110, 8)), before);
}

#[test]
fn a_terminal_of_any_size_will_do() {
    let state = state();
    for tab in [Tab::Components, Tab::Feeds, Tab::Problems] {
        for size in [(1, 1), (3, 2), (20, 3), (80, 24), (300, 100)] {
            let mut screen = Screen::default();
            screen.tab = tab;
            drawn(&mut screen, &state, size);
        }
    }
}

#[test]
fn it_ends_when_told_to() {
    let (mut screen, state) = (Screen::default(), state());
    for (code, modifiers) in [
        (KeyCode::Char('q'), KeyModifiers::NONE),
        (KeyCode::Esc, KeyModifiers::NONE),
        (KeyCode::Char('c'), KeyModifiers::CONTROL),
    ] {
        assert_eq!(screen.press(KeyEvent::new(code, modifiers), &state), Wish::Quit);
    }
    let filter = KeyEvent::new(KeyCode::Char('/'), KeyModifiers::NONE);
    assert_eq!(screen.press(filter, &state), Wish::Stay);
    let letter = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE);
    assert_eq!(screen.press(letter, &state), Wish::Stay, "it is a letter of the filter");
}

#[test]
fn tables_are_printed_for_those_without_a_terminal() {
    expect![[r#"
        COMPONENT  KIND       TYPE           IN/S  OUT/S    OUT  ERRORS  DROPPED  WAITING  FULL  BUSY  LAG
        office365  source     office365              250   1500                                         2h
        ecs        transform  remap           250    250   1500                                   42%
        elastic    sink       elasticsearch   125    125  12.3M       3               900   90%   97%

        TENANT    CONTENT TYPE    STATE   LAG  PENDING  LOST  THROTTLED  TOKEN ENDS        CERTIFICATE ENDS
        contoso   Audit.Exchange  behind   2h       40                2  2026-01-02 04:00
        fabrikam  Audit.Exchange  ok      61s       40                2  2026-01-02 04:00

        LAST      LEVEL  TIMES  COMPONENT  TENANT  PROBLEM                                            FIX
        03:04:05  warn       7  elastic            bulk request failed: connection refused\u001b[31m  start the server
        03:04:02  warn       1  elastic            a sink is slow: connection refused\u001b[31m       start the server"#]].assert_eq(&plain(&state()));
}

#[test]
fn counters_that_go_back_are_those_of_another_run() {
    let mut state = state();
    assert!(state.has_rates());
    take(&mut state, "stats", &stats(5, 10.0));
    assert!(!state.has_rates());
    assert_eq!(state.rows()[1].received, None);
    take(&mut state, "stats", &stats(6, 40.0));
    assert_eq!(state.rows()[1].received, Some(30.0));
}

#[test]
fn a_refused_reload_is_shown_until_one_is_done() {
    let (mut screen, mut state) = (Screen::default(), state());
    let refused = json!({"at": "2026-01-02T03:04:05Z", "ok": false, "diagnostics": "o365flow.toml:3:1: no\nmore"});
    take(&mut state, "reload", &refused);
    let shown = drawn(&mut screen, &state, (110, 8));
    assert!(shown.contains("a reload was refused: o365flow.toml:3:1: no"), "{shown}");
    take(&mut state, "reload", &json!({"at": "2026-01-02T03:04:06Z", "ok": true}));
    assert!(!drawn(&mut screen, &state, (110, 8)).contains("refused"));
}
