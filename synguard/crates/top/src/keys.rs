//! What each key does. Pure.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use synguard_model::source::{SourceStatus, display, display_prefix};

use crate::{
    list_edit::{Change, TIME_FIRST, TIMES},
    state::{AppState, Effect, Mode, Tab},
};

/// Lines that a page has, for the keys that turn pages: what a small screen shows.
const PAGE: usize = 8;
/// Longest filter: any address with a length fits.
const FILTER_MAX: usize = 64;

impl AppState {
    /// Does what a key says.
    pub(crate) fn on_key(&mut self, key: KeyEvent) -> Effect {
        if key.kind == KeyEventKind::Release {
            return Effect::Draw;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return if key.code == KeyCode::Char('c') { Effect::Quit } else { Effect::Draw };
        }
        match self.mode.clone() {
            Mode::Browse => self.browse(key.code),
            Mode::Filter => self.type_filter(key.code),
            Mode::Detail => self.detail(key.code),
            Mode::Confirm(change, time) => self.confirm(key.code, change, time),
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
                self.chosen[self.tab as usize] = 0;
                self.moved[self.tab as usize] = false;
                return Effect::Want;
            }
            KeyCode::Char('/') => self.mode = Mode::Filter,
            KeyCode::Esc if !self.filter.is_empty() => {
                self.filter.clear();
                return Effect::Want;
            }
            KeyCode::Char('p' | ' ') => self.paused = !self.paused,
            KeyCode::Enter if self.has_details() => {
                self.mode = Mode::Detail;
                self.moved[self.tab as usize] = true;
            }
            other => return self.act(other),
        }
        Effect::Draw
    }

    fn has_details(&self) -> bool {
        self.tab != Tab::Help && self.line_count() > 0
    }

    /// Keys that move the choice, or change something about it.
    fn act(&mut self, code: KeyCode) -> Effect {
        let last = self.line_count().saturating_sub(1);
        let chosen = &mut self.chosen[self.tab as usize];
        let before = *chosen;
        match code {
            KeyCode::Up | KeyCode::Char('k') => *chosen = chosen.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => *chosen = (*chosen + 1).min(last),
            KeyCode::PageUp => *chosen = chosen.saturating_sub(PAGE),
            KeyCode::PageDown => *chosen = (*chosen + PAGE).min(last),
            KeyCode::Home | KeyCode::Char('g') => *chosen = 0,
            KeyCode::End | KeyCode::Char('G') => *chosen = last,
            KeyCode::Char('b') => self.ask_to_add(SourceStatus::Blocked),
            KeyCode::Char('a') => self.ask_to_add(SourceStatus::Allowed),
            KeyCode::Char('u') => self.ask_to_remove(),
            KeyCode::Char('z') => self.ask_to_undo(),
            _ => {}
        }
        let now = self.chosen[self.tab as usize];
        // Whoever goes back to the top wants to see who leads.
        let moved = &mut self.moved[self.tab as usize];
        *moved = (*moved || now != before) && now != 0 || self.mode != Mode::Browse;
        Effect::Draw
    }

    fn detail(&mut self, code: KeyCode) -> Effect {
        match code {
            KeyCode::Char('q') => return Effect::Quit,
            KeyCode::Esc | KeyCode::Enter => self.mode = Mode::Browse,
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
            KeyCode::Enter => self.mode = Mode::Browse,
            KeyCode::Esc => {
                self.filter.clear();
                self.mode = Mode::Browse;
            }
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Char(c) if !c.is_control() && self.filter.len() < FILTER_MAX => self.filter.push(c),
            _ => return Effect::Draw,
        }
        self.clamp();
        Effect::Want
    }

    fn confirm(&mut self, code: KeyCode, change: Change, time: usize) -> Effect {
        match code {
            KeyCode::Left | KeyCode::Char('h') if offers_times(&change, time) => {
                self.mode = Mode::Confirm(change, time.saturating_sub(1));
            }
            KeyCode::Right | KeyCode::Char('l') if offers_times(&change, time) => {
                self.mode = Mode::Confirm(change, (time + 1).min(TIMES.len() - 1));
            }
            KeyCode::Enter | KeyCode::Char('y') => {
                self.mode = Mode::Browse;
                return self.begin(with_time(change, time));
            }
            KeyCode::Esc | KeyCode::Char('n' | 'q') => {
                self.mode = Mode::Browse;
                self.message = Some("nothing was changed".to_owned());
            }
            _ => {}
        }
        Effect::Draw
    }

    /// Hands a change out to be done.
    fn begin(&mut self, change: Change) -> Effect {
        self.message = Some(format!("{} …", change.describe()));
        self.under_way = true;
        Effect::Change(change)
    }

    fn show(&mut self, tab: Tab) {
        self.tab = tab;
        self.clamp();
    }

    fn turn(&mut self, by: usize) {
        self.show(Tab::ALL[(self.tab as usize + by) % Tab::ALL.len()]);
    }

    /// What the cursor is on, if it can be on a list.
    fn target(&self) -> Option<String> {
        let survey = self.survey.as_ref()?;
        let at = self.chosen[self.tab as usize];
        match self.tab {
            Tab::Sources => self.sources().get(at).map(|row| display(&row.key, survey.v6_length)),
            Tab::Prefixes => self.networks().get(at).map(|row| display_prefix(&row.key)),
            Tab::Lists => self.listed().get(at).map(|entry| entry.target.clone()),
            Tab::Events | Tab::Reasons | Tab::Help => None,
        }
    }

    /// Why nothing can be changed now, if so.
    fn refusal(&self) -> Option<String> {
        if self.under_way {
            return Some("the last change is still under way".to_owned());
        }
        self.read_only.clone()
    }

    fn ask_to_add(&mut self, standing: SourceStatus) {
        match (self.refusal(), self.target()) {
            (Some(why), _) => self.message = Some(why),
            (None, None) => self.message = Some("there is nothing here to put on a list".to_owned()),
            (None, Some(target)) => {
                let time = TIMES[TIME_FIRST];
                self.mode = Mode::Confirm(Change::Add { standing, target, time }, TIME_FIRST);
            }
        }
    }

    fn ask_to_remove(&mut self) {
        let message = match (self.refusal(), self.target()) {
            (Some(why), _) => why,
            (None, None) => "there is nothing here that could be on a list".to_owned(),
            (None, Some(target)) => match self.list_of(&target) {
                Some(standing) => {
                    self.mode = Mode::Confirm(Change::Remove { standing, target }, TIME_FIRST);
                    return;
                }
                None => format!("{target} is on no list"),
            },
        };
        self.message = Some(message);
    }

    /// The list that the target under the cursor is on: by that very name, or else as the row says. In that case it
    /// may be a wider entry, which the change then names.
    fn list_of(&self, target: &str) -> Option<SourceStatus> {
        let at = self.chosen[self.tab as usize];
        let row = match self.tab {
            Tab::Lists => return self.chosen_entry().map(|entry| entry.standing),
            Tab::Sources => self.sources().get(at).copied(),
            Tab::Prefixes => self.networks().get(at).copied(),
            Tab::Events | Tab::Reasons | Tab::Help => None,
        };
        let named = self.entry(target).map(|entry| entry.standing);
        let listed =
            |standing: &SourceStatus| matches!(standing, SourceStatus::Blocked | SourceStatus::Allowed);
        named.or_else(|| row.map(|row| row.standing).filter(listed))
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
                // The time is what was left: the choice among the usual ones is not offered.
                self.mode = Mode::Confirm(change, TIMES.len());
            }
        }
    }
}

/// Whether the dialog about a change has times to choose from.
pub(super) const fn offers_times(change: &Change, time: usize) -> bool {
    matches!(change, Change::Add { .. }) && time < TIMES.len()
}

/// The change with the time that was chosen, where one is to be chosen.
fn with_time(change: Change, chosen: usize) -> Change {
    match (change, TIMES.get(chosen)) {
        (Change::Add { standing, target, .. }, Some(&time)) => Change::Add { standing, target, time },
        (change, _) => change,
    }
}
