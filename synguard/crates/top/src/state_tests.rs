//! Tables of key sequences and their effects.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use synguard_common::reason::Reason;
use synguard_model::{
    list_entry::{Entry, Origin, Scope},
    source::SourceStatus,
};

use super::*;
use crate::{
    fixture::{SECOND, chosen, happening, press, row, state, view},
    list_edit::TIMES,
    view_model::ListRow,
};

fn made(message: &str, undo: Option<ListEdit>) -> EditResult {
    EditResult { message: message.to_owned(), undo }
}

fn remove(target: &str) -> ListEdit {
    ListEdit::Remove { status: SourceStatus::Blocked, target: target.to_owned() }
}

#[test]
fn source_is_blocked_only_after_confirmation() {
    let mut state = state();
    assert_eq!(press(&mut state, "Down Down b"), Effect::Draw);
    assert_eq!(press(&mut state, "Esc"), Effect::Draw);
    assert!(state.message.as_ref().is_some_and(|text| text.contains("nothing was changed")));
    let block = |time| ListEdit::Add {
        status: SourceStatus::Blocked,
        target: "198.51.100.3".to_owned(),
        time,
        scope: Scope::Syn,
    };
    assert_eq!(press(&mut state, "b Enter"), Effect::ListEdit(block(TIMES[1])));
    assert_eq!(press(&mut state, "b"), Effect::Draw, "while one is under way there is no other");
    assert_eq!(state.mode, InputMode::Browse);
    state.done(Ok(made("blocked", None)));
    assert_eq!(press(&mut state, "b Left Left Enter"), Effect::ListEdit(block(TIMES[0])));
    state.done(Ok(made("blocked", None)));
    assert_eq!(press(&mut state, "b Right Right Right Right Enter"), Effect::ListEdit(block(None)));
}

/// The view has a new entry a moment later than it is made.
#[test]
fn entry_that_was_just_made_can_be_removed() {
    let mut state = state();
    press(&mut state, "Down Down a Enter");
    let added = ListEdit::Remove { status: SourceStatus::Allowed, target: "198.51.100.3".to_owned() };
    state.done(Ok(made("allowed", Some(added.clone()))));
    assert_eq!(press(&mut state, "u Enter"), Effect::ListEdit(added));
    state.done(Ok(made("removed", None)));
    press(&mut state, "u");
    assert_eq!(state.message.as_deref(), Some("198.51.100.3 is on no list"));
}

#[test]
fn block_covers_syns_only_until_all_packets_are_asked_for() {
    let scope_after = |keys: &str| {
        let mut state = state();
        match press(&mut state, keys) {
            Effect::ListEdit(ListEdit::Add { scope, .. }) => scope,
            other => panic!("{other:?}"),
        }
    };
    for (keys, scope) in [
        ("b Enter", Scope::Syn),
        ("b s Enter", Scope::All),
        ("b s s Enter", Scope::Syn),
        ("2 1 b s Right Enter", Scope::All),
        ("a Enter", Scope::All),
        ("a s Enter", Scope::Syn),
    ] {
        assert_eq!(scope_after(keys), scope, "{keys}");
    }
}

#[test]
fn edit_and_its_undo_can_be_undone() {
    let mut state = state();
    press(&mut state, "b Enter");
    state.done(Ok(made("blocked", Some(remove("192.0.2.1")))));
    assert!(state.message.as_ref().is_some_and(|text| text.contains("z undoes it")));
    assert_eq!(press(&mut state, "z Enter"), Effect::ListEdit(remove("192.0.2.1")));
    let entry = Entry {
        target: "192.0.2.1".parse().expect("a target"),
        scope: Scope::All,
        origin: Origin::Operator,
        reason: None,
        created_ms: 0,
        expires_ms: None,
    };
    let back = ListEdit::PutBack { status: SourceStatus::Blocked, entry };
    state.done(Ok(made("taken out", Some(back.clone()))));
    // The dialog offers no time: the entry keeps its remaining time.
    assert_eq!(press(&mut state, "z Right Enter"), Effect::ListEdit(back));
    state.done(Ok(made("put back", None)));
    press(&mut state, "z");
    assert!(state.message.is_some_and(|text| text.contains("nothing to undo")));
    // A failed edit has no undo.
    let mut failed = self::state();
    press(&mut failed, "b Enter");
    failed.done(Err("the list is full".to_owned()));
    assert_eq!((failed.undo, failed.message), (None, Some("not done: the list is full".to_owned())));
}

