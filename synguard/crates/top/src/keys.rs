//! The effect of each key. Pure.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use synguard_model::{
    list_entry::Scope,
    source::{SourceStatus, display, display_prefix},
};

use crate::{
    list_edit::{ListEdit, TIME_FIRST, TIMES},
    state::{AppState, Effect, InputMode, Tab},
};

/// Maximum length of a filter: any address with a prefix length fits.
const FILTER_MAX: usize = 64;

impl AppState {
    /// Applies a key.
    pub(crate) fn on_key(&mut self, key: KeyEvent) -> Effect {
        if key.kind == KeyEventKind::Release {
            return Effect::Draw;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return if key.code == KeyCode::Char('c') { Effect::Quit } else { Effect::Draw };
        }
        self.wake();
        let kept = self.kept;
        let effect = self.on_code(key.code);
        // The explanation of the source that is selected now is wanted.
        if effect == Effect::Draw && self.kept != kept { Effect::Query } else { effect }
    }

    fn on_code(&mut self, code: KeyCode) -> Effect {
        match self.mode.clone() {
            InputMode::Browse => self.browse(code),
            InputMode::Filter => self.type_filter(code),
            InputMode::Detail => self.detail(code),
            InputMode::Confirm(change, time) => self.confirm(code, change, time),
        }
    }

    fn browse(&mut self, code: KeyCode) -> Effect {
        self.message = None;
        match code {
            KeyCode::Char('q') => return Effect::Quit,
            KeyCode::Char('?' | 'h') | KeyCode::F(1) => self.show(Tab::Help),
            KeyCode::Char(digit @ '1'..='6') => self.show(Tab::ALL[digit as usize - '1' as usize]),
            KeyCode::Tab | KeyCode::Right => self.turn(1),
            KeyCode::BackTab | KeyCode::Left => self.turn(Tab::ALL.len() - 1),
            KeyCode::Char('s') => {
                self.sort = self.sort.next();
                self.follow(self.tab);
                return Effect::Query;
            }
            KeyCode::Char('/') => self.mode = InputMode::Filter,
            KeyCode::Esc if !self.filter.is_empty() => {
                self.filter.clear();
                return Effect::Query;
            }
            KeyCode::Char('p' | ' ') => self.paused = !self.paused,
            KeyCode::Enter if self.has_details() => {
                self.mode = InputMode::Detail;
                self.keep();
            }
            other => return self.act(other),
        }
        Effect::Draw
    }

    fn has_details(&self) -> bool {
        self.tab != Tab::Help && self.line_count() > 0
    }

    /// Handles the keys that move the selection or edit its list entry.
    fn act(&mut self, code: KeyCode) -> Effect {
        match code {
            KeyCode::Char('b') => self.ask_to_add(SourceStatus::Blocked),
            KeyCode::Char('a') => self.ask_to_add(SourceStatus::Allowed),
            KeyCode::Char('u') => self.ask_to_remove(),
            KeyCode::Char('z') => self.ask_to_undo(),
            KeyCode::Home | KeyCode::Char('g') => self.follow(self.tab),
            other => self.move_cursor(other),
        }
        Effect::Draw
    }

    fn move_cursor(&mut self, code: KeyCode) {
        let last = self.line_count().saturating_sub(1);
        let (first, before) = (self.first_row(), self.chosen[self.tab as usize]);
        let page = self.room(first);
        let after = match code {
            KeyCode::End | KeyCode::Char('G') => last,
            KeyCode::Up | KeyCode::Down | KeyCode::PageUp | KeyCode::PageDown | KeyCode::Char('j' | 'k')
                if !self.shows_cursor() && self.mode == InputMode::Browse =>
            {
                // Its row has moved off the screen: the cursor goes on from what the user sees.
                first
            }
            KeyCode::Up | KeyCode::Char('k') => before.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => before + 1,
            KeyCode::PageUp => before.saturating_sub(page),
            KeyCode::PageDown => before + page,
            _ => return,
        };
        self.gone = false;
        self.chosen[self.tab as usize] = after.min(last);
        self.scroll_to_cursor();
        if after == 0 && self.mode == InputMode::Browse {
            // Going back to the top follows the busiest row again.
            self.follow(self.tab);
        } else {
            self.keep();
        }
    }

    /// Ties the cursor to the selected row.
    fn keep(&mut self) {
        self.moved[self.tab as usize] = true;
        if self.tab == Tab::Sources {
            self.kept = self.chosen_source().map(|row| row.key);
        }
    }

    fn detail(&mut self, code: KeyCode) -> Effect {
        match code {
            KeyCode::Char('q') => return Effect::Quit,
            KeyCode::Esc | KeyCode::Enter => {
                self.mode = InputMode::Browse;
                if std::mem::take(&mut self.gone) || self.chosen[self.tab as usize] == 0 {
                    self.follow(self.tab);
                }
            }
            KeyCode::Char('p' | ' ') => self.paused = !self.paused,
            KeyCode::Up | KeyCode::Down | KeyCode::Char('j' | 'k' | 'b' | 'a' | 'u' | 'z') => {
                self.message = None;
                return self.act(code);
            }
            _ => {}
        }
        Effect::Draw
    }

    fn type_filter(&mut self, code: KeyCode) -> Effect {
        match code {
            KeyCode::Enter => self.mode = InputMode::Browse,
            KeyCode::Esc => {
                self.filter.clear();
                self.mode = InputMode::Browse;
            }
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Char(c) if !c.is_control() && self.filter.len() < FILTER_MAX => self.filter.push(c),
            _ => return Effect::Draw,
        }
        self.follow(self.tab);
        Effect::Query
    }

