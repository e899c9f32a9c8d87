//! The rows of a tab, their order, and the selected row. Pure.

use std::cmp::Ordering;

use synguard_common::{reason::Reason, source::SourceKey};

use crate::{
    draw::help,
    sources::{Row, Sort, SourceFilter},
    state::{AppState, Tab},
    view_model::{EventRow, ListRow, TopView},
};

/// The selected row of each tab, where the user has moved the cursor.
pub(super) struct Selection {
    source: Option<SourceKey>,
    prefix: Option<SourceKey>,
    entry: Option<ListRow>,
    event: Option<EventRow>,
}

impl AppState {
    /// Returns the sources that match the filter, sorted.
    pub fn sources(&self) -> Vec<&Row> {
        self.rows(|view| &view.sources)
    }

    /// Returns the prefixes that match the filter, sorted.
    pub fn prefixes(&self) -> Vec<&Row> {
        self.rows(|view| &view.prefixes)
    }

    fn rows(&self, of: impl Fn(&TopView) -> &Vec<Row>) -> Vec<&Row> {
        let Some(view) = &self.view else { return Vec::new() };
        let filter = SourceFilter::parse(&self.filter);
        let mut rows: Vec<&Row> = of(view).iter().filter(|row| filter.matches(row, view.v6_length)).collect();
        rows.sort_by(|a, b| self.sort.compare(a, b));
        rows
    }

    /// Returns the reasons that have occurred, then the others; both in the order of their counters.
    pub fn reasons(&self) -> Vec<Reason> {
        let mut reasons = Reason::ALL.to_vec();
        if let Some(view) = &self.view {
            reasons.sort_by_key(|&reason| view.counters.get(reason).packets == 0);
        }
        reasons
    }

    /// Returns the list entries that contain the typed text, sorted.
    pub fn list_rows(&self) -> Vec<&ListRow> {
        let Some(view) = &self.view else { return Vec::new() };
        let matches = |entry: &&ListRow| {
            self.is_wanted(&[&entry.target, &entry.origin, &entry.reason, entry.status.label()])
        };
        let mut listed: Vec<&ListRow> = view.list_rows.iter().filter(matches).collect();
        listed.sort_by(|a, b| {
            let by_rate = if self.sort == Sort::Rate { b.rate.total_cmp(&a.rate) } else { Ordering::Equal };
            by_rate.then_with(|| b.hits.cmp(&a.hits)).then_with(|| a.target.cmp(&b.target))
        });
        listed
    }

    /// Returns the list entry under the cursor.
    pub(crate) fn chosen_entry(&self) -> Option<&ListRow> {
        self.list_rows().get(self.chosen[Tab::Lists as usize]).copied()
    }

    /// Returns the events that contain the typed text.
    pub fn events(&self) -> Vec<&EventRow> {
        let Some(view) = &self.view else { return Vec::new() };
        view.events.iter().filter(|event| self.is_wanted(&[&event.kind, &event.text])).collect()
    }

    fn is_wanted(&self, texts: &[&str]) -> bool {
        let typed = self.filter.trim().to_lowercase();
        texts.iter().any(|text| text.to_lowercase().contains(&typed))
    }

    /// Returns the source under the cursor.
    pub(crate) fn chosen_source(&self) -> Option<&Row> {
        self.sources().get(self.chosen[Tab::Sources as usize]).copied()
    }

    /// Returns the number of lines of the current tab; `draw::help` knows those of the help.
    pub(crate) fn line_count(&self) -> usize {
        match self.tab {
            Tab::Sources => self.sources().len(),
            Tab::Prefixes => self.prefixes().len(),
            Tab::Lists => self.list_rows().len(),
            Tab::Events => self.events().len(),
            Tab::Reasons => Reason::ALL.len(),
            Tab::Help => help::LINES.len(),
        }
    }

    /// Returns the list entry of exactly this target.
    pub(super) fn entry(&self, target: &str) -> Option<&ListRow> {
        let listed = &self.view.as_ref()?.list_rows;
        listed.iter().find(|entry| entry.target == target)
    }

    /// Returns the selected rows of the tabs whose cursor the user has moved; in the others the cursor stays at the top.
    pub(super) fn choice(&self) -> Selection {
        let at = |tab: Tab| Some(self.chosen[tab as usize]).filter(|_| self.moved[tab as usize]);
        let key = |rows: Vec<&Row>, at: usize| rows.get(at).map(|row| row.key);
        Selection {
            source: at(Tab::Sources).and_then(|at| key(self.sources(), at)),
            prefix: at(Tab::Prefixes).and_then(|at| key(self.prefixes(), at)),
            entry: at(Tab::Lists).and_then(|at| self.list_rows().get(at).copied().cloned()),
            event: at(Tab::Events).and_then(|at| self.events().get(at).copied().cloned()),
        }
    }

    /// Moves the cursor to the previously selected row, wherever that row is now.
    pub(super) fn choose(&mut self, choice: Selection) {
        let Selection { source, prefix, entry, event } = choice;
        let places = [
            (Tab::Sources, source.and_then(|key| self.sources().iter().position(|row| row.key == key))),
            (Tab::Prefixes, prefix.and_then(|key| self.prefixes().iter().position(|row| row.key == key))),
            (
                Tab::Lists,
                entry.and_then(|one| self.list_rows().iter().position(|entry| entry.has_same_target(&one))),
            ),
            (Tab::Events, event.and_then(|one| self.events().iter().position(|event| **event == one))),
        ];
        for (tab, place) in places {
            if let Some(at) = place {
                self.chosen[tab as usize] = at;
            }
        }
    }
}