#[test]
fn unlisting_removes_exact_entry_or_asks() {
    let mut state = state();
    press(&mut state, "u");
    assert!(state.message.as_ref().is_some_and(|text| text.contains("on no list")), "{:?}", state.message);
    assert_eq!(press(&mut state, "Down u Enter"), Effect::ListEdit(remove("192.0.2.2")));
    // The lists tab accepts any row.
    let mut state = self::state();
    assert_eq!(press(&mut state, "3 Down u y"), Effect::ListEdit(remove("203.0.113.0/24")));
    // A row blocked by an entry that is not shown: the result of the edit names the entry.
    let mut later = view();
    later.sources[0].status = SourceStatus::Blocked;
    let mut state = self::state();
    state.update(later);
    assert_eq!(press(&mut state, "u Enter"), Effect::ListEdit(remove("192.0.2.1")));
}

#[test]
fn cursor_decides_between_entries_with_one_target() {
    let mut both = view();
    let allowed = ListRow { status: SourceStatus::Allowed, ..both.list_rows[0].clone() };
    both.list_rows.insert(1, ListRow { hits: 7, ..allowed });
    let mut state = state();
    state.update(both);
    let allowed = ListEdit::Remove { status: SourceStatus::Allowed, target: "192.0.2.2".to_owned() };
    assert_eq!(press(&mut state, "3 u Enter"), Effect::ListEdit(allowed), "more packets come first");
}

#[test]
fn the_cursor_stays_on_its_event_and_its_entry() {
    let mut state = state();
    press(&mut state, "4 Down Enter");
    let mut later = view();
    later.events.insert(0, happening("three"));
    state.update(later);
    assert_eq!(state.events()[state.chosen[3]].text, "one");
    press(&mut state, "Esc 3 Down");
    assert_eq!(state.chosen_entry().map(|entry| entry.target.as_str()), Some("203.0.113.0/24"));
    let mut later = view();
    later.list_rows[1].rate = 5.0;
    state.update(later);
    assert_eq!(state.chosen_entry().map(|entry| entry.target.as_str()), Some("203.0.113.0/24"));
    assert_eq!(state.chosen[2], 0, "it went up by itself");
}

#[test]
fn reasons_are_sorted_by_their_rates() {
    use synguard_common::abi::Counter;
    let counted = |counts: &[(Reason, u64)], at_ns| {
        let mut later = TopView { at_ns, ..view() };
        for &(reason, packets) in counts {
            later.counters.add(reason, &Counter { packets, bytes: 0 });
        }
        later
    };
    let mut state = AppState::default();
    state.update(counted(&[(Reason::NotSyn, 9000), (Reason::Hold, 10)], SECOND));
    state.update(counted(&[(Reason::NotSyn, 9000), (Reason::Hold, 500), (Reason::NotIp, 3)], 2 * SECOND));
    assert_eq!(state.reasons(), [Reason::Hold, Reason::NotIp, Reason::NotSyn]);
}

#[test]
fn read_only_changes_nothing_and_says_why() {
    let mut state = AppState { read_only: Some("run as root".to_owned()), ..state() };
    for key in ["b", "a", "u", "z"] {
        assert_eq!(press(&mut state, key), Effect::Draw);
        assert_eq!(
            (&state.mode, state.message.as_deref()),
            (&InputMode::Browse, Some("run as root")),
            "{key}"
        );
    }
}