    fn confirm(&mut self, code: KeyCode, change: ListEdit, time: usize) -> Effect {
        match code {
            KeyCode::Left | KeyCode::Char('h') if offers_times(&change, time) => {
                self.mode = InputMode::Confirm(change, time.saturating_sub(1));
            }
            KeyCode::Right | KeyCode::Char('l') if offers_times(&change, time) => {
                self.mode = InputMode::Confirm(change, (time + 1).min(TIMES.len() - 1));
            }
            KeyCode::Char('s') => self.mode = InputMode::Confirm(with_other_scope(change), time),
            KeyCode::Enter | KeyCode::Char('y') => {
                self.mode = InputMode::Browse;
                return self.begin(with_time(change, time));
            }
            KeyCode::Esc | KeyCode::Char('n' | 'q') => {
                self.mode = InputMode::Browse;
                self.message = Some("nothing was changed".to_owned());
            }
            _ => {}
        }
        Effect::Draw
    }

    /// Returns the effect that starts an edit.
    fn begin(&mut self, change: ListEdit) -> Effect {
        self.message = Some(format!("{} …", change.describe()));
        self.under_way = true;
        Effect::ListEdit(change)
    }

    fn show(&mut self, tab: Tab) {
        self.tab = tab;
        self.clamp();
    }

    fn turn(&mut self, by: usize) {
        self.show(Tab::ALL[(self.tab as usize + by) % Tab::ALL.len()]);
    }

    /// Returns the target under the cursor, if it can be on a list.
    fn target(&self) -> Option<String> {
        let view = self.view.as_ref().filter(|_| !self.gone)?;
        let at = self.chosen[self.tab as usize];
        match self.tab {
            Tab::Sources => self.sources().get(at).map(|row| display(&row.key, view.v6_length)),
            Tab::Prefixes => self.prefixes().get(at).map(|row| display_prefix(&row.key)),
            Tab::Lists => self.list_rows().get(at).map(|entry| entry.target.clone()),
            Tab::Events | Tab::Reasons | Tab::Help => None,
        }
    }

    /// Returns the reason why the lists cannot be edited now, if there is one.
    fn refusal(&self) -> Option<String> {
        if self.under_way {
            return Some("the last change is still under way".to_owned());
        }
        self.read_only.clone()
    }

    fn ask_to_add(&mut self, status: SourceStatus) {
        match (self.refusal(), self.target()) {
            (Some(why), _) => self.message = Some(why),
            (None, None) => self.message = Some("there is nothing here to put on a list".to_owned()),
            (None, Some(target)) => {
                let time = TIMES[TIME_FIRST];
                // A flood's address may be forged: established connections from it go on.
                let scope = if status == SourceStatus::Blocked { Scope::Syn } else { Scope::All };
                self.mode = InputMode::Confirm(ListEdit::Add { status, target, time, scope }, TIME_FIRST);
            }
        }
    }

    fn ask_to_remove(&mut self) {
        let message = match (self.refusal(), self.target()) {
            (Some(why), _) => why,
            (None, None) => "there is nothing here that could be on a list".to_owned(),
            (None, Some(target)) => match self.list_of(&target) {
                Some(status) => {
                    self.mode = InputMode::Confirm(ListEdit::Remove { status, target }, TIME_FIRST);
                    return;
                }
                None => match &self.undo {
                    // The next view will have it.
                    Some(ListEdit::Remove { status, target: added }) if *added == target => {
                        self.mode =
                            InputMode::Confirm(ListEdit::Remove { status: *status, target }, TIME_FIRST);
                        return;
                    }
                    _ => format!("{target} is on no list"),
                },
            },
        };
        self.message = Some(message);
    }

    /// Returns the list that holds the target under the cursor: an entry of exactly this target, or else the list in the row's status. In
    /// the second case a wider entry may be meant, and the result of the edit names it.
    fn list_of(&self, target: &str) -> Option<SourceStatus> {
        let at = self.chosen[self.tab as usize];
        let row = match self.tab {
            Tab::Lists => return self.chosen_entry().map(|entry| entry.status),
            Tab::Sources => self.sources().get(at).copied(),
            Tab::Prefixes => self.prefixes().get(at).copied(),
            Tab::Events | Tab::Reasons | Tab::Help => None,
        };
        let named = self.entry(target).map(|entry| entry.status);
        let listed = |status: &SourceStatus| matches!(status, SourceStatus::Blocked | SourceStatus::Allowed);
        named.or_else(|| row.map(|row| row.status).filter(listed))
    }

    fn ask_to_undo(&mut self) {
        match (self.refusal(), self.undo.take()) {
            (Some(why), undo) => {
                self.message = Some(why);
                self.undo = undo;
            }
            (None, None) => self.message = Some("there is nothing to undo".to_owned()),
            (None, Some(change)) => {
                self.undo = Some(change.clone());
                // The entry keeps its remaining time, so the dialog offers no choice.
                self.mode = InputMode::Confirm(change, TIMES.len());
            }
        }
    }
}

/// Reports whether the dialog of an edit offers times to choose from.
pub(super) const fn offers_times(change: &ListEdit, time: usize) -> bool {
    matches!(change, ListEdit::Add { .. }) && time < TIMES.len()
}

/// Returns the edit with the selected time, where the dialog offers one.
fn with_time(change: ListEdit, chosen: usize) -> ListEdit {
    match (change, TIMES.get(chosen)) {
        (ListEdit::Add { status, target, scope, .. }, Some(&time)) => {
            ListEdit::Add { status, target, time, scope }
        }
        (change, _) => change,
    }
}

/// Returns the edit with the other scope.
fn with_other_scope(change: ListEdit) -> ListEdit {
    match change {
        ListEdit::Add { status, target, time, scope } => {
            let scope = if scope == Scope::Syn { Scope::All } else { Scope::Syn };
            ListEdit::Add { status, target, time, scope }
        }
        change => change,
    }
}
