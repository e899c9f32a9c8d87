//! What is on the screen and what keys do to it. Pure: surveys and keys come in, effects go out.

use synguard_common::verdict::{Reason, Verdict};

use super::{
    change::Change,
    data::{Happening, Listed, Survey},
    history::{History, Point},
};
use crate::{
    snapshot::Counters,
    sources::{Filter, Row, Sort, Standing},
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
    /// Looking at one source.
    Detail,
    /// Asked to confirm a change; the number chooses among [`super::change::TIMES`].
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
    /// Somebody has moved the choice, so that it stays with its row.
    pub moved: bool,
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
    /// The change under way, and what would undo it.
    pub under_way: Option<(Change, Option<Change>)>,
}

impl AppState {
    /// Takes a look into account, unless paused.
    pub fn update(&mut self, survey: Survey) {
        self.trouble = None;
        if self.paused {
            return;
        }
        let key = |row: Option<&Row>| row.filter(|_| self.moved).map(|row| row.key);
        let chosen = key(self.chosen_source());
        let chosen_network = key(self.networks().get(self.chosen[Tab::Prefixes as usize]).copied());
        if let Some(before) = &self.survey {
            self.per_second = per_second(before, &survey);
            self.history.push(point(&survey, &self.per_second));
        }
        self.survey = Some(survey);
        // The choice stays with its row, wherever that has gone.
        if let Some(at) = chosen.and_then(|key| self.sources().iter().position(|row| row.key == key)) {
            self.chosen[Tab::Sources as usize] = at;
        }
        if let Some(at) = chosen_network.and_then(|key| self.networks().iter().position(|row| row.key == key))
        {
            self.chosen[Tab::Prefixes as usize] = at;
        }
        self.clamp();
    }

    /// The filter could not be read.
    pub fn fail(&mut self, why: String) {
        self.trouble = Some(why);
    }

    /// The change under way has come to an end.
    pub fn done(&mut self, result: Result<String, String>) {
        let Some((_, inverse)) = self.under_way.take() else { return };
        match result {
            Ok(said) => {
                let hint = if inverse.is_some() { " (z undoes it)" } else { "" };
                self.message = Some(format!("{said}{hint}"));
                self.undo = inverse;
            }
            Err(why) => self.message = Some(format!("not done: {why}")),
        }
    }

    /// Sources as they are listed: sorted, and filtered by what was typed.
    pub fn sources(&self) -> Vec<&Row> {
        self.rows(|survey| &survey.sources)
    }

    /// Networks, likewise.
    pub fn networks(&self) -> Vec<&Row> {
        self.rows(|survey| &survey.networks)
    }

    fn rows(&self, of: impl Fn(&Survey) -> &Vec<Row>) -> Vec<&Row> {
        let Some(survey) = &self.survey else { return Vec::new() };
        let filter = Filter::parse(&self.filter);
        let mut rows: Vec<&Row> =
            of(survey).iter().filter(|row| filter.wants(row, survey.v6_length)).collect();
        rows.sort_by(|a, b| self.sort.compare(a, b));
        rows
    }

    /// Reasons that have occurred, then the others; both in the order of their counters.
    pub fn reasons(&self) -> Vec<Reason> {
        let mut reasons = Reason::ALL.to_vec();
        if let Some(survey) = &self.survey {
            reasons.sort_by_key(|&reason| survey.counters.get(reason).packets == 0);
        }
        reasons
    }

    /// List entries that have in them what was typed.
    pub fn listed(&self) -> Vec<&Listed> {
        let Some(survey) = &self.survey else { return Vec::new() };
        let matches = |entry: &&Listed| {
            self.is_wanted(&[&entry.target, &entry.origin, &entry.reason, entry.standing.label()])
        };
        survey.listed.iter().filter(matches).collect()
    }

    /// Events that have in them what was typed.
    pub fn happenings(&self) -> Vec<&Happening> {
        let Some(survey) = &self.survey else { return Vec::new() };
        survey.happenings.iter().filter(|event| self.is_wanted(&[&event.kind, &event.text])).collect()
    }

    fn is_wanted(&self, texts: &[&str]) -> bool {
        let typed = self.filter.trim().to_lowercase();
        texts.iter().any(|text| text.to_lowercase().contains(&typed))
    }

    /// The source that the cursor is on.
    pub fn chosen_source(&self) -> Option<&Row> {
        self.sources().get(self.chosen[Tab::Sources as usize]).copied()
    }

    /// Lines that the shown tab has; what the help has, the view knows.
    pub fn line_count(&self) -> usize {
        match self.tab {
            Tab::Sources => self.sources().len(),
            Tab::Prefixes => self.networks().len(),
            Tab::Lists => self.listed().len(),
            Tab::Events => self.happenings().len(),
            Tab::Reasons => Reason::ALL.len(),
            Tab::Help => super::view_help::LINES.len(),
        }
    }

    /// Keeps the choice within what there is.
    pub(super) fn clamp(&mut self) {
        let last = self.line_count().saturating_sub(1);
        let chosen = &mut self.chosen[self.tab as usize];
        *chosen = (*chosen).min(last);
    }

    /// What stands on the lists by that very name.
    pub(super) fn entry(&self, target: &str) -> Option<&Listed> {
        let listed = &self.survey.as_ref()?.listed;
        listed.iter().find(|entry| entry.target == target)
    }

    /// On which list a target of that very name is.
    pub fn standing(&self, target: &str) -> Option<Standing> {
        self.entry(target).map(|entry| entry.standing)
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
        dropped: per_second.of(counted.of(Verdict::Drop).packets).round() as u64,
        distinct: survey.distinct,
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
