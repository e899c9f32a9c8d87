//! Reads the filter for `top`. Each refresh opens the pins anew, so that `top` survives a filter that is detached
//! and attached again.

use std::{
    collections::{HashMap, hash_map::Entry},
    time::Duration,
};

use anyhow::Result;
use synguard_common::{
    ip_list::{List, Prefix},
    source::{SourceKey, SourceState},
};
use synguard_datapath::{Budget, Coverage, Datapath, ListSize};
use synguard_kernel::{clock, instance::Instance, tcp_counters};
use synguard_model::snapshot::{Snapshot, SourceSummary};
use synguard_top::{
    sources::{Busiest, PrefixTotals, Rates, Row, Sort},
    view_model::{CookieState, Cost, Gauge, InterfaceRow, ListenDrops, TopQuery, TopView},
};

use super::{
    events::EventReader,
    list_rows::{ListMonitor, ListStates},
};
use crate::commands::{
    filter::{open, snapshot},
    status::{Status, place_brief},
};

/// Time budget for reading a table: a table of a million sources takes a third of it.
const READ_MAX: Duration = Duration::from_secs(1);
/// The same for `--once`, where no user waits for a key to take effect.
const READ_MAX_ONCE: Duration = Duration::from_secs(5);
/// Maximum number of prefixes shown.
const PREFIXES_MAX: usize = 1000;

/// Prefix lengths of IPv4, in its mapped form, and of IPv6.
const PREFIX_LENGTHS: [u32; 2] = [96 + 24, 48];

/// Collects a view of the filter at each refresh.
pub(super) struct Collector {
    instance: Instance,
    rates: Rates,
    prefix_rates: Rates,
    lists: ListMonitor,
    events: EventReader,
    budget: Budget,
    earlier: Option<Snapshot>,
    cpu_ns: u64,
}

/// The result of reading the table of sources.
struct TableScan {
    summary: SourceSummary,
    rows: Vec<Row>,
    prefixes: Vec<Row>,
    coverage: Coverage,
}

impl Collector {
    pub(super) fn new(instance: Instance, is_live: bool) -> Self {
        Self {
            events: EventReader::new(&instance),
            lists: ListMonitor::default(),
            budget: Budget::new(if is_live { READ_MAX } else { READ_MAX_ONCE }),
            instance,
            rates: Rates::default(),
            prefix_rates: Rates::default(),
            earlier: None,
            cpu_ns: clock::cpu_ns(),
        }
    }

    /// Collects a view. The first view has no rates.
    ///
    /// # Errors
    ///
    /// Not attached, or the filter cannot be read.
    pub(super) fn collect(&mut self, query: &TopQuery) -> Result<(TopView, Status)> {
        let datapath = open(&self.instance)?;
        let earlier = match self.earlier.take() {
            Some(earlier) => earlier,
            None => snapshot(&datapath)?,
        };
        let begun_ns = clock::now_ns();
        let (settings, _) = datapath.settings()?;
        self.lists.read(&datapath, clock::now())?;
        let mut found = self.sources(&datapath, query, settings.v6_length())?;
        if settings.prefix_rate != 0 {
            found.prefixes = self.prefixes(&datapath)?;
        }
        look_up(&datapath, &mut found, settings.v6_length())?;
        let reading_ms = clock::now_ns().saturating_sub(begun_ns) as f64 / 1e6;
        let status = Status::since(&self.instance, &datapath, &earlier, found.summary)?;
        let seconds = status.snapshot.at.since(earlier.at).as_secs_f64();
        self.earlier = Some(status.snapshot.clone());
        let mut view = view(&status, found);
        view.cost = self.cost(seconds, reading_ms);
        Ok((view, status))
    }

