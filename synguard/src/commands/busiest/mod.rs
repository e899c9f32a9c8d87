//! Reads the busiest sources of a filter, with their rates since the previous reading: for `top`, and for `status`. Memory and
//! time are bounded, however many sources and list entries there are.

mod list_rows;

use std::collections::{HashMap, hash_map::Entry};

use anyhow::Result;
use synguard_common::{
    ip_list::Prefix,
    source::{SourceKey, SourceState},
};
use synguard_datapath::{Budget, Coverage, Datapath};
use synguard_kernel::clock;
use synguard_model::{
    settings::Settings,
    situation::TopSource,
    snapshot::SourceSummary,
    source::{SourceStatus, display},
};
use synguard_top::{
    sources::{
        Busiest, FoundAgain, PrefixTotals, Rates, Row, Sort, SourceFilter, WATCHED_MAX, WatchedSources,
    },
    view_model::TopQuery,
};

pub(super) use self::list_rows::ListMonitor;
use self::list_rows::ListStates;

/// Maximum number of prefixes shown.
const PREFIXES_MAX: usize = 1000;
/// Number of the top sources, which depend on no query.
const TOP: usize = 3;

/// Time in which a source that is in hold must have sent a SYN to be watched, in nanoseconds.
const HELD_WITHIN_NS: u64 = 1_000_000_000;

/// Prefix lengths of IPv4, in its mapped form, and of IPv6.
const PREFIX_LENGTHS: [u32; 2] = [96 + 24, 48];

/// A reader of the busiest sources and prefixes. It remembers the counts of the previous reading.
pub(super) struct BusiestReader {
    rates: Rates,
    prefix_rates: Rates,
    watched: WatchedSources,
    pub(super) lists: ListMonitor,
    budget: Budget,
}

/// What is found in the table of sources and the blocklist without a query.
#[derive(Clone, Debug, Default)]
pub(super) struct FoundSources {
    pub(super) summary: SourceSummary,
    /// The busiest of all sources and blocked prefixes, by rate.
    pub(super) top: Vec<TopSource>,
    /// Entries of the blocklist that have dropped packets since the previous reading.
    pub(super) active_blocks: u64,
    /// Sources in hold that have sent SYNs since the previous reading.
    pub(super) active_holds: u64,
}

/// The result of reading the table of sources.
pub(super) struct TableScan {
    pub(super) found: FoundSources,
    pub(super) rows: Vec<Row>,
    pub(super) prefixes: Vec<Row>,
    pub(super) coverage: Coverage,
}

impl BusiestReader {
    /// Creates a reader that is used again and again (`is_live`) or twice.
    pub(super) fn new(budget: Budget, is_live: bool) -> Self {
        Self {
            rates: Rates::default(),
            prefix_rates: Rates::default(),
            watched: WatchedSources::default(),
            lists: ListMonitor::new(is_live),
            budget,
        }
    }

    /// Reads the sources; without a query only the summary and the top sources. The first reading has no rates.
    pub(super) fn read(
        &mut self,
        datapath: &Datapath,
        query: Option<&TopQuery>,
        settings: &Settings,
    ) -> Result<TableScan> {
        self.lists.read(datapath, clock::now())?;
        let mut scan = self.sources(datapath, query, settings)?;
        if query.is_some() && settings.prefix_rate != 0 {
            scan.prefixes = self.prefixes(datapath)?;
        }
        Ok(scan)
    }

    /// Begins to watch the busiest sources of a reading, for [`Self::read_again`].
    pub(super) fn watch(&mut self, datapath: &Datapath, scan: &TableScan, v6_length: u8) -> Result<()> {
        let found = self.find_again(datapath, &scan.rows, v6_length)?;
        self.watched.begin(&scan.rows, &found, clock::now_ns());
        Ok(())
    }