#[test]
fn filter_applies_while_it_is_typed() {
    let mut state = state();
    assert_eq!(press(&mut state, "/ 1 9 8"), Effect::Query);
    assert_eq!((state.sources().len(), chosen(&state).as_str()), (1, "198.51.100.3"));
    press(&mut state, "Back Back Enter");
    assert_eq!((state.filter.as_str(), state.sources().len()), ("1", 3));
    press(&mut state, "/ x x");
    assert_eq!((state.sources().len(), state.chosen_source()), (0, None));
    // In a filter, q is a letter.
    assert_eq!(press(&mut state, "q"), Effect::Query);
    press(&mut state, "Esc");
    assert_eq!((state.filter.as_str(), &state.mode), ("", &InputMode::Browse));
    assert_eq!(press(&mut state, "/ a Enter Esc"), Effect::Query);
    assert_eq!(state.filter, "");
}

#[test]
fn selection_stays_with_its_source_when_order_changes() {
    let mut state = state();
    press(&mut state, "Down");
    assert_eq!(chosen(&state), "192.0.2.2");
    let mut later = view();
    later.sources[1].fresh = 99;
    state.update(later);
    assert_eq!((chosen(&state).as_str(), state.chosen[0]), ("192.0.2.2", 0));
    state.update(view());
    assert_eq!(chosen(&state), "192.0.2.2", "it went up by itself");
    state.update(TopView { sources: vec![row("192.0.2.9", 1, 1)], ..view() });
    assert_eq!(chosen(&state), "192.0.2.9");
    // The user has not moved the selection, so it stays at the top.
    let mut state = self::state();
    let mut later = view();
    later.sources[1].fresh = 99;
    state.update(later);
    assert_eq!(chosen(&state), "192.0.2.2");
}

#[test]
fn sorting_goes_round_and_starts_at_the_top() {
    let mut state = state();
    press(&mut state, "Down");
    assert_eq!(press(&mut state, "s"), Effect::Query);
    assert_eq!((state.sort, state.chosen[0]), (Sort::Total, 0));
    press(&mut state, "s");
    assert_eq!((state.sort, chosen(&state).as_str()), (Sort::Dropped, "198.51.100.3"));
    press(&mut state, "s");
    assert_eq!(state.sort, Sort::Rate);
}

#[test]
fn pausing_freezes_what_is_shown() {
    let mut state = state();
    press(&mut state, "p");
    state.update(TopView { sources: Vec::new(), ..view() });
    assert_eq!(state.sources().len(), 3);
    press(&mut state, "p");
    state.update(TopView { sources: Vec::new(), ..view() });
    assert_eq!(state.sources().len(), 0);
}

#[test]
fn rates_are_what_was_counted_between_two_looks() {
    use synguard_common::abi::Counter;
    let mut state = state();
    let mut later = TopView { at_ns: 3_000_000_000, ..view() };
    later.counters.add(Reason::Hold, &Counter { packets: 500, bytes: 0 });
    later.counters.add(Reason::SynPassed, &Counter { packets: 100, bytes: 0 });
    state.update(later);
    let point = state.history.columns(1, |point| point.offered);
    assert_eq!(point.0, [Some(300)]);
    assert_eq!(state.history.columns(1, |point| point.not_passed).0, [Some(250)]);
}

#[test]
fn quitting_and_tabs() {
    let mut state = state();
    assert_eq!(press(&mut state, "q"), Effect::Quit);
    let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(state.on_key(interrupt), Effect::Quit);
    for (i, tab) in Tab::ALL.into_iter().enumerate() {
        press(&mut state, &(i + 1).to_string());
        assert_eq!(state.tab, tab);
    }
    press(&mut state, "Tab");
    assert_eq!(state.tab, Tab::Sources);
    press(&mut state, "Left");
    assert_eq!(state.tab, Tab::Help);
    press(&mut state, "1 Enter");
    assert_eq!(state.mode, InputMode::Detail);
    press(&mut state, "Esc");
    assert_eq!(state.mode, InputMode::Browse);
}
