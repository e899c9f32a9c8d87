//! The state of the screen and the effect of keys on it. Pure: views and keys come in, effects go out.

use synguard_model::snapshot::Counters;

use crate::{
    history::{History, Point},
    list_edit::{EditResult, ListEdit},
    sources::Sort,
    view_model::TopView,
};

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
    /// SYNs that found a listener's queue full in that time.
    pub queue_full: u64,
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
    /// Set for each tab whose selection the user has moved: it stays with its row.
    pub moved: [bool; 6],
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
        if let Some(before) = &self.view {
            self.per_second = per_second(before, &view);
            self.history.push(point(&view, &self.per_second));
        }
        self.view = Some(view);
        self.choose(choice);
        self.clamp();
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

    /// Keeps the selection within the rows.
    pub(super) fn clamp(&mut self) {
        let last = self.line_count().saturating_sub(1);
        let chosen = &mut self.chosen[self.tab as usize];
        *chosen = (*chosen).min(last);
    }
}

fn per_second(before: &TopView, now: &TopView) -> PerSecond {
    let (then_tcp, now_tcp) = (before.listeners.unwrap_or_default(), now.listeners.unwrap_or_default());
    PerSecond {
        seconds: now.at_ns.saturating_sub(before.at_ns) as f64 / 1e9,
        counted: now.counters.since(&before.counters),
        listen_drops: now_tcp.drops.saturating_sub(then_tcp.drops),
        queue_full: now_tcp.queue_full.saturating_sub(then_tcp.queue_full),
    }
}

fn point(view: &TopView, per_second: &PerSecond) -> Point {
    let fates = per_second.counted.syn_fates();
    Point {
        at_ns: view.at_ns,
        offered: per_second.of(fates.total()).round() as u64,
        dropped: per_second.of(fates.dropped + fates.blocked).round() as u64,
        distinct: view.distinct,
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
