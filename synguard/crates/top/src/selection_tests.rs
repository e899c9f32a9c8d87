//! The cursor, the rows that the screen shows, and sources that have fallen silent.

use synguard_model::source::key_of;

use super::*;
use crate::{
    fixture::{SECOND, chosen, press, row, state, view},
    state::{Effect, InputMode},
    view_model::SourceExplanation,
};

/// A view of many sources, of which the one at `first` leads.
fn many(first: u32, at_ns: u64) -> TopView {
    let address = |i: u32| std::net::Ipv4Addr::from(0x0b00_0000 + i).to_string();
    let sources = (0..1000)
        .map(|i| Row {
            last_seen_ns: at_ns,
            ..row(&address(i), if i == first { 9999 } else { 1000 - u64::from(i) }, 0)
        })
        .collect();
    TopView { at_ns, read_ns: at_ns, sources, ..view() }
}

#[test]
fn rows_on_the_screen_stay_when_the_selected_row_moves() {
    let mut state = AppState { page: 10, ..AppState::default() };
    state.update(many(0, SECOND));
    assert_eq!(press(&mut state, "Down Down"), Effect::Query, "the source is to be explained");
    assert_eq!((state.chosen[0], state.first_row()), (2, 0));
    // The selected source falls to place 1000, and the attacker is another.
    let mut later = many(500, 2 * SECOND);
    later.sources[2].fresh = 0;
    state.update(later);
    assert_eq!((state.chosen[0], state.first_row()), (999, 0), "the attacker is still on the screen");
    assert_eq!(state.sources()[0].fresh, 9999);
    press(&mut state, "Enter Esc");
    assert_eq!((state.chosen[0], state.first_row()), (999, 0));
    // The cursor goes on from what the user sees.
    press(&mut state, "Down");
    assert_eq!((state.chosen[0], state.first_row()), (0, 0));
    press(&mut state, "Down");
    assert_eq!((state.chosen[0], state.first_row()), (1, 0));
    // Scrolling is up to the user.
    press(&mut state, "G");
    assert_eq!(state.chosen[0], 999);
    assert!(state.first_row() > 980, "{}", state.first_row());
    let first = state.first_row();
    state.update(many(500, 3 * SECOND));
    assert_eq!(state.first_row(), first);
    press(&mut state, "g");
    assert_eq!((state.chosen[0], state.first_row(), state.moved[0]), (0, 0, false));
    assert_eq!(state.kept, None);
}

#[test]
fn selected_row_is_on_the_screen_after_each_key() {
    for page in [1, 2, 3, 8, 40] {
        let mut state = AppState { page, ..AppState::default() };
        state.update(many(0, SECOND));
        for keys in ["Down", "Down", "G", "Up", "Up", "PageUp", "Up", "g", "PageDown", "Down", "PageDown"] {
            press(&mut state, keys);
            assert!(state.shows_cursor(), "{keys} on {page}: {} of {}", state.chosen[0], state.first_row());
        }
    }
}

#[test]
fn cursor_returns_to_the_first_row_after_ten_idle_seconds() {
    let mut state = AppState { page: 10, ..AppState::default() };
    state.update(many(0, SECOND));
    press(&mut state, "Down Down");
    for second in [2, 11] {
        state.update(many(500, second * SECOND));
        assert_ne!(state.chosen[0], 0, "{second}");
    }
    press(&mut state, "x");
    state.update(many(500, 13 * SECOND));
    assert_ne!(state.chosen[0], 0, "a key was pressed");
    // The details stay open.
    press(&mut state, "Enter");
    for second in [14, 40] {
        state.update(many(500, second * SECOND));
        assert_ne!(state.chosen[0], 0, "{second}");
    }
    press(&mut state, "Esc");
    state.update(many(500, 41 * SECOND));
    assert_ne!(state.chosen[0], 0);
    state.update(many(500, 51 * SECOND));
    assert_eq!((state.chosen[0], state.moved[0]), (0, false));
    assert!(state.message.as_ref().is_some_and(|text| text.contains("follows the first row")));
    // Whoever reads events is not disturbed.
    press(&mut state, "4 Down");
    for second in [52, 80] {
        state.update(TopView { events: view().events, ..many(500, second * SECOND) });
        assert_eq!(state.chosen[Tab::Events as usize], 1);
    }
}

#[test]
fn details_of_a_source_that_is_gone_say_so() {
    let mut state = state();
    press(&mut state, "Down Enter");
    let without = TopView { sources: vec![row("192.0.2.1", 30, 1)], ..view() };
    state.update(without.clone());
    assert!(state.gone);
    press(&mut state, "b");
    assert_eq!(state.mode, InputMode::Detail, "nothing else may be blocked in its place");
    state.update(view());
    assert_eq!((state.gone, chosen(&state).as_str()), (false, "192.0.2.2"), "it is back");
    state.update(without);
    press(&mut state, "Esc");
    assert_eq!((state.gone, chosen(&state).as_str()), (false, "192.0.2.1"));
}

#[test]
fn silent_sources_come_last_and_are_hidden_after_a_minute() {
    let silent = |address: &str, total: u64, seconds: u64| Row {
        last_seen_ns: (100 - seconds) * SECOND,
        syn_total: total,
        ..row(address, 0, 0)
    };
    let sources = vec![
        silent("192.0.2.1", 900, 61),
        silent("192.0.2.2", 800, 59),
        silent("192.0.2.3", 1, 4),
        Row { last_seen_ns: 100 * SECOND, ..row("192.0.2.4", 1, 0) },
    ];
    let at_ns = 100 * SECOND;
    let mut state = AppState::default();
    state.update(TopView { at_ns, read_ns: at_ns, sources, ..view() });
    let names = |state: &AppState| -> Vec<String> {
        state.sources().iter().map(|row| synguard_model::source::display(&row.key, 64)).collect()
    };
    assert_eq!(names(&state), ["192.0.2.4", "192.0.2.3", "192.0.2.2"]);
    assert_eq!(state.hidden_sources(), 1);
    // Sorted by total, or asked for, they are all there.
    press(&mut state, "s");
    assert_eq!(names(&state), ["192.0.2.4", "192.0.2.1", "192.0.2.2", "192.0.2.3"]);
    press(&mut state, "s s / . 1 Enter");
    assert_eq!((names(&state), state.hidden_sources()), (vec!["192.0.2.1".to_owned()], 0));
}

#[test]
fn only_the_selected_source_has_its_explanation() {
    let mut state = state();
    press(&mut state, "Down");
    let explanation = |address: &str| SourceExplanation {
        key: key_of(address.parse().expect("an address")),
        lines: vec!["a line".to_owned()],
    };
    state.explain(explanation("192.0.2.1"));
    assert_eq!(state.explanation, None, "it came too late");
    state.explain(explanation("192.0.2.2"));
    assert!(state.explanation.is_some());
}
