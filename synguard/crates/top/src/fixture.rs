//! Views, states and key presses for tests.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use synguard_model::source::{SourceStatus, key_of};

use crate::{
    sources::Row,
    state::{AppState, Effect},
    view_model::{EventRow, ListRow, TopView},
};

pub(crate) const SECOND: u64 = 1_000_000_000;

pub(crate) fn row(address: &str, fresh: u64, dropped: u64) -> Row {
    let key = key_of(address.parse().expect("an address"));
    Row { key, fresh, syn_rate: fresh as f64, syn_total: 1000 + fresh, dropped, ..Row::default() }
}

pub(crate) fn view() -> TopView {
    let entry = |target: &str| ListRow {
        status: SourceStatus::Blocked,
        target: target.to_owned(),
        seconds_left: Some(90),
        ..ListRow::default()
    };
    TopView {
        at_ns: 1_000_000_000,
        v6_length: 64,
        sources: vec![row("192.0.2.1", 30, 1), row("192.0.2.2", 20, 2), row("198.51.100.3", 10, 3)],
        list_rows: vec![entry("192.0.2.2"), entry("203.0.113.0/24")],
        events: vec![happening("two"), happening("one")],
        ..TopView::default()
    }
}

pub(crate) fn happening(text: &str) -> EventRow {
    EventRow { at: "11-25 09:45:35".to_owned(), kind: "attack began".to_owned(), text: text.to_owned() }
}

pub(crate) fn state() -> AppState {
    let mut state = AppState::default();
    state.update(view());
    state
}

/// Presses keys: letters stand for themselves, words for other keys.
pub(crate) fn press(state: &mut AppState, keys: &str) -> Effect {
    let mut effect = Effect::Draw;
    for word in keys.split_whitespace() {
        let code = match word {
            "Enter" => KeyCode::Enter,
            "Esc" => KeyCode::Esc,
            "Down" => KeyCode::Down,
            "Up" => KeyCode::Up,
            "Left" => KeyCode::Left,
            "Right" => KeyCode::Right,
            "Tab" => KeyCode::Tab,
            "Back" => KeyCode::Backspace,
            "PageUp" => KeyCode::PageUp,
            "PageDown" => KeyCode::PageDown,
            letter => KeyCode::Char(letter.chars().next().expect("a letter")),
        };
        effect = state.on_key(KeyEvent::new(code, KeyModifiers::NONE));
    }
    effect
}

pub(crate) fn chosen(state: &AppState) -> String {
    state.chosen_source().map(|row| synguard_model::source::display(&row.key, 64)).unwrap_or_default()
}