    /// Updates a reading: the lists, and the busiest sources with those that are in hold by now. If the query asks for another
    /// selection than all sources by rate, only the lists. Returns the time of the update.
    pub(super) fn read_again(
        &mut self,
        datapath: &Datapath,
        query: &TopQuery,
        scan: &mut TableScan,
        v6_length: u8,
    ) -> Result<Option<u64>> {
        self.lists.read(datapath, clock::now())?;
        if query.sort != Sort::Rate || query.filter != SourceFilter::All {
            return Ok(None);
        }
        let found = self.find_again(datapath, &scan.rows, v6_length)?;
        let now_ns = clock::now_ns();
        let updated = self.watched.update(&mut scan.rows, &found, now_ns);
        let states = ListStates::of(datapath)?;
        look_up(&states, &mut scan.rows[..updated], [128, v6_length.into()]);
        let is_in_table = |row: &&Row| row.fresh > 0 && row.status != SourceStatus::Blocked;
        let top = scan.rows[..updated].iter().filter(is_in_table).take(TOP);
        scan.found.top = self.with_blocked(top.map(|row| top_source(row, v6_length)).collect());
        scan.found.active_blocks = self.lists.blocked_fresh().count() as u64;
        let in_hold = scan.rows[..updated].iter().filter(|row| row.status == SourceStatus::Hold);
        let active = in_hold.clone().filter(|row| row.fresh > 0).count() as u64;
        let in_hold = in_hold.count() as u64;
        // Of more sources than are watched it is the number of the latest reading.
        let of_all = |former: u64, watched: u64| {
            if former < WATCHED_MAX as u64 { watched } else { former.max(watched) }
        };
        let FoundSources { summary, active_holds, .. } = &mut scan.found;
        summary.in_hold = of_all(summary.in_hold, in_hold);
        // While none of the watched ones sends, no other does.
        *active_holds = if active == 0 { 0 } else { of_all(*active_holds, active) };
        scan.rows.truncate(query.limit);
        Ok(Some(now_ns))
    }

    /// Looks up the first rows, and the sources in hold.
    fn find_again(&self, datapath: &Datapath, rows: &[Row], v6_length: u8) -> Result<FoundAgain> {
        let watched = rows.iter().take(WATCHED_MAX).map(|row| row.key);
        let held = datapath.held_sources(clock::now_ns(), HELD_WITHIN_NS)?;
        let entries = datapath.entries_of(watched.chain(held))?;
        let blocked = self.lists.blocked_sources(v6_length);
        Ok(FoundAgain { entries, hits: blocked.map(|(key, shown)| (key, shown.hits())).collect() })
    }

    fn sources(
        &mut self,
        datapath: &Datapath,
        query: Option<&TopQuery>,
        settings: &Settings,
    ) -> Result<TableScan> {
        // Prefixes with a limit have counts of their own.
        let (v6_length, are_summed) = (settings.v6_length(), settings.prefix_rate == 0);
        let now_ns = clock::now_ns();
        self.rates.begin(now_ns);
        let seconds = self.rates.seconds();
        let mut summary = SourceSummary::default();
        let mut busiest = query.map(|query| Busiest::new(query.sort, query.limit));
        let mut top = Busiest::new(Sort::Rate, TOP);
        let mut active_holds = 0;
        let mut prefixes = PrefixTotals::default();
        let coverage = datapath.for_each_source(self.budget, |key, state| {
            summary.add(state, now_ns);
            let fresh = self.rates.fresh(key, state);
            let row = Row::new(key, state, fresh, seconds, now_ns);
            if fresh > 0 {
                top.offer(row);
                active_holds += u64::from(row.status == SourceStatus::Hold);
            }
            let (Some(query), Some(busiest)) = (query, &mut busiest) else { return };
            if fresh > 0 && are_summed {
                prefixes.add(&row);
            }
            if query.filter.admits(key, v6_length) {
                busiest.offer(row);
            }
        })?;
        let sort = query.map(|query| query.sort).unwrap_or_default();
        let mut prefixes = prefixes.busiest(sort, PREFIXES_MAX, seconds);
        let mut rows = busiest.map(Busiest::finish).unwrap_or_default();
        if let Some(query) = query {
            self.add_blocked(datapath, query, &mut rows, v6_length)?;
        }
        let mut top = top.finish();
        let states = ListStates::of(datapath)?;
        look_up(&states, &mut rows, [128, v6_length.into()]);
        look_up(&states, &mut top, [128, v6_length.into()]);
        look_up(&states, &mut prefixes, PREFIX_LENGTHS);
        let top = self.with_blocked(top.iter().map(|row| top_source(row, v6_length)).collect());
        let active_blocks = self.lists.blocked_fresh().count() as u64;
        Ok(TableScan {
            found: FoundSources { summary, top, active_blocks, active_holds },
            rows,
            prefixes,
            coverage,
        })
    }

