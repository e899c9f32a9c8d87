//! Reads the filter for `top`. Each refresh opens the pins anew, so that `top` survives a filter that is detached
//! and attached again. The counters are read at each refresh, the table of sources as often as its cost allows.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use jiff::{Timestamp, tz::TimeZone};
use synguard_common::source::SourceKey;
use synguard_datapath::{Budget, Datapath};
use synguard_kernel::{clock, instance::Instance};
use synguard_model::{settings::Settings, snapshot::Snapshot, source::address};
use synguard_top::{
    ViewReader,
    sources::{ReadSchedule, Row},
    view_model::{Cost, Gauge, InterfaceRow, ListenerCounts, SourceExplanation, TopQuery, TopView},
};

use super::events::EventReader;
use crate::commands::{
    busiest::{BusiestReader, TableScan},
    filter::{open, snapshot},
    status::{Status, place_brief},
    why,
};

/// Time budget for reading a table: a table of a million sources takes a third of it.
const READ_MAX: Duration = Duration::from_secs(1);
/// The same for `--once`, where no user waits for a key to take effect.
const READ_MAX_ONCE: Duration = Duration::from_secs(5);

/// Ratio by which a rate has to change for the table of sources to be read at once.
const CHANGE_MIN: f64 = 2.0;
/// Rate below which its changes do not matter.
const RATE_MIN: f64 = 100.0;

/// Collects a view of the filter at each refresh.
pub(super) struct Collector {
    instance: Instance,
    reader: BusiestReader,
    events: EventReader,
    zone: TimeZone,
    earlier: Option<Snapshot>,
    cpu_ns: u64,
    /// Time between two refreshes; `None` if each reads the table of sources.
    interval: Option<Duration>,
    schedule: ReadSchedule,
    latest: Option<TableReading>,
    /// Set by an edit of the lists: the status of sources may have changed.
    edited: Arc<AtomicBool>,
    /// Notes on the source that was explained last.
    notes: Option<(SourceKey, Vec<String>)>,
}

/// A reading of the table of sources.
struct TableReading {
    at_ns: u64,
    rates: ChangingRates,
    query: TopQuery,
    scan: TableScan,
}

/// Rates whose change tells that other sources may be the busiest.
#[derive(Clone, Copy)]
struct ChangingRates {
    /// SYNs a second.
    syns: f64,
    /// SYNs a second that are dropped: a source that exceeds its limit shows here in a flood of forged ones as well.
    dropped: f64,
}

impl ChangingRates {
    /// Returns the rates since `earlier`.
    fn read(datapath: &Datapath, earlier: &Snapshot) -> Result<Self> {
        let now = Snapshot { at: clock::monotonic(), counters: datapath.counters()?, ..Snapshot::default() };
        let seconds = now.at.since(earlier.at).as_secs_f64();
        let fates = now.counters.since(&earlier.counters).syn_fates();
        let dropped = (fates.dropped + fates.would_drop) as f64;
        Ok(Self { syns: now.syn_rate(earlier), dropped: if seconds > 0.0 { dropped / seconds } else { 0.0 } })
    }

    fn have_changed_since(self, earlier: Self) -> bool {
        has_changed(earlier.syns, self.syns) || has_changed(earlier.dropped, self.dropped)
    }
}

impl Collector {
    /// Creates a collector for a screen that is refreshed once in `interval`, or for output that is printed once.
    pub(super) fn new(instance: Instance, interval: Option<Duration>) -> Self {
        let zone = TimeZone::try_system().unwrap_or(TimeZone::UTC);
        let budget = Budget::new(if interval.is_some() { READ_MAX } else { READ_MAX_ONCE });
        Self {
            events: EventReader::new(&instance, zone.clone()),
            reader: BusiestReader::new(budget, interval.is_some()),
            instance,
            zone,
            earlier: None,
            cpu_ns: clock::cpu_ns(),
            interval,
            schedule: ReadSchedule::default(),
            latest: None,
            edited: Arc::default(),
            notes: None,
        }
    }

