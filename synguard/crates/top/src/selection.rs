//! Which rows a tab has, in what order, and which one the cursor is on. Pure.

use std::cmp::Ordering;

use synguard_common::{reason::Reason, source::SourceKey};

use crate::{
    draw::help,
    sources::{Filter, Row, Sort},
    state::{AppState, Tab},
    view_model::{Happening, Listed, Survey},
};

/// What the cursor is on in each tab, where somebody has put it there.
pub(super) struct Choice {
    source: Option<SourceKey>,
    network: Option<SourceKey>,
    entry: Option<Listed>,
    event: Option<Happening>,
}

impl AppState {
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

    /// List entries that have in them what was typed, sorted.
    pub fn listed(&self) -> Vec<&Listed> {
        let Some(survey) = &self.survey else { return Vec::new() };
        let matches = |entry: &&Listed| {
            self.is_wanted(&[&entry.target, &entry.origin, &entry.reason, entry.standing.label()])
        };
        let mut listed: Vec<&Listed> = survey.listed.iter().filter(matches).collect();
        listed.sort_by(|a, b| {
            let by_rate = if self.sort == Sort::Rate { b.rate.total_cmp(&a.rate) } else { Ordering::Equal };
            by_rate.then_with(|| b.hits.cmp(&a.hits)).then_with(|| a.target.cmp(&b.target))
        });
        listed
    }

    /// The list entry that the cursor is on.
    pub(crate) fn chosen_entry(&self) -> Option<&Listed> {
        self.listed().get(self.chosen[Tab::Lists as usize]).copied()
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
    pub(crate) fn chosen_source(&self) -> Option<&Row> {
        self.sources().get(self.chosen[Tab::Sources as usize]).copied()
    }

    /// Lines that the shown tab has; what the help has, the view knows.
    pub(crate) fn line_count(&self) -> usize {
        match self.tab {
            Tab::Sources => self.sources().len(),
            Tab::Prefixes => self.networks().len(),
            Tab::Lists => self.listed().len(),
            Tab::Events => self.happenings().len(),
            Tab::Reasons => Reason::ALL.len(),
            Tab::Help => help::LINES.len(),
        }
    }

    /// What stands on the lists by that very name.
    pub(super) fn entry(&self, target: &str) -> Option<&Listed> {
        let listed = &self.survey.as_ref()?.listed;
        listed.iter().find(|entry| entry.target == target)
    }

    /// What the cursor is on, where somebody has moved it: nobody's choice stays at the top.
    pub(super) fn choice(&self) -> Choice {
        let at = |tab: Tab| Some(self.chosen[tab as usize]).filter(|_| self.moved[tab as usize]);
        let key = |rows: Vec<&Row>, at: usize| rows.get(at).map(|row| row.key);
        Choice {
            source: at(Tab::Sources).and_then(|at| key(self.sources(), at)),
            network: at(Tab::Prefixes).and_then(|at| key(self.networks(), at)),
            entry: at(Tab::Lists).and_then(|at| self.listed().get(at).copied().cloned()),
            event: at(Tab::Events).and_then(|at| self.happenings().get(at).copied().cloned()),
        }
    }

    /// Puts the cursor back on what it was on, wherever that has gone.
    pub(super) fn choose(&mut self, choice: Choice) {
        let Choice { source, network, entry, event } = choice;
        let places = [
            (Tab::Sources, source.and_then(|key| self.sources().iter().position(|row| row.key == key))),
            (Tab::Prefixes, network.and_then(|key| self.networks().iter().position(|row| row.key == key))),
            (
                Tab::Lists,
                entry.and_then(|one| self.listed().iter().position(|entry| entry.is_about_the_same(&one))),
            ),
            (Tab::Events, event.and_then(|one| self.happenings().iter().position(|event| **event == one))),
        ];
        for (tab, place) in places {
            if let Some(at) = place {
                self.chosen[tab as usize] = at;
            }
        }
    }
}