    /// Returns the busiest of these sources and of the blocklist's entries, whose SYNs the table does not count.
    fn with_blocked(&self, mut top: Vec<TopSource>) -> Vec<TopSource> {
        let seconds = self.lists.seconds();
        for (source, fresh) in self.lists.blocked_fresh() {
            let rate = if seconds > 0.0 { fresh as f64 / seconds } else { 0.0 };
            match top.iter_mut().find(|other| other.source == source) {
                // It was blocked between the two readings.
                Some(other) => other.rate += rate,
                None => top.push(TopSource { source, rate, status: SourceStatus::Blocked }),
            }
        }
        top.retain(|source| source.rate > 0.0);
        top.sort_by(|a, b| b.rate.total_cmp(&a.rate).then_with(|| a.source.cmp(&b.source)));
        top.truncate(TOP);
        top
    }

    /// Adds the packets that the blocklist dropped to their sources: the table does not count blocked sources.
    fn add_blocked(
        &self,
        datapath: &Datapath,
        query: &TopQuery,
        rows: &mut Vec<Row>,
        v6_length: u8,
    ) -> Result<()> {
        let (seconds, now_ns) = (self.lists.seconds(), clock::now_ns());
        let mut places: HashMap<SourceKey, usize> =
            rows.iter().enumerate().map(|(i, row)| (row.key, i)).collect();
        for (key, shown) in self.lists.blocked_sources(v6_length) {
            let place = match places.entry(key) {
                Entry::Occupied(place) => *place.get(),
                Entry::Vacant(_) if !query.filter.admits(&key, v6_length) => continue,
                Entry::Vacant(place) => {
                    let state = datapath.source(&key)?.unwrap_or_default();
                    rows.push(Row::new(&key, &state, 0, seconds, now_ns));
                    *place.insert(rows.len() - 1)
                }
            };
            if let Some(row) = rows.get_mut(place) {
                let status = row.status;
                *row = row.with_hits(shown.fresh, shown.hits(), seconds, now_ns);
                if !shown.is_effective(now_ns) {
                    row.status = status;
                }
            }
        }
        rows.sort_by(|a, b| query.sort.compare(a, b));
        rows.truncate(query.limit);
        Ok(())
    }

    fn prefixes(&mut self, datapath: &Datapath) -> Result<Vec<Row>> {
        let now_ns = clock::now_ns();
        self.prefix_rates.begin(now_ns);
        let seconds = self.prefix_rates.seconds();
        let mut busiest = Busiest::new(Sort::Rate, PREFIXES_MAX);
        let mut visit = |key: &SourceKey, state: &SourceState| {
            let fresh = self.prefix_rates.fresh(key, state);
            busiest.offer(Row::new(key, state, fresh, seconds, now_ns));
        };
        datapath.for_each_prefix(self.budget, &mut visit)?;
        let mut prefixes = busiest.finish();
        look_up(&ListStates::of(datapath)?, &mut prefixes, PREFIX_LENGTHS);
        Ok(prefixes)
    }
}

fn top_source(row: &Row, v6_length: u8) -> TopSource {
    TopSource { source: display(&row.key, v6_length), rate: row.syn_rate, status: row.status }
}

/// Looks the rows up in the lists. The lengths are those of their prefixes: IPv4 in its mapped form, and IPv6.
fn look_up(states: &ListStates, rows: &mut [Row], [v4, v6]: [u32; 2]) {
    let now_ns = clock::now_ns();
    for row in rows {
        let length = if row.key.address.is_v4() { v4 } else { v6 };
        let listed = states.of_prefix(&Prefix::new(row.key.address, length), now_ns);
        row.status = listed.unwrap_or(row.status);
    }
}
