//! The state of the screen and the effect of keys on it. Pure: views and keys come in, effects go out.

use synguard_common::source::SourceKey;
use synguard_model::snapshot::Counters;

use crate::{
    history::{History, Point},
    list_edit::{EditResult, ListEdit},
    sources::Sort,
    view_model::{SourceExplanation, TopView},
};

/// Time without a key after which the cursor returns to the first row of a list that is sorted by rate, in nanoseconds.
const IDLE_NS: u64 = 10_000_000_000;

/// The tabs, of which one is shown at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tab {
    /// The busiest sources.
    #[default]
    Sources,
    /// The busiest prefixes.
    Prefixes,
    /// The operator's lists.
    Lists,
    /// The events.
    Events,
    /// Packets by reason.
    Reasons,
    /// The keys.
    Help,
}

impl Tab {
    /// All tabs, from left to right.
    pub const ALL: [Self; 6] =
        [Self::Sources, Self::Prefixes, Self::Lists, Self::Events, Self::Reasons, Self::Help];

    /// Returns the name of the tab.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Sources => "sources",
            Self::Prefixes => "prefixes",
            Self::Lists => "lists",
            Self::Events => "events",
            Self::Reasons => "reasons",
            Self::Help => "help",
        }
    }
}

/// The meaning of keys at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum InputMode {
    /// Keys move the selection.
    #[default]
    Browse,
    /// Keys edit the filter.
    Filter,
    /// The detail page of the selected row.
    Detail,
    /// The confirmation dialog of an edit; the number is an index in `list_edit::TIMES`.
    Confirm(ListEdit, usize),
}

impl InputMode {
    /// Reports whether the screen shows one row, or a question about one.
    pub(crate) const fn is_about_one_row(&self) -> bool {
        matches!(self, Self::Detail | Self::Confirm(..))
    }
}

/// The effect of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Draw the screen.
    Draw,
    /// End the program.
    Quit,
    /// Refresh with a new query.
    Query,
    /// Change a list.
    ListEdit(ListEdit),
}

/// Rates between two views.
#[derive(Clone, Debug, Default)]
pub struct PerSecond {
    /// Seconds between the views; 0 before the second view.
    pub seconds: f64,
    /// Counters of that time.
    pub counted: Counters,
    /// SYNs and last ACKs that listeners dropped in that time.
    pub listen_drops: u64,
    /// Connections that were accepted in that time.
    pub accepted: u64,
}

impl PerSecond {
    /// Converts a count of that time to a rate a second.
    pub fn of(&self, count: u64) -> f64 {
        if self.seconds > 0.0 { count as f64 / self.seconds } else { 0.0 }
    }
}

/// Everything that the screen depends on.
#[derive(Clone, Debug, Default)]
pub struct AppState {
    /// The latest view, once there is one.
    pub view: Option<TopView>,
    /// Rates between the latest view and the one before.
    pub per_second: PerSecond,
    /// History of the last minutes.
    pub history: History,
    /// The current tab.
    pub tab: Tab,
    /// The meaning of keys.
    pub mode: InputMode,
    /// Order of sources and prefixes.
    pub sort: Sort,
    /// Text of the filter.
    pub filter: String,
    /// Selected line of each tab.
    pub chosen: [usize; 6],
    /// First row of each tab that the screen shows: only the user's keys move it.
    pub first: [usize; 6],
    /// Set for each tab whose selection the user has moved: it stays with its row.
    pub moved: [bool; 6],
    /// The source that the user has selected.
    pub kept: Option<SourceKey>,
    /// Set while the details of a row are open that does not exist any more.
    pub gone: bool,
    /// Number of rows that the screen has room for.
    pub page: usize,
    /// Explanation of the selected source.
    pub explanation: Option<SourceExplanation>,
    /// Time of the first view since the last key, in nanoseconds of `CLOCK_MONOTONIC`; `None` before it.
    pub idle_since_ns: Option<u64>,
    /// Set while the screen is paused.
    pub paused: bool,
    /// Result of the last edit, or the reason why a key had no effect.
    pub message: Option<String>,
    /// Reason why the lists cannot be edited, if so.
    pub read_only: Option<String>,
    /// Error of the last refresh, if it failed.
    pub error: Option<String>,
    /// The edit that undoes the last one.
    pub undo: Option<ListEdit>,
    /// Set while an edit is being performed.
    pub under_way: bool,
}

impl AppState {
    /// Takes a new view, unless paused.
    pub fn update(&mut self, view: TopView) {
        self.error = None;
        if self.paused {
            return;
        }
        let choice = self.choice();
        let at_ns = view.at_ns;
        if let Some(before) = &self.view {
            self.per_second = per_second(before, &view);
            self.history.push(point(&view, &self.per_second));
        }
        self.view = Some(view);
        self.choose(choice);
        self.clamp();
        self.leave_idle_cursor(at_ns);
    }

    /// Returns the cursor to the first row of the sources or prefixes if the user has not pressed a key for a while.
    fn leave_idle_cursor(&mut self, at_ns: u64) {
        let idle_since_ns = *self.idle_since_ns.get_or_insert(at_ns);
        let follows = matches!(self.tab, Tab::Sources | Tab::Prefixes) && self.mode == InputMode::Browse;
        if follows && self.has_left_top() && at_ns.saturating_sub(idle_since_ns) >= IDLE_NS {
            self.follow(self.tab);
            self.message = Some("10 s without a key: the cursor follows the first row again".to_owned());
        }
    }

    /// Reports whether the user has moved the cursor of the current tab or scrolled it.
    pub(crate) fn has_left_top(&self) -> bool {
        self.moved[self.tab as usize] || self.first_row() > 0
    }

    /// Notes that the user has pressed a key.
    pub(super) fn wake(&mut self) {
        self.idle_since_ns = None;
    }

    /// Takes the explanation of a source, unless the user has selected another one meanwhile.
    pub fn explain(&mut self, explanation: SourceExplanation) {
        if self.kept == Some(explanation.key) {
            self.explanation = Some(explanation);
        }
    }

    /// Records that a refresh failed.
    pub fn fail(&mut self, why: String) {
        self.error = Some(why);
    }

    /// Records the result of the current edit.
    pub fn done(&mut self, result: Result<EditResult, String>) {
        self.under_way = false;
        match result {
            Ok(EditResult { message, undo }) => {
                let hint = if undo.is_some() { " (z undoes it)" } else { "" };
                self.message = Some(format!("{message}{hint}"));
                self.undo = undo;
            }
            Err(why) => self.message = Some(format!("not done: {why}")),
        }
    }
}

fn per_second(before: &TopView, now: &TopView) -> PerSecond {
    let (then_tcp, now_tcp) = (before.listeners.unwrap_or_default(), now.listeners.unwrap_or_default());
    PerSecond {
        seconds: now.at_ns.saturating_sub(before.at_ns) as f64 / 1e9,
        counted: now.counters.since(&before.counters),
        listen_drops: now_tcp.drops.saturating_sub(then_tcp.drops),
        accepted: now_tcp.accepted.saturating_sub(then_tcp.accepted),
    }
}

fn point(view: &TopView, per_second: &PerSecond) -> Point {
    let fates = per_second.counted.syn_fates();
    Point {
        at_ns: view.at_ns,
        offered: per_second.of(fates.total()).round() as u64,
        not_passed: per_second.of(fates.dropped + fates.blocked + fates.answered + fates.would_drop).round()
            as u64,
        accepted: per_second.of(per_second.accepted).round() as u64,
        distinct: view.distinct,
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
