//! What is on the screen and what keys do to it. Pure: surveys and keys come in, effects go out.

use synguard_common::reason::Verdict;
use synguard_model::snapshot::Counters;

use crate::{
    history::{History, Point},
    list_edit::{Change, Made},
    sources::Sort,
    view_model::Survey,
};

/// The parts of the screen of which one is shown at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tab {
    /// The busiest sources.
    #[default]
    Sources,
    /// The busiest networks.
    Prefixes,
    /// The operator's lists.
    Lists,
    /// What happened.
    Events,
    /// Packets by reason.
    Reasons,
    /// The keys.
    Help,
}

impl Tab {
    /// All of them, from left to right.
    pub const ALL: [Self; 6] =
        [Self::Sources, Self::Prefixes, Self::Lists, Self::Events, Self::Reasons, Self::Help];

    /// Its name.
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

/// What keys mean at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Moving about.
    #[default]
    Browse,
    /// Typing a filter.
    Filter,
    /// Looking at what is chosen, in full.
    Detail,
    /// Asked to confirm a change; the number chooses among `list_edit::TIMES`.
    Confirm(Change, usize),
}

/// What is to be done after a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing but to draw.
    Draw,
    /// End.
    Quit,
    /// Other rows are wanted from now on.
    Want,
    /// Change a list.
    Change(Change),
}

/// Figures a second.
#[derive(Clone, Debug, Default)]
pub struct PerSecond {
    /// Seconds that they were measured over; 0 if there is nothing to measure yet.
    pub seconds: f64,
    /// What was counted in that time.
    pub counted: Counters,
    /// SYNs and last ACKs that listeners dropped in that time.
    pub listen_drops: u64,
    /// SYNs that found a listener's queue full in that time.
    pub queue_full: u64,
}

impl PerSecond {
    /// A count of that time, a second.
    pub fn of(&self, count: u64) -> f64 {
        if self.seconds > 0.0 { count as f64 / self.seconds } else { 0.0 }
    }
}

/// Everything that decides what is drawn.
#[derive(Clone, Debug, Default)]
pub struct AppState {
    /// The latest look, once there is one.
    pub survey: Option<Survey>,
    /// Rates between it and the one before.
    pub per_second: PerSecond,
    /// The last minutes.
    pub history: History,
    /// What is shown.
    pub tab: Tab,
    /// What keys mean.
    pub mode: Mode,
    /// By what sources and networks are sorted.
    pub sort: Sort,
    /// What was typed to see only some of the rows.
    pub filter: String,
    /// The line that is chosen, for each tab.
    pub chosen: [usize; 6],
    /// Somebody has moved the choice, for each tab, so that it stays with its row.
    pub moved: [bool; 6],
    /// Nothing changes on the screen.
    pub paused: bool,
    /// What the last change came to, or why a key did nothing.
    pub message: Option<String>,
    /// Why nothing can be changed here.
    pub read_only: Option<String>,
    /// Why the filter cannot be read at the moment.
    pub trouble: Option<String>,
    /// What would undo the last change.
    pub undo: Option<Change>,
    /// A change is under way.
    pub under_way: bool,
}

impl AppState {
    /// Takes a look into account, unless paused.
    pub fn update(&mut self, survey: Survey) {
        self.trouble = None;
        if self.paused {
            return;
        }
        let choice = self.choice();
        if let Some(before) = &self.survey {
            self.per_second = per_second(before, &survey);
            self.history.push(point(&survey, &self.per_second));
        }
        self.survey = Some(survey);
        self.choose(choice);
        self.clamp();
    }

    /// The filter could not be read.
    pub fn fail(&mut self, why: String) {
        self.trouble = Some(why);
    }

    /// The change under way has come to an end.
    pub fn done(&mut self, result: Result<Made, String>) {
        self.under_way = false;
        match result {
            Ok(Made { said, undo }) => {
                let hint = if undo.is_some() { " (z undoes it)" } else { "" };
                self.message = Some(format!("{said}{hint}"));
                self.undo = undo;
            }
            Err(why) => self.message = Some(format!("not done: {why}")),
        }
    }

    /// Keeps the choice within what there is.
    pub(super) fn clamp(&mut self) {
        let last = self.line_count().saturating_sub(1);
        let chosen = &mut self.chosen[self.tab as usize];
        *chosen = (*chosen).min(last);
    }
}

fn per_second(before: &Survey, now: &Survey) -> PerSecond {
    let (then_tcp, now_tcp) = (before.listeners.unwrap_or_default(), now.listeners.unwrap_or_default());
    PerSecond {
        seconds: now.at_ns.saturating_sub(before.at_ns) as f64 / 1e9,
        counted: now.counters.since(&before.counters),
        listen_drops: now_tcp.drops.saturating_sub(then_tcp.drops),
        queue_full: now_tcp.queue_full.saturating_sub(then_tcp.queue_full),
    }
}

fn point(survey: &Survey, per_second: &PerSecond) -> Point {
    let counted = &per_second.counted;
    Point {
        at_ns: survey.at_ns,
        offered: per_second.of(counted.guarded_syns()).round() as u64,
        dropped: per_second.of(counted.with_verdict(Verdict::Drop).packets).round() as u64,
        distinct: survey.distinct,
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
