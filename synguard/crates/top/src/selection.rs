//! The rows of a tab, their order, the selected row, and the rows that the screen shows. Pure.

use std::cmp::Ordering;

use synguard_common::{reason::Reason, source::SourceKey};

use crate::{
    draw::help,
    sources::{Activity, Row, Sort, SourceFilter},
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
    /// Returns the sources that match the filter, sorted. Sorted by rate, those that have been silent for a minute are left
    /// out, except the one that the user has selected and those that the user filters for.
    pub fn sources(&self) -> Vec<&Row> {
        self.rows(|view| &view.sources)
    }

    /// Returns the prefixes that match the filter, sorted like the sources.
    pub fn prefixes(&self) -> Vec<&Row> {
        self.rows(|view| &view.prefixes)
    }

    fn rows(&self, of: impl Fn(&TopView) -> &Vec<Row>) -> Vec<&Row> {
        let Some(view) = &self.view else { return Vec::new() };
        let filter = SourceFilter::parse(&self.filter);
        let is_shown = |row: &&Row| {
            filter.matches(row, view.v6_length)
                && (self.activity(row) != Activity::LongSilent
                    || self.shows_silent()
                    || self.kept == Some(row.key))
        };
        let mut rows: Vec<&Row> = of(view).iter().filter(is_shown).collect();
        if self.sort == Sort::Rate {
            rows.sort_by(|a, b| {
                let silence = |row: &Row| self.activity(row) != Activity::Sending;
                silence(a).cmp(&silence(b)).then_with(|| self.sort.compare(a, b))
            });
        } else {
            rows.sort_by(|a, b| self.sort.compare(a, b));
        }
        rows
    }

    /// Returns the activity of a source or prefix.
    pub(crate) fn activity(&self, row: &Row) -> Activity {
        Activity::of(row, self.view.as_ref().map_or(0, |view| view.read_ns))
    }

    /// Reports whether sources that have been silent for a minute are shown.
    fn shows_silent(&self) -> bool {
        self.sort != Sort::Rate || !self.filter.is_empty()
    }

    /// Returns the number of sources that are not shown because they have been silent for a minute.
    pub(crate) fn hidden_sources(&self) -> usize {
        let Some(view) = &self.view else { return 0 };
        if self.shows_silent() {
            return 0;
        }
        let is_hidden = |row: &&Row| self.activity(row) == Activity::LongSilent && self.kept != Some(row.key);
        view.sources.iter().filter(is_hidden).count()
    }

    /// Returns the reasons that have occurred: the most frequent at present first, then by their totals.
    pub fn reasons(&self) -> Vec<Reason> {
        let Some(view) = &self.view else { return Vec::new() };
        let total = |reason: Reason| view.counters.get(reason).packets;
        let fresh = |reason: Reason| self.per_second.counted.get(reason).packets;
        let mut reasons: Vec<Reason> =
            Reason::ALL.iter().copied().filter(|&reason| total(reason) > 0).collect();
        reasons.sort_by_key(|&reason| std::cmp::Reverse((fresh(reason), total(reason))));
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
            Tab::Reasons => self.reasons().len(),
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
        // A row that is gone has no place any more.
        let is_there = |tab: Tab| self.moved[tab as usize] && !(self.gone && tab == self.tab);
        let at = |tab: Tab| Some(self.chosen[tab as usize]).filter(|_| is_there(tab));
        let key = |rows: Vec<&Row>, at: usize| rows.get(at).map(|row| row.key);
        Selection {
            source: self.kept.filter(|_| self.moved[Tab::Sources as usize]),
            prefix: at(Tab::Prefixes).and_then(|at| key(self.prefixes(), at)),
            entry: at(Tab::Lists).and_then(|at| self.list_rows().get(at).copied().cloned()),
            event: at(Tab::Events).and_then(|at| self.events().get(at).copied().cloned()),
        }
    }

    /// Moves the cursor to the previously selected row, wherever that row is now. The rows that the screen shows stay.
    /// Without that row the cursor returns to the first, unless its details are open.
    pub(super) fn choose(&mut self, choice: Selection) {
        let Selection { source, prefix, entry, event } = choice;
        let places = [
            (Tab::Sources, source.map(|key| self.sources().iter().position(|row| row.key == key))),
            (Tab::Prefixes, prefix.map(|key| self.prefixes().iter().position(|row| row.key == key))),
            (
                Tab::Lists,
                entry.map(|one| self.list_rows().iter().position(|entry| entry.has_same_target(&one))),
            ),
            (Tab::Events, event.map(|one| self.events().iter().position(|event| **event == one))),
        ];
        for (tab, place) in places {
            match place {
                Some(Some(at)) => {
                    self.chosen[tab as usize] = at;
                    self.gone &= tab != self.tab;
                }
                Some(None) if tab == self.tab && self.mode.is_about_one_row() => self.gone = true,
                Some(None) => self.follow(tab),
                None => {}
            }
        }
    }

    /// Returns a tab to its first row, which the cursor then follows.
    pub(super) fn follow(&mut self, tab: Tab) {
        self.chosen[tab as usize] = 0;
        self.first[tab as usize] = 0;
        self.moved[tab as usize] = false;
        if tab == Tab::Sources {
            self.kept = None;
        }
    }

    /// Returns the first row that the screen shows.
    pub(crate) fn first_row(&self) -> usize {
        self.first[self.tab as usize]
    }

    /// Returns the number of rows that the screen shows from `first` on. The line with the number of rows above takes the
    /// place of one, and so does the rule above the silent sources.
    pub(super) fn room(&self, first: usize) -> usize {
        let has_rule = matches!(self.tab, Tab::Sources | Tab::Prefixes);
        self.page.saturating_sub(usize::from(first > 0) + usize::from(has_rule)).max(1)
    }

    /// Reports whether the screen shows the selected row in its place.
    pub(super) fn shows_cursor(&self) -> bool {
        let (first, chosen) = (self.first_row(), self.chosen[self.tab as usize]);
        (first..first + self.room(first)).contains(&chosen)
    }

    /// Scrolls by as little as makes the selected row visible.
    pub(super) fn scroll_to_cursor(&mut self) {
        let chosen = self.chosen[self.tab as usize];
        let first = self.first_row();
        self.first[self.tab as usize] = if chosen < first {
            chosen
        } else if chosen >= first + self.room(first) {
            // Below the line with the number of rows above.
            chosen + 1 - self.room(1)
        } else {
            first
        };
    }

    /// Keeps the selection and the rows shown within the rows.
    pub(super) fn clamp(&mut self) {
        let last = self.line_count().saturating_sub(1);
        for at in [&mut self.chosen, &mut self.first] {
            let at = &mut at[self.tab as usize];
            *at = (*at).min(last);
        }
    }
}

#[cfg(test)]
#[path = "selection_tests.rs"]
mod tests;