    /// Adds the details that only the live screen shows: list entries and events.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub(super) fn add_details(&mut self, view: &mut TopView) -> Result<()> {
        let now = clock::now();
        self.lists.read_reasons(&self.instance, &open(&self.instance)?, now)?;
        view.list_rows = self.lists.list_rows(now);
        view.reasons_unread = self.lists.reasons_unread();
        self.events.read()?;
        view.events = self.events.latest();
        Ok(())
    }

    fn sources(&mut self, datapath: &Datapath, query: &TopQuery, v6_length: u8) -> Result<TableScan> {
        let now_ns = clock::now_ns();
        self.rates.begin(now_ns);
        let seconds = self.rates.seconds();
        let mut summary = SourceSummary::default();
        let mut busiest = Busiest::new(query.sort, query.limit);
        let mut prefixes = PrefixTotals::default();
        let coverage = datapath.for_each_source(self.budget, |key, state| {
            summary.add(state, now_ns);
            let fresh = self.rates.fresh(key, state);
            let row = Row::new(key, state, fresh, seconds, now_ns);
            if fresh > 0 {
                prefixes.add(&row);
            }
            if query.filter.admits(key, v6_length) {
                busiest.offer(row);
            }
        })?;
        let prefixes = prefixes.busiest(query.sort, PREFIXES_MAX, seconds);
        let mut rows = busiest.finish();
        self.add_blocked(datapath, query, &mut rows, v6_length)?;
        Ok(TableScan { summary, rows, prefixes, coverage })
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
                *row = row.with_hits(shown.fresh, shown.hits(), seconds, now_ns);
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
        Ok(busiest.finish())
    }

    fn cost(&mut self, seconds: f64, reading_ms: f64) -> Cost {
        let now_ns = clock::cpu_ns();
        let used = now_ns.saturating_sub(self.cpu_ns) as f64 / 1e9;
        self.cpu_ns = now_ns;
        Cost { cpu: if seconds > 0.0 { used / seconds } else { 0.0 }, reading_ms }
    }
}

/// Looks the found rows up in the lists.
fn look_up(datapath: &Datapath, found: &mut TableScan, v6_length: u8) -> Result<()> {
    let states = ListStates::of(datapath)?;
    let now_ns = clock::now_ns();
    let rows = found.rows.iter_mut().map(|row| (row, [128, v6_length.into()]));
    let prefixes = found.prefixes.iter_mut().map(|row| (row, PREFIX_LENGTHS));
    for (row, [v4, v6]) in rows.chain(prefixes) {
        let length = if row.key.address.is_v4() { v4 } else { v6 };
        let listed = states.of_prefix(&Prefix::new(row.key.address, length), now_ns);
        row.status = listed.unwrap_or(row.status);
    }
    Ok(())
}

fn view(status: &Status, found: TableScan) -> TopView {
    let listeners = tcp_counters::read_counters().ok();
    TopView {
        at_ns: status.snapshot.at.as_ns(),
        instance: status.name.clone(),
        interfaces: status
            .interfaces
            .iter()
            .map(|link| InterfaceRow { name: link.name.clone(), place: place_brief(link).to_owned() })
            .collect(),
        controller: status.controller.map(|health| health.pid),
        controller_silence: status
            .controller
            .filter(|health| !health.is_responding())
            .and_then(|health| health.silence)
            .map(|silence| silence.as_secs()),
        phase: status.control.phase,
        kind: status.control.kind.map(|_| status.control.kinds_text()),
        phase_seconds: status.control.phase_seconds(status.snapshot.at),
        monitor: status.settings.monitor,
        arming: status.arming(),
        counters: status.snapshot.counters.clone(),
        distinct: status.snapshot.distinct_sources.round() as u64,
        distinct_limit: status.settings.distinct_limit.into(),
        cookies: CookieState {
            mode: status.control.cookie_mode().name().to_owned(),
            sysctl: status.control.cookies.now,
            timestamps: status.control.timestamps.now,
        },
        listeners: listeners
            .map(|counts| ListenDrops { drops: counts.listen_drops, queue_full: counts.queue_full_drops }),
        tracked: Gauge { used: status.sources.tracked, capacity: status.capacity.into() },
        in_hold: status.sources.in_hold,
        under_pressure: status.snapshot.cpus.sources.is_under_pressure(status.snapshot.at.as_ns()),
        allowlist: gauge(status.lists[List::Allow.index()]),
        blocklist: gauge(status.lists[List::Block.index()]),
        v6_length: status.settings.v6_length(),
        sources: found.rows,
        coverage: found.coverage.share,
        prefixes: found.prefixes,
        prefixes_limited: status.settings.prefix_rate != 0,
        ..TopView::default()
    }
}

fn gauge(size: ListSize) -> Gauge {
    Gauge { used: size.entries, capacity: size.capacity }
}