    /// Returns a mark that an edit of the lists sets.
    pub(super) fn edited(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.edited)
    }

    /// Collects a view. The first view has no rates.
    ///
    /// # Errors
    ///
    /// Not attached, or the filter cannot be read.
    pub(super) fn collect(&mut self, query: &TopQuery) -> Result<(TopView, Status)> {
        self.collect_from(&open(&self.instance)?, query)
    }

    fn collect_from(&mut self, datapath: &Datapath, query: &TopQuery) -> Result<(TopView, Status)> {
        let earlier = match self.earlier.take() {
            Some(earlier) => earlier,
            None => snapshot(datapath)?,
        };
        let (settings, _) = datapath.settings()?;
        let rates = ChangingRates::read(datapath, &earlier)?;
        let cpu_ns = clock::cpu_ns();
        let reading = self.read_table(datapath, query, &settings, rates)?;
        let table_cpu_ns = clock::cpu_ns().saturating_sub(cpu_ns);
        let found = reading.scan.found.clone();
        let status = Status::since(&self.instance, datapath, &earlier, found)?;
        let mut view = view(&status, &reading);
        if let Some(row) = kept_row(datapath, query, &reading)? {
            view.sources.push(row);
        }
        self.latest = Some(reading);
        let seconds = status.snapshot.at.since(earlier.at).as_secs_f64();
        self.earlier = Some(status.snapshot.clone());
        if let Ok(now) = Timestamp::from_millisecond(clock::unix_ms().cast_signed()) {
            let now = now.to_zoned(self.zone.clone());
            view.clock = now.strftime("%H:%M:%S").to_string();
            view.zone = now.strftime("%Z").to_string();
        }
        view.read_seconds = self.interval.and_then(|interval| self.schedule.seconds(interval));
        view.cost = Cost { table_cpu_ns, cpu: self.cpu_share(seconds) };
        Ok((view, status))
    }

    /// Reads the table of sources if that is due; otherwise returns the latest reading.
    fn read_table(
        &mut self,
        datapath: &Datapath,
        query: &TopQuery,
        settings: &Settings,
        rates: ChangingRates,
    ) -> Result<TableReading> {
        let at_ns = clock::now_ns();
        let latest = self.latest.take();
        if self.edited.swap(false, Ordering::Relaxed) {
            self.schedule.hasten();
        } else if latest.as_ref().is_some_and(|latest| rates.have_changed_since(latest.rates)) {
            self.schedule.hasten_once(at_ns);
        }
        let is_due = self.interval.is_none() || self.schedule.is_due(at_ns);
        match latest {
            Some(mut latest) if !is_due && latest.query.selects_like(query) => {
                let scan = &mut latest.scan;
                if let Some(at_ns) = self.reader.read_again(datapath, query, scan, settings.v6_length())? {
                    latest.at_ns = at_ns;
                }
                Ok(latest)
            }
            _ => {
                let cpu_ns = clock::cpu_ns();
                let scan = self.reader.read(datapath, Some(query), settings)?;
                let used = Duration::from_nanos(clock::cpu_ns().saturating_sub(cpu_ns));
                self.schedule.done(at_ns, used);
                if self.schedule.skips(self.interval) {
                    self.reader.watch(datapath, &scan, settings.v6_length())?;
                }
                Ok(TableReading { at_ns, rates, query: query.clone(), scan })
            }
        }
    }

    /// Adds the details that only the live screen shows: list entries and events.
    fn add_details(&mut self, datapath: &Datapath, view: &mut TopView) -> Result<()> {
        let now = clock::now();
        self.reader.lists.read_reasons(&self.instance, datapath, now)?;
        view.list_rows = self.reader.lists.list_rows(now);
        view.reasons_unread = self.reader.lists.reasons_unread();
        self.events.read()?;
        view.events = self.events.latest();
        Ok(())
    }

    fn cpu_share(&mut self, seconds: f64) -> f64 {
        let now_ns = clock::cpu_ns();
        let used = now_ns.saturating_sub(self.cpu_ns) as f64 / 1e9;
        self.cpu_ns = now_ns;
        if seconds > 0.0 { used / seconds } else { 0.0 }
    }
}

impl ViewReader for Collector {
    fn look(&mut self, query: &TopQuery) -> Result<TopView> {
        let datapath = open(&self.instance)?;
        let mut view = self.collect_from(&datapath, query)?.0;
        self.add_details(&datapath, &mut view)?;
        Ok(view)
    }

    fn explain(&mut self, source: &SourceKey) -> Result<SourceExplanation> {
        let address = address(source);
        // The notes hardly change, and need the host's routes and sockets.
        if self.notes.as_ref().is_none_or(|(key, _)| key != source) {
            self.notes = Some((*source, why::address_notes(address)));
        }
        let notes = self.notes.as_ref().map_or(&[][..], |(_, notes)| notes);
        let explanation = why::explain(&self.instance, address, None)?;
        let lines = why::to_text(address, &explanation, notes, false).lines().map(str::to_owned).collect();
        Ok(SourceExplanation { key: *source, lines })
    }
}

/// Reports whether a rate has changed so much that other sources may be the busiest.
fn has_changed(before: f64, now: f64) -> bool {
    let (low, high) = if before < now { (before, now) } else { (now, before) };
    high > RATE_MIN && high > CHANGE_MIN * low
}

/// Returns the row of the source that the user has selected, if it is not among the busiest.
fn kept_row(datapath: &Datapath, query: &TopQuery, reading: &TableReading) -> Result<Option<Row>> {
    let Some(key) = query.kept.filter(|key| !reading.scan.rows.iter().any(|row| row.key == *key)) else {
        return Ok(None);
    };
    let state = datapath.source(&key)?;
    Ok(state.map(|state| Row::new(&key, &state, 0, 0.0, clock::now_ns())))
}

fn view(status: &Status, TableReading { at_ns, scan, .. }: &TableReading) -> TopView {
    TopView {
        at_ns: status.snapshot.at.as_ns(),
        read_ns: *at_ns,
        situation: status.situation(),
        instance: status.name.clone(),
        interfaces: status
            .interfaces
            .iter()
            .map(|link| InterfaceRow { name: link.name.clone(), place: place_brief(link).to_owned() })
            .collect(),
        has_controller: status.controller.is_some(),
        counters: status.snapshot.counters.clone(),
        distinct: status.distinct_sources(),
        syncookies: status.control.cookies.now,
        listeners: status
            .snapshot
            .tcp
            .map(|counts| ListenerCounts { accepted: counts.passive_opens, drops: counts.listen_drops }),
        tracked: Gauge { used: status.found.summary.tracked, capacity: status.capacity.into() },
        in_hold: status.found.summary.in_hold,
        under_pressure: status.snapshot.cpus.sources.is_under_pressure(status.snapshot.at.as_ns()),
        v6_length: status.settings.v6_length(),
        sources: scan.rows.clone(),
        coverage: scan.coverage.share,
        prefixes: scan.prefixes.clone(),
        prefixes_limited: status.settings.prefix_rate != 0,
        ..TopView::default()
    }
}
